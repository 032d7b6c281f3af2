"""What gossamer.torch gives to FSDP2, called as FSDP2 calls it; FSDP2 itself where PyTorch has it."""
import unittest

import torch
import torch.distributed as distributed
from torch_support import SessionCase, make_model, rank, ranks

import gossamer
import gossamer.torch

HAS_FSDP2 = tuple(int(each) for each in torch.__version__.split(".")[:2]) >= (2, 6)
AVG, SUM = distributed.ReduceOp.AVG, distributed.ReduceOp.SUM


def drawn(size, step, of_rank=rank):
    return torch.randn(size, generator=torch.Generator().manual_seed(100 * step + of_rank))


class Fsdp(SessionCase):
    def test_a_dense_reduce_scatter_is_the_part_of_the_mean_or_sum(self):
        comm = gossamer.torch.ReduceScatter(self.session, algorithm="dense")
        for step in range(3):
            given = comm.allocate((ranks * 500,), dtype=torch.float32, device=torch.device("cpu"))
            given.copy_(drawn(ranks * 500, step))
            output = comm.allocate((500,), dtype=torch.float32, device=torch.device("cpu"))
            total = sum(drawn(ranks * 500, step, each) for each in range(ranks)).view(ranks, -1)[rank]
            for op, expected in ((SUM, total), (AVG, total / ranks)):
                self.assertIsNone(comm(output_tensor=output, input_tensor=given, group=distributed.group.WORLD, op=op))
                self.assert_close([output], [expected], rtol=1e-5, atol=1e-5)
        comm(output, given, distributed.group.WORLD, AVG, async_op=True).wait()
        self.assert_close([output], [total / ranks], rtol=1e-5, atol=1e-5)
        comm.close()

    def test_what_a_sparse_one_holds_back_comes_later(self):
        for make, size in ((gossamer.torch.ReduceScatter, 500), (gossamer.torch.AllReduceHook, ranks * 500)):
            comm = make(self.session, algorithm="top-k", density=0.05)
            sent = torch.zeros(size)
            for step in range(120):
                given = drawn(ranks * 500, 0) if step == 0 else torch.zeros(ranks * 500)
                if size == 500:
                    output = torch.empty(500)
                    comm(output_tensor=output, input_tensor=given, group=distributed.group.WORLD, op=AVG)
                else:
                    comm(given)
                    output = given
                sent += output
            mean = sum(drawn(ranks * 500, 0, each) for each in range(ranks)) / ranks
            self.assert_close([sent], [mean.view(-1, size)[rank if size == 500 else 0]], rtol=1e-4, atol=1e-5)
            comm.close()

    def test_mistakes_are_sentences(self):
        comm = gossamer.torch.ReduceScatter(self.session, algorithm="dense")
        world = distributed.group.WORLD
        with self.fails(gossamer.InvalidArgumentError, f"expected {ranks} times as many"):
            comm(torch.empty(3), torch.empty(3), world, AVG)
        with self.fails(gossamer.InvalidArgumentError, "expected AVG or SUM"):
            comm(torch.empty(3), torch.empty(3 * ranks), world, distributed.ReduceOp.MAX)
        comm(torch.empty(3), torch.ones(3 * ranks), world, AVG)
        with self.fails(gossamer.InvalidArgumentError, "use one for each FSDP module"):
            comm(torch.empty(4), torch.ones(4 * ranks), world, AVG)
        comm.close()

    @unittest.skipUnless(HAS_FSDP2, "FSDP2 is not in PyTorch " + torch.__version__)
    def test_fsdp2_trains_with_it_as_without(self):
        from torch.distributed.fsdp import fully_shard

        models = [make_model(), make_model()]
        mesh = distributed.device_mesh.init_device_mesh("cpu", (ranks,))
        for model in models:
            fully_shard(model, mesh=mesh)
        models[1].set_custom_reduce_scatter(gossamer.torch.ReduceScatter(self.session, algorithm="dense"))
        for model in models:
            optimizer = torch.optim.SGD(model.parameters(), 0.1)
            for step in range(3):
                optimizer.zero_grad()
                model(drawn(8 * 20, step).view(8, 20)).square().mean().backward()
                optimizer.step()
        parts = [[each.to_local() for each in model.parameters()] for model in models]
        self.assert_close(parts[1], parts[0], rtol=1e-5, atol=1e-6)
