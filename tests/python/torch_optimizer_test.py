"""DistributedOptimizer, without DDP.

Goal: every way of exchange does what its formula says, with everything that optimisers have. Method: beside it, what
all ranks would do is computed by hand on this one, from their seeds.
"""
import io

import torch
from torch_support import SessionCase, backward, loss_of, losses_of, make_model, rank, ranks, weights

import gossamer
import gossamer.torch

RATE, MOMENTUM = 0.1, 0.9


def sgd(model):
    return torch.optim.SGD(model.parameters(), RATE, MOMENTUM)


def step(model, optimizer, number, **of_batch):
    optimizer.zero_grad()
    backward(model, number, **of_batch)
    optimizer.step()


class Optimizer(SessionCase):
    def make(self, model, optimizer=None, **options):
        made = gossamer.torch.DistributedOptimizer(
            optimizer or sgd(model), model.named_parameters(), self.session, **options
        )
        self.addCleanup(made.close)
        return made

    def test_dense_gradients_are_one_process_with_the_whole_batch(self):
        model, alone = make_model(), make_model()
        if rank > 0:
            for parameter in model.parameters():
                parameter.data.normal_()  # rank 0's are taken
        ours, reference = self.make(model, algorithm="dense", group_bytes=4_000), sgd(alone)
        for number in range(5):
            step(model, ours, number)
            reference.zero_grad()
            (sum(loss_of(alone, number, of_rank=each) for each in range(ranks)) / ranks).backward()
            reference.step()
        self.assert_close([weights(model)], [weights(alone)], rtol=1e-4, atol=1e-6)
        self.session.check_equal("weights", weights(model))

    def test_every_algorithm_leaves_all_ranks_with_the_same_weights_and_learns(self):
        for algorithm in gossamer.Algorithm:
            for local_steps in (1, 3):
                model = make_model(50)
                before = weights(model)
                ours = self.make(model, algorithm=algorithm, exact_numel=60, local_steps=local_steps)
                losses = losses_of(model, ours, 12)
                self.assertLess(losses[-1], losses[0])
                self.assertFalse(torch.equal(before, weights(model)))
                self.session.check_equal("weights", weights(model))
                self.assertEqual(ours.stats()["operations"], 12 // local_steps)
                ours.close()

    def test_local_steps_are_those_computed_by_hand(self):
        model = make_model()
        ours = self.make(model, algorithm="dense", local_steps=3)
        every = [make_model() for _ in range(ranks)]
        theirs = [sgd(each) for each in every]
        for number in range(7):
            step(model, ours, number)
            for of_rank, (each, optimizer) in enumerate(zip(every, theirs)):
                step(each, optimizer, number, of_rank=of_rank)
            if number % 3 == 2:
                mean = sum(weights(each) for each in every) / ranks
                for each in every:
                    torch.nn.utils.vector_to_parameters(mean.clone(), each.parameters())
            self.assert_close([weights(model)], [weights(every[rank])], rtol=1e-4, atol=1e-6)

    def test_what_local_steps_hold_back_comes_later(self):
        # After steps with a rate of 0 the parameters are those of the exact mean: nothing was lost.
        model, alone = make_model(50), [make_model(50) for _ in range(ranks)]
        ours = self.make(
            model, torch.optim.SGD(model.parameters(), RATE), algorithm="top-k", density=0.05, local_steps=2
        )
        step(model, ours, 0)
        for of_rank, each in enumerate(alone):
            step(each, torch.optim.SGD(each.parameters(), RATE), 0, of_rank=of_rank)
        ours.param_groups[0]["lr"] = 0.0
        for number in range(1, 120):
            step(model, ours, number)
        self.assert_close([weights(model)], [sum(weights(each) for each in alone) / ranks], rtol=1e-4, atol=1e-6)

    def test_gossip_keeps_the_mean_and_one_peer_reaches_it(self):
        for graph in (gossamer.Graph(), gossamer.Graph("ring")):
            model = make_model()
            ours = self.make(model, torch.optim.SGD(model.parameters(), 0.0), graph=graph)
            generator = torch.Generator().manual_seed(rank)
            for parameter in model.parameters():
                parameter.data.add_(torch.randn(parameter.shape, generator=generator))
            mean = self.session.all_reduce(weights(model), "mean")
            away = [(weights(model) - mean).norm().item()]
            for number in range(8):
                step(model, ours, number)
                self.assert_close([self.session.all_reduce(weights(model), "mean")], [mean], rtol=1e-4, atol=1e-5)
                away.append((weights(model) - mean).norm().item())
            self.assertLess(away[-1], away[0] / (1000 if graph.kind == gossamer.GraphKind.ONE_PEER else 3))
            self.assertEqual(ours.stats()["operations"], 8)
            ours.average()
            self.session.check_equal("weights", weights(model))
        with self.fails(gossamer.InvalidArgumentError, "gossip sends all"):
            self.make(make_model(), graph=gossamer.Graph(), density=0.1)

    def test_param_groups_schedulers_and_closures_work_as_with_the_optimiser(self):
        model, alone = make_model(), make_model()
        groups = [
            [{"params": each[0].parameters(), "lr": 0.05}, {"params": each[2:].parameters()}] for each in (model, alone)
        ]
        inner, reference = (torch.optim.SGD(each, lr=RATE, momentum=MOMENTUM) for each in groups)
        ours = self.make(model, inner, algorithm="dense")
        both = [torch.optim.lr_scheduler.StepLR(each, 2, 0.5) for each in (ours, reference)]
        for number in range(5):

            def closure():
                ours.zero_grad(set_to_none=True)
                loss = loss_of(model, number)
                loss.backward()
                return loss

            self.assertGreater(ours.step(closure).item(), 0)
            reference.zero_grad()
            (sum(loss_of(alone, number, of_rank=each) for each in range(ranks)) / ranks).backward()
            reference.step()
            for each in both:
                each.step()
        self.assertEqual([each["lr"] for each in ours.param_groups], [0.05 / 4, RATE / 4])
        self.assertIs(ours.state, inner.state)
        self.assert_close([weights(model)], [weights(alone)], rtol=1e-4, atol=1e-6)

    def test_a_saved_state_goes_on_with_the_same_weights(self):
        for options in ({"density": 0.05}, {"density": 0.05, "local_steps": 4}, {"graph": gossamer.Graph()}):

            def run(steps, model, state=None):
                ours = self.make(model, **options)
                if state is not None:
                    model.load_state_dict(state["model"])
                    ours.load_state_dict(state["optimizer"])
                for number in steps:
                    step(model, ours, number)
                file = io.BytesIO()
                torch.save({"model": model.state_dict(), "optimizer": ours.state_dict()}, file)
                file.seek(0)
                return weights(model), torch.load(file)

            whole, _ = run(range(8), make_model())
            _, state = run(range(6), make_model())
            again, _ = run(range(6, 8), make_model(), state)
            if "graph" not in options or ranks == 2:  # rounds begin anew
                self.assert_close([again], [whole], rtol=0, atol=0)

    def test_mistakes_are_sentences(self):
        model = make_model()
        with self.fails(gossamer.InvalidArgumentError, "expected one of torch.optim"):
            self.make(model, torch.nn.Linear(1, 1))
        with self.fails(gossamer.InvalidArgumentError, "which the optimizer does not have"):
            self.make(model, torch.optim.SGD(model[0].parameters(), RATE))
        with self.fails(gossamer.InvalidArgumentError, "local_steps is 0"):
            self.make(model, local_steps=0)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        with self.fails(gossamer.InvalidArgumentError, "no parameter that needs a gradient"):
            self.make(model)
        model = make_model()
        ours = self.make(model)
        ours.add_param_group({"params": [torch.nn.Parameter(torch.zeros(3))]})
        with self.fails(gossamer.InvalidArgumentError, "shape (3,)", "make a new DistributedOptimizer"):
            ours.step()
        sparse = torch.nn.Embedding(50, 4, sparse=True)
        ours = self.make(sparse)
        sparse(torch.tensor([1, 2])).sum().backward()
        with self.fails(gossamer.InvalidArgumentError, "the gradient of weight is sparse"):
            ours.step()
        model = make_model()
        ours, other = self.make(model), self.make(make_model(100))
        with self.fails(gossamer.MismatchError):
            other.load_state_dict(ours.state_dict())
        with self.fails(gossamer.InvalidArgumentError, "expected what state_dict() gave"):
            ours.load_state_dict({"state": {}, "param_groups": []})

    def test_a_gradient_that_is_not_finite_changes_no_weight_and_the_next_step_works(self):
        model = make_model()
        ours = self.make(model, group_bytes=4_000)
        step(model, ours, 0)
        before = weights(model)
        ours.zero_grad()
        backward(model, 1)
        if rank == ranks - 1:
            model[2].weight.grad[0, 0] = float("inf")
        with self.fails(gossamer.NotFiniteError, "2.weight") as failure:
            ours.step()
        self.assertEqual(failure.error.rank, ranks - 1)
        self.assert_close([weights(model)], [before], rtol=0, atol=0)
        step(model, ours, 2)
        self.session.check_equal("weights", weights(model))
