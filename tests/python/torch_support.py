"""What the tests of gossamer.torch share: a model and drawn batches, the same for equal seeds."""
import gossamer.torch
import support
import torch
import torch.distributed as distributed

rank, ranks = distributed.get_rank(), distributed.get_world_size()


def make_model(wide=200):
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(20, wide),
        torch.nn.ReLU(),
        torch.nn.Linear(wide, wide),
        torch.nn.ReLU(),
        torch.nn.Linear(wide, 5),
    )


def batch(step, of_rank=rank, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1000 * of_rank + step)
    return torch.randn(8, 20, generator=generator, dtype=dtype), torch.randint(5, (8,), generator=generator)


def gradients(model):
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def weights(model):
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])


def loss_of(model, step, **of_batch):
    x, y = batch(step, **of_batch)
    return torch.nn.functional.cross_entropy(model(x), y)


def backward(model, step, **of_batch):
    loss_of(model, step, **of_batch).backward()


def losses_of(model, optimizer, steps):
    """Trains on one batch."""
    x, y = batch(7)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class Case(support.Case):
    def assert_close(self, one, other, **limits):
        self.assertEqual(len(one), len(other))
        for a, b in zip(one, other):
            torch.testing.assert_close(a, b, **limits)


class SessionCase(Case):
    """With one session of all ranks for all of its tests."""

    session: gossamer.Session

    @classmethod
    def setUpClass(cls):
        cls.session = gossamer.torch.join()

    @classmethod
    def tearDownClass(cls):
        cls.session.close()
