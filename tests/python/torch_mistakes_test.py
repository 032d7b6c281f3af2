"""Programs that are wrong, ranks that fail, Ctrl-C: each an error that says so, on all ranks, in time.

Two ranks: what the one does wrong the other one learns.
"""
import os
import signal
import threading
import unittest

import torch
import torch.distributed as distributed
from torch.nn.parallel import DistributedDataParallel
from torch_support import Case, backward, make_model, rank, ranks

import gossamer
import gossamer.torch


def warm_up(ddp):
    """Two steps: in the second one DDP makes its buckets anew, by a collective of its own."""
    for step in range(2):
        backward(ddp, step)


@unittest.skipUnless(ranks == 2, "for two ranks")
class Mistakes(Case):
    def tearDown(self):
        distributed.barrier()

    def test_a_rank_whose_program_fails_is_named_by_the_others(self):
        ours = DistributedDataParallel(make_model())
        with self.fails(
            ZeroDivisionError if rank == 1 else RuntimeError, "" if rank == 1 else "rank 1 is lost: it left"
        ):
            with gossamer.torch.attach(ours) as state:
                warm_up(ours)
                if rank == 1:
                    1 / 0
                backward(ours, 2)
        if rank == 0:
            self.assertIsInstance(state.error, gossamer.PeerLostError)

    def test_a_rank_that_does_not_come_is_an_error_in_time(self):
        ours = DistributedDataParallel(make_model())
        with gossamer.torch.attach(ours, timeout=0.5):
            warm_up(ours)
            if rank == 0:
                with self.fails(RuntimeError, "DeadlineError", "rank 1"):
                    backward(ours, 2)
            distributed.barrier()
        model = make_model()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with gossamer.torch.DistributedOptimizer(optimizer, model.named_parameters(), timeout=0.5) as ours:
            backward(model, 0)
            if rank == 0:
                with self.fails(gossamer.DeadlineError, "rank 1"):
                    ours.step()
            distributed.barrier()

    def test_control_c_ends_a_backward_that_waits(self):
        ours = DistributedDataParallel(make_model())
        with gossamer.torch.attach(ours) as state:
            warm_up(ours)
            if rank == 0:
                threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
                with self.fails(RuntimeError, "KeyboardInterrupt: while backward waited"):  # PyTorch makes it so
                    backward(ours, 2)
                self.assertIsInstance(state.error, gossamer.CancelledError)
            distributed.barrier()

    def test_control_c_ends_a_collective_that_waits_and_the_group_can_go(self):
        group = distributed.new_group(backend="gossamer")
        distributed.barrier(group=group)
        if rank == 0:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            with self.assertRaises(KeyboardInterrupt):
                distributed.all_reduce(torch.ones(3), group=group)
            group.shutdown()
        distributed.barrier()
        if rank == 1:
            with self.fails(gossamer.PeerLostError, "rank 0"):
                distributed.all_reduce(torch.ones(3), group=group)

    def test_batch_norm_trains_for_longer_than_a_session_once_lived(self):
        # DDP sends its buffers in every step: over the back end they are broadcasts of a session.
        group = distributed.new_group(backend="gossamer")
        model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
        ours = DistributedDataParallel(model, process_group=group)
        x = torch.randn(4, 2, generator=torch.Generator().manual_seed(rank))
        with gossamer.torch.attach(ours, algorithm="dense") as state:
            for _ in range(5100 if os.environ.get("GOSSAMER_TEST_LONG") else 50):
                ours(x).sum().backward()
            mine = torch.cat([each.double().reshape(-1) for each in model.buffers()])
            ours(x)  # takes over rank 0's, as before each forward
            self.assertEqual(int(model[1].num_batches_tracked), state.stats()["operations"] + 1)
        self.assertTrue(torch.isfinite(mine).all())
        group.shutdown()

    def test_parameters_that_are_not_those_of_the_start_are_named(self):
        model = make_model()
        model[0].bias.requires_grad_(False)
        ours = DistributedDataParallel(model)
        model[0].bias.requires_grad_(True)  # too late for DDP
        with gossamer.torch.attach(ours):
            with self.fails(RuntimeError, "DDP has no gradient of 0.bias"):
                backward(ours, 0)
        with self.fails(gossamer.MismatchError):
            gossamer.torch.State(DistributedDataParallel(make_model()), group_bytes=(1000, 100_000)[rank])

    def test_a_state_that_does_not_fit_is_refused_on_every_rank(self):
        with gossamer.torch.State(DistributedDataParallel(make_model())) as state, gossamer.torch.State(
            DistributedDataParallel(make_model()), algorithm="shared-top-k"
        ) as other:
            with self.fails(gossamer.InvalidArgumentError, "is of SHARED_TOP_K, and here is GS_SGD"):
                state.load_state_dict(other.state_dict())
            given = {} if rank == 0 else state.state_dict()
            with self.fails(gossamer.InvalidArgumentError if rank == 0 else gossamer.GossamerError):
                state.load_state_dict(given)
            damaged = state.state_dict()
            damaged["groups"] = [each.clone() for each in damaged["groups"]]
            damaged["groups"][0][20] += 1
            with self.fails(gossamer.GossamerError):
                state.load_state_dict(damaged)

    def test_types_and_devices_that_cannot_travel_are_named(self):
        for parameter, words in (
            (torch.nn.Parameter(torch.zeros(3, device="meta")), "is on meta: expected host memory"),
            (torch.nn.Parameter(torch.zeros(3, dtype=torch.complex64)), "complex64: expected floating point"),
        ):
            optimizer = torch.optim.SGD([parameter], 0.1)
            with self.fails(
                gossamer.InvalidArgumentError, f"the parameter w {'is on' if 'meta' in words else 'has'}", words
            ):
                gossamer.torch.DistributedOptimizer(optimizer, [("w", parameter)])
        with self.fails(gossamer.InvalidArgumentError, "timeout is 0"):
            gossamer.torch.State(DistributedDataParallel(make_model()), timeout=0)
        with self.fails(gossamer.InvalidArgumentError, "expected one of Algorithm: "):
            gossamer.torch.State(DistributedDataParallel(make_model()), algorithm="best")
        half = make_model().half()
        optimizer = torch.optim.SGD(half.parameters(), 0.1)
        with gossamer.torch.DistributedOptimizer(optimizer, half.named_parameters(), density=0.1) as ours:
            for each in half.parameters():
                each.grad = torch.ones_like(each)
            ours.step()  # exchanged as f32
            self.assertEqual(half[0].weight.grad.dtype, torch.float16)
