"""The hook for DistributedDataParallel, in real DDP over Gloo.

Goal: dense is DDP's own all-reduce to rounding, in every way that DDP is used; what a rank holds back survives the
rebuilding of buckets, a restart and another number of ranks. Method: two copies of a model, one with the hook and one
without, on the same batches.
"""
import io

import torch
import torch.distributed as distributed
from torch.nn.parallel import DistributedDataParallel
from torch_support import Case, backward, batch, gradients, loss_of, losses_of, make_model, rank, ranks

import gossamer
import gossamer.torch


class Hook(Case):
    def test_dense_is_ddps_own_all_reduce_to_rounding(self):
        # Small buckets and groups, so that several are in flight and they do not match; rebuilt by DDP after the first
        # step.
        for settings in (
            {},
            {"gradient_as_bucket_view": True},
            {"static_graph": True},
            {"find_unused_parameters": True},
        ):
            plain = DistributedDataParallel(make_model(), bucket_cap_mb=0.05, **settings)
            ours = DistributedDataParallel(make_model(), bucket_cap_mb=0.05, **settings)
            with gossamer.torch.attach(ours, algorithm="dense", group_bytes=4_000) as state:
                self.assertGreater(len(state._groups), 2)
                both = [(each, torch.optim.SGD(each.parameters(), 0.1, 0.9)) for each in (plain, ours)]
                for step in range(5):
                    for model, optimizer in both:
                        optimizer.zero_grad()
                        backward(model, step)
                        optimizer.step()
                    self.assert_close(gradients(ours), gradients(plain), rtol=1e-5, atol=1e-7)

    def test_accumulated_gradients_are_exchanged_as_one(self):
        plain, ours = (DistributedDataParallel(make_model()) for _ in range(2))
        with gossamer.torch.attach(ours, algorithm="dense"):
            for step in range(3):
                for model in (plain, ours):
                    model.zero_grad()
                    with model.no_sync():
                        backward(model, 10 * step)
                        backward(model, 10 * step + 1)
                    backward(model, 10 * step + 2)
                self.assert_close(gradients(ours), gradients(plain), rtol=1e-5, atol=1e-7)

    def test_frozen_parameters_and_other_types_work_as_without_the_hook(self):
        for dtype in (torch.float64, torch.float32):
            models = []
            for _ in range(2):
                model = make_model().to(dtype)
                model[0].weight.requires_grad_(False)
                models.append(DistributedDataParallel(model))
            with gossamer.torch.attach(models[1], algorithm="dense"):
                for model in models:
                    backward(model, 1, dtype=dtype)
                self.assertIsNone(models[1].module[0].weight.grad)
                self.assert_close(
                    gradients(models[1]),
                    gradients(models[0]),
                    rtol=1e-5,
                    atol=1e-7 if dtype == torch.float32 else 1e-14,
                )

    def test_unused_parameters_and_uneven_batches_work_as_without_the_hook(self):
        class Branches(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.used, self.unused, self.last = (
                    torch.nn.Linear(20, 9),
                    torch.nn.Linear(20, 9),
                    torch.nn.Linear(9, 5),
                )

            def forward(self, x):
                return self.last(torch.relu(self.used(x)))

        models = []
        for _ in range(2):
            torch.manual_seed(2)
            models.append(
                DistributedDataParallel(Branches(), find_unused_parameters=True, gradient_as_bucket_view=True)
            )
        with gossamer.torch.attach(models[1], algorithm="dense", group_bytes=100):
            for model in models:
                with model.join():
                    for step in range(3 + rank):
                        model.zero_grad()
                        backward(model, step)
            self.assert_close(gradients(models[1]), gradients(models[0]), rtol=1e-5, atol=1e-7)

    def test_gradients_of_half_the_width_are_exchanged_as_f32(self):
        group = distributed.new_group(backend="gossamer")  # PyTorch 1.13's Gloo has no bfloat16
        self.addCleanup(group.shutdown)
        ours = DistributedDataParallel(make_model().to(torch.bfloat16), process_group=group)
        with gossamer.torch.attach(ours, density=0.1) as state:
            for step in range(3):
                ours.zero_grad()
                backward(ours, step, dtype=torch.bfloat16)
                every = torch.cat([each.reshape(-1) for each in gradients(ours)])
                self.assertEqual((every.dtype, bool(every.isfinite().all())), (torch.bfloat16, True))
                state.session.check_equal("gradients", every)

    def test_what_is_held_back_survives_the_rebuilding_of_buckets(self):
        # Without clip, momentum and loss, all that was ever computed is either sent or held back: after enough steps
        # with a gradient of zero the sum of what was sent is that of the first steps' gradients, of before and after
        # the rebuilding.
        model = make_model()
        ours = DistributedDataParallel(model, bucket_cap_mb=0.05)
        sent = [torch.zeros_like(parameter) for parameter in model.parameters()]
        computed = [torch.zeros_like(parameter) for parameter in model.parameters()]
        layouts = []
        with gossamer.torch.State(ours, algorithm="top-k", density=0.05, exact_numel=10, group_bytes=4_000) as state:

            def hook(state, bucket):
                layouts.append([id(parameter) for parameter in bucket.parameters()])
                return gossamer.torch.gs_sgd_hook(state, bucket)

            ours.register_comm_hook(state, hook)
            for step in range(60):
                if step < 3:
                    for of_rank in range(ranks):
                        alone = make_model()
                        alone.load_state_dict(model.state_dict())
                        backward(alone, step, of_rank=of_rank)
                        for total, gradient in zip(computed, gradients(alone)):
                            total += gradient / ranks
                ours.zero_grad()
                x, y = batch(step)
                (torch.nn.functional.cross_entropy(ours(x), y) * (1.0 if step < 3 else 0.0)).backward()
                for total, gradient in zip(sent, gradients(ours)):
                    total += gradient
        first, later = layouts[0], layouts[-len(set(map(tuple, layouts))) + 1]
        self.assertNotEqual(first, later)
        self.assert_close(sent, computed, rtol=1e-4, atol=1e-6)

    def test_a_saved_state_goes_on_with_the_same_gradients(self):
        options = {"density": 0.05, "group_bytes": 30_000}

        def run(steps, state=None):
            ours = DistributedDataParallel(make_model())
            seen = []
            with gossamer.torch.attach(ours, **options) as attached:
                if state is not None:
                    attached.load_state_dict(state)
                for step in steps:
                    ours.zero_grad()
                    backward(ours, step)
                    seen.append(gradients(ours))
                file = io.BytesIO()
                torch.save(attached.state_dict(), file)
            file.seek(0)
            return seen, torch.load(file)

        whole, _ = run(range(6))
        _, state = run(range(3))
        again, _ = run(range(3, 6), state)
        for ours, reference in zip(again, whole[3:]):
            self.assert_close(ours, reference, rtol=0, atol=0)
        with gossamer.torch.State(DistributedDataParallel(make_model(100)), **options) as other:
            with self.fails(gossamer.MismatchError):
                other.load_state_dict(state)
            with self.fails(gossamer.InvalidArgumentError, "give the states of all saved ranks"):
                other.load_state_dict({**state, "rank_count": ranks + 1})

    def test_what_more_ranks_held_back_is_sent_by_fewer(self):
        # With gradients of zero what is sent is what was held back. Its sum over ranks stays, so with half the ranks
        # the mean is twice as large.
        options = {"algorithm": "top-k", "density": 0.05, "exact_numel": 10}

        def drain(ours):
            sent = [torch.zeros_like(parameter) for parameter in ours.parameters()]
            for step in range(60):
                ours.zero_grad()
                (loss_of(ours, step) * 0.0).backward()
                for total, gradient in zip(sent, gradients(ours)):
                    total += gradient
            return sent

        states = [None] * ranks
        ours = DistributedDataParallel(make_model())
        with gossamer.torch.attach(ours, **options) as state:
            for step in range(2):
                ours.zero_grad()
                backward(ours, step)
            distributed.all_gather_object(states, state.state_dict())
            expected = drain(ours)
        self.assertGreater(max(each.abs().max().item() for each in expected), 1e-3)
        group = distributed.new_group(list(range(ranks // 2)))
        if rank < ranks // 2:
            ours = DistributedDataParallel(make_model(), process_group=group)
            with gossamer.torch.attach(ours, **options) as state:
                state.load_state_dict(*states)
                self.assert_close(drain(ours), [2 * each for each in expected], rtol=1e-4, atol=1e-6)

    def test_every_algorithm_gives_all_ranks_the_same_gradient_for_fewer_bytes(self):
        for algorithm in gossamer.Algorithm:
            ours = DistributedDataParallel(make_model())
            with gossamer.torch.attach(ours, algorithm=algorithm, exact_numel=300) as state:
                for step in range(3):
                    ours.zero_grad()
                    backward(ours, step)
                    state.session.check_equal("gradients", torch.cat([each.reshape(-1) for each in gradients(ours)]))
                stats = state.stats()
                self.assertEqual((stats["operations"], stats["dimension"]), (3, 45405))
                self.assertLess(abs(stats["total_bytes_sent"] - 3 * stats["bytes_sent"]), stats["bytes_sent"] / 5)
                if algorithm != gossamer.Algorithm.DENSE:
                    self.assertLess(stats["bytes_sent"], 4 * 45405 / 2)

    def test_gs_sgd_trains_with_the_users_own_optimiser(self):
        ours = DistributedDataParallel(make_model())
        optimizer = torch.optim.Adam(ours.parameters(), 1e-3)
        with gossamer.torch.attach(ours, density=0.05):
            losses = losses_of(ours, optimizer, 60)
        self.assertLess(losses[-1], losses[0] / 2)

    def test_a_gradient_that_is_not_finite_fails_on_every_rank_with_the_parameters_name(self):
        ours = DistributedDataParallel(make_model())
        with gossamer.torch.attach(ours) as state:
            x, y = batch(0)
            if rank == ranks - 1:
                x[0, 0] = float("nan")
            with self.assertRaisesRegex(RuntimeError, f"rank {ranks - 1}"):
                torch.nn.functional.cross_entropy(ours(x), y).backward()
            self.assertIsInstance(state.error, gossamer.NotFiniteError)
            self.assertEqual(state.error.rank, ranks - 1)

    def test_what_cannot_be_exchanged_is_refused_with_a_sentence(self):
        with self.fails(gossamer.InvalidArgumentError, "expected DistributedDataParallel"):
            gossamer.torch.State(make_model())
        sparse = torch.nn.Sequential(torch.nn.Embedding(50, 4, sparse=True), torch.nn.Flatten(), torch.nn.Linear(8, 2))
        ours = DistributedDataParallel(sparse)
        with gossamer.torch.attach(ours):
            with self.assertRaisesRegex(RuntimeError, "sparse: expected dense"):
                ours(torch.tensor([[1, 2]])).sum().backward()
        first, second = (DistributedDataParallel(make_model()) for _ in range(2))
        with gossamer.torch.State(first) as state:  # of another model
            second.register_comm_hook(state, gossamer.torch.hook)
            with self.assertRaisesRegex(RuntimeError, "was not there when the state was made"):
                backward(second, 0)
        with gossamer.Session(rank=0, rank_count=1) as alone, self.fails(
            gossamer.InvalidArgumentError, "expected the same ranks"
        ):
            gossamer.torch.State(first, alone)
