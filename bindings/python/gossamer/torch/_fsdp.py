"""For FSDP2 (torch.distributed.fsdp.fully_shard), on the host:

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_custom_reduce_scatter(gossamer.torch.ReduceScatter(session))      # one for each module
            module.set_all_reduce_hook(gossamer.torch.AllReduceHook(replicas))           # of several shard groups

Untested in FSDP2 itself, which PyTorch 1.13 does not have: written after the interface of 2.7 and later, and tested by
calls like FSDP's.
"""
from typing import Any, Optional, Sequence, Union

import torch
import torch.distributed as distributed

from gossamer._calls import member
from gossamer._interface import Algorithm, InvalidArgumentError
from gossamer._session import Session
from gossamer.torch import _groups
from gossamer.torch._process_group import Work


class _Mean:
    """Of one vector that keeps its length, by an algorithm of the catalogue. Made at the first call, collectively."""

    def __init__(
        self, session: Session, algorithm: "Union[Algorithm, int, str]", timeout: float, options: "dict[str, Any]"
    ) -> None:
        self.session, self.algorithm = session, member(Algorithm, algorithm, "algorithm")
        self.timeout, self.options = timeout, options
        self.group: Optional[_groups.Group] = None

    def __call__(self, vector: torch.Tensor) -> torch.Tensor:
        """In place where type and layout allow; what is returned has it."""
        _groups.check_parameters([("of FSDP", vector)])  # type: ignore[list-item]
        if self.group is None:
            self.group = _groups.Group(0, [("vector", vector)], exact_numel=0)  # type: ignore[list-item]
            self.group.parameters = []  # it does not keep the vector
            self.group.make(self.session, self.algorithm, _groups.name_of(self.session, "fsdp"), self.options)
        if vector.numel() != self.group.tensors[0].count or vector.dtype != self.group.dtype:
            raise InvalidArgumentError(
                f"a vector has {vector.numel()} elements of {vector.dtype}, and this was made for "
                f"{self.group.tensors[0].count} of {self.group.dtype}: use one for each FSDP module"
            )
        work = vector.detach().to(self.group.work_dtype).contiguous()
        _groups.finish_all([(self.group, self.group.start([work]), [work])], self.timeout)
        return work

    def close(self) -> None:
        if self.group is not None:
            self.group.close()


class _OfVectors:
    """What FSDP may be given: exchanges vectors of one length."""

    def __init__(
        self,
        session: Session,
        *,
        algorithm: "Union[Algorithm, int, str]" = "gs-sgd",
        timeout: float = _groups.TIMEOUT_S,
        **options: Any,
    ) -> None:
        self._mean = _Mean(session, algorithm, timeout, options)

    def close(self) -> None:
        self._mean.close()


class ReduceScatter(_OfVectors):
    """For FSDPModule.set_custom_reduce_scatter: an own one for each FSDP module, since what is held back belongs to it.

    session: of the ranks among which the module is sharded. algorithm, `options`: as of State. Every rank recovers
    the mean of the whole vector and keeps its part; so memory is that of the gradient before it is sharded, and twice
    more for a sparse algorithm. Blocks.
    """

    def allocate(self, size: "Sequence[int]", *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        return torch.empty(*size, dtype=dtype, device=device)

    def __call__(
        self, output_tensor: torch.Tensor, input_tensor: torch.Tensor, group: Any, op: Any, async_op: bool = False
    ) -> Any:
        session = self._mean.session
        if distributed.get_world_size(group) != session.rank_count:
            raise InvalidArgumentError(
                f"the module is sharded among {distributed.get_world_size(group)} ranks and the session has "
                f"{session.rank_count}: expected the same ranks"
            )
        if input_tensor.numel() != session.rank_count * output_tensor.numel():
            raise InvalidArgumentError(
                f"the input has {input_tensor.numel()} elements and the output {output_tensor.numel()}: expected "
                f"{session.rank_count} times as many"
            )
        if op not in (distributed.ReduceOp.AVG, distributed.ReduceOp.SUM):
            raise InvalidArgumentError(f"the operator is {op}: expected AVG or SUM")
        part = self._mean(input_tensor).view(session.rank_count, -1)[session.rank].view(output_tensor.shape)
        with torch.no_grad():
            output_tensor.copy_(part if op == distributed.ReduceOp.AVG else part * session.rank_count)
        if not async_op:
            return None
        work = Work([output_tensor])
        work._end(None)
        return work


class AllReduceHook(_OfVectors):
    """For FSDPModule.set_all_reduce_hook: an own one for each FSDP module. The mean over replicas of a shard, in the
    place of HSDP's own all-reduce, over the slower network.

    session: of the ranks that have the same shard, e.g. join(mesh.get_group("replicate")). Others as of ReduceScatter.
    """

    def __call__(self, reduce_output: torch.Tensor) -> None:
        mean = self._mean(reduce_output)
        with torch.no_grad():
            reduce_output.copy_(mean.view(reduce_output.shape))
