"""The back end "gossamer" of torch.distributed.

Goal: its collectives do what PyTorch says of them, and DDP works over them as over Gloo. Method: every rank knows what
all others have, so results are computed by hand; numbers are small integers, whose sums are exact.
"""
import datetime
import importlib.metadata

import torch
import torch.distributed as distributed
from torch.nn.parallel import DistributedDataParallel
from torch_support import Case, backward, gradients, make_model, rank, ranks

import gossamer
import gossamer.torch

ReduceOp = distributed.ReduceOp
SIZES = (1, 5, 1000, 70_001)  # one-off and plans; no whole lines


def drawn(size, of_rank=rank, dtype=torch.float32):
    return torch.randint(0, 50, (size,), generator=torch.Generator().manual_seed(of_rank + size)).to(dtype)


def every(size, dtype=torch.float32):
    return torch.stack([drawn(size, each, dtype) for each in range(ranks)])


class Backend(Case):
    @classmethod
    def setUpClass(cls):
        cls.group = distributed.new_group(backend="gossamer")

    @classmethod
    def tearDownClass(cls):
        cls.group.shutdown()

    def same(self, one, other):
        self.assert_close([one], [other], rtol=0, atol=0)

    def test_reductions_are_those_by_hand(self):
        for size in SIZES:
            for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8):
                mine = drawn(size, dtype=dtype)
                distributed.all_reduce(mine, group=self.group)
                self.same(mine, every(size).sum(0).to(dtype))
            for op, reduced in (
                (ReduceOp.MAX, every(size).max(0).values),
                (ReduceOp.MIN, every(size).min(0).values),
                (ReduceOp.AVG, every(size).mean(0)),
            ):
                mine = drawn(size)
                distributed.all_reduce(mine, op, group=self.group)
                self.assert_close([mine], [reduced], rtol=1e-6, atol=0)
            mine = drawn(size)
            distributed.reduce(mine, ranks - 1, group=self.group)
            self.same(mine, every(size).sum(0) if rank == ranks - 1 else drawn(size))
            true = drawn(size) > 25
            distributed.all_reduce(true, ReduceOp.MAX, group=self.group)
            self.same(true, (every(size) > 25).any(0))
        columns = drawn(6000).view(60, 100).t()
        distributed.all_reduce(columns, group=self.group)
        self.same(columns, every(6000).sum(0).view(60, 100).t())
        distributed.all_reduce(torch.empty(0), group=self.group)

    def test_what_is_gathered_and_scattered_lies_in_its_place(self):
        for size in SIZES:
            mine = drawn(size)
            distributed.broadcast(mine, ranks - 1, group=self.group)
            self.same(mine, drawn(size, ranks - 1))
            parts = [torch.empty(size) for _ in range(ranks)]
            distributed.all_gather(parts, drawn(size), group=self.group)
            self.same(torch.stack(parts), every(size))
            whole = torch.empty(ranks * size)
            distributed.all_gather_into_tensor(whole, drawn(size), group=self.group)
            self.same(whole.view(ranks, size), every(size))
            given = [drawn(size) + each for each in range(ranks)]
            distributed.reduce_scatter(mine, given, group=self.group)
            self.same(mine, every(size).sum(0) + ranks * rank)
            distributed.reduce_scatter_tensor(mine, torch.cat(given), ReduceOp.SUM, group=self.group)
            self.same(mine, every(size).sum(0) + ranks * rank)
            distributed.gather(drawn(size), parts if rank == 0 else None, 0, group=self.group)
            self.same(torch.stack(parts), every(size))
            distributed.scatter(mine, given if rank == 0 else None, 0, group=self.group)
            self.same(mine, drawn(size, 0) + rank)
        objects = [None] * ranks
        distributed.all_gather_object(objects, {"rank": rank}, group=self.group)
        self.assertEqual(objects, [{"rank": each} for each in range(ranks)])
        distributed.barrier(group=self.group)

    def test_several_are_in_flight_and_waited_for_in_any_order(self):
        given = [drawn(size) for size in SIZES * 3]
        works = [distributed.all_reduce(each, group=self.group, async_op=True) for each in given]
        for work in reversed(works):
            work.wait()
            self.assertTrue(work.is_completed())
        for mine, size in zip(given, SIZES * 3):
            self.same(mine, every(size).sum(0))

    def test_ddp_and_its_hook_work_over_it_as_over_gloo(self):
        def make(group):
            model = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.BatchNorm1d(30), make_model(30)[1:4])
            return DistributedDataParallel(model, process_group=group)

        torch.manual_seed(3)
        reference, ours, hooked = make(distributed.new_group(backend="gloo")), make(self.group), make(self.group)
        for each in (ours, hooked):
            each.load_state_dict(reference.state_dict())
        with gossamer.torch.attach(hooked, algorithm="dense"):
            for step in range(4):
                for each in (reference, ours, hooked):
                    each.zero_grad()
                    backward(each, step)
                for each in (ours, hooked):
                    self.assert_close(gradients(each), gradients(reference), rtol=1e-4, atol=1e-6)
                    self.assert_close(list(each.buffers()), list(reference.buffers()), rtol=1e-4, atol=1e-6)

    def test_buffers_are_broadcast_for_longer_than_a_session_once_lived(self):
        buffer = torch.zeros(8)
        for step in range(4200):
            if rank == 0:
                buffer += 1
            distributed.broadcast(buffer, 0, group=self.group)
        self.assertEqual(buffer.tolist(), [4200.0] * 8)

    def test_what_is_not_there_is_said(self):
        for call, words in (
            (lambda: distributed.all_reduce(torch.ones(2), ReduceOp.PRODUCT, group=self.group), "expected SUM, AVG"),
            (lambda: distributed.send(torch.ones(2), (rank + 1) % ranks, group=self.group), "no all-to-all, send"),
            (lambda: distributed.all_reduce(torch.ones(2).to_sparse(), group=self.group), "sparse"),
            (lambda: distributed.all_reduce(torch.ones(2, dtype=torch.int16), group=self.group), "expected float32"),
            (
                lambda: distributed.all_gather_into_tensor(torch.ones(2), torch.ones(2), group=self.group),
                "times the other",
            ),
        ):
            with self.fails(gossamer.InvalidArgumentError, words):
                call()
        with self.fails(gossamer.MismatchError):  # on every rank, which stay together
            distributed.all_reduce(torch.ones(2 + rank), group=self.group)
        distributed.barrier(group=self.group)

    def test_a_rank_that_does_not_come_is_an_error_in_time(self):
        late = distributed.new_group(backend="gossamer", timeout=datetime.timedelta(seconds=2))
        if rank == 0:
            with self.fails(gossamer.DeadlineError, "rank"):
                distributed.all_reduce(torch.ones(3), group=late)
            with self.fails(gossamer.DeadlineError):  # ranks are no longer together
                distributed.all_reduce(torch.ones(3), group=late)
        distributed.barrier(group=self.group)
        late.shutdown()
        with self.fails(gossamer.InvalidArgumentError, "has been shut down"):
            distributed.all_reduce(torch.ones(3), group=late)

    def test_it_is_found_by_the_name_of_its_entry_point(self):
        points = importlib.metadata.distribution("gossamer").entry_points
        (found,) = [each for each in points if each.group == "torch.distributed.backends"]
        self.assertEqual(found.name, "gossamer")
        self.assertIs(found.load(), gossamer.torch.register_backend)
        self.assertEqual(distributed.Backend("gossamer").upper(), "GOSSAMER")
