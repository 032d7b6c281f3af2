"""PyTorch: gradients of DistributedDataParallel, of any optimiser, of FSDP2, and a back end of torch.distributed.

    ddp = torch.nn.parallel.DistributedDataParallel(model)
    gossamer.torch.attach(ddp)                                  # gs-SGD; or algorithm="dense", "shared-top-k", ...

The rest of a DDP program stays as it is. Without DDP, `DistributedOptimizer(optimizer, model.named_parameters())` has
the same exchange inside its step(), and local steps and gossip besides. See docs/python.md.
"""
from gossamer.torch._fsdp import AllReduceHook, ReduceScatter
from gossamer.torch._groups import join
from gossamer.torch._hook import State, attach, gs_sgd_hook, hook
from gossamer.torch._optimizer import DistributedOptimizer
from gossamer.torch._process_group import ProcessGroup, register_backend

__all__ = [
    "AllReduceHook",
    "DistributedOptimizer",
    "ProcessGroup",
    "ReduceScatter",
    "State",
    "attach",
    "gs_sgd_hook",
    "hook",
    "join",
    "register_backend",
]

register_backend()
