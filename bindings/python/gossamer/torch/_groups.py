"""What all parts share: the session of a process group, and parameters that are exchanged together."""
import ctypes
import time
from typing import Any, Optional, Sequence

import torch
import torch.distributed as distributed

from gossamer._collective import Collective
from gossamer._compressor import Compressor, Tensor
from gossamer._failure import GossamerError
from gossamer._interface import Algorithm, InvalidArgumentError, NotFiniteError
from gossamer._plans import Operation
from gossamer._session import Session

TIMEOUT_S = 1800.0  # as torch.distributed has it

Named = "list[tuple[str, torch.nn.Parameter]]"


def join(process_group: Any = None, **settings: Any) -> Session:
    """A Session of the ranks of an initialised process group (None: the default one), whatever started them.
    Collective.

    `settings` as of gossamer.Session.
    """
    if not distributed.is_initialized():
        raise InvalidArgumentError("torch.distributed is not initialised: call init_process_group before")
    group = process_group if process_group is not None else distributed.group.WORLD
    rank, rank_count = distributed.get_rank(group), distributed.get_world_size(group)
    ranks = [_global_rank(group, each) for each in range(rank_count)]
    if distributed.get_backend(group) not in ("gloo", "gossamer", "GOSSAMER"):  # the bytes are in host memory
        group = distributed.new_group(ranks, backend="gloo")

    def broadcast(data: memoryview, root: int) -> None:
        distributed.broadcast(torch.frombuffer(data, dtype=torch.uint8), ranks[root], group=group)

    def all_gather(mine: memoryview, every: memoryview) -> None:
        parts = [torch.empty(len(mine), dtype=torch.uint8) for _ in range(rank_count)]
        distributed.all_gather(parts, torch.frombuffer(bytearray(mine), dtype=torch.uint8), group=group)
        for i, part in enumerate(parts):
            every[i * len(mine) : (i + 1) * len(mine)] = part.numpy().tobytes()

    return Session.from_calls(
        rank, rank_count, broadcast=broadcast, all_gather=all_gather, name="torch.distributed", **settings
    )


def _global_rank(group: Any, rank: int) -> int:
    if group is distributed.group.WORLD:
        return rank
    module = distributed.distributed_c10d
    find = getattr(module, "get_global_rank", None) or module._get_global_rank  # type: ignore[attr-defined]
    return int(find(group, rank))


def check_parameters(named: "Named") -> None:
    """Of what can be exchanged at all. Local."""
    if not named:
        raise InvalidArgumentError("the model has no parameter that needs a gradient")
    for name, parameter in named:
        if parameter.device.type != "cpu":
            raise InvalidArgumentError(f"the parameter {name} is on {parameter.device}: expected host memory")
        if not parameter.dtype.is_floating_point:
            raise InvalidArgumentError(f"the parameter {name} has {parameter.dtype}: expected floating point")


class Group:
    """Parameters that are exchanged together, in an order that stays."""

    def __init__(self, number: int, named: "Named", exact_numel: int) -> None:
        self.number, self.name = number, ""
        self.parameters = [parameter for _, parameter in named]
        self.tensors = [Tensor(name, parameter.numel(), parameter.numel() <= exact_numel) for name, parameter in named]
        if all(tensor.exact for tensor in self.tensors):
            self.tensors = [Tensor(tensor.name, tensor.count) for tensor in self.tensors]
        self.dtype = named[0][1].dtype
        self.compressor: Optional[Compressor] = None
        self.mean: Optional[Collective] = None  # in the compressor's place
        self.staged: Any = None  # its memory
        self.slots = (ctypes.c_void_p * len(named))()

    def make(self, session: Session, algorithm: Algorithm, name: str, options: "dict[str, Any]") -> None:
        """Its compressor; of "dense" without options an all-reduce in the parameters' own type. Collective."""
        self.name = name = f"{name} group {self.number}"
        if is_plain_mean(algorithm, options):
            self.staged = torch.zeros(sum(tensor.count for tensor in self.tensors), dtype=self.dtype)
            self.mean = Collective(session, "all-reduce", self.staged, op="mean", name=name)
        else:
            options = {"momentum": 0.0, "clip": 0.0, **options}  # the user's optimiser has its own
            self.compressor = Compressor(session, self.tensors, algorithm=algorithm, name=name, **options)

    @property
    def work_dtype(self) -> Any:
        return self.dtype if self.mean is not None else torch.float32

    def start(self, gradients: "Sequence[torch.Tensor]") -> Operation:
        """Of contiguous tensors in work_dtype, which are free again on return."""
        if self.mean is not None:
            torch.cat([each.reshape(-1) for each in gradients], out=self.staged)
            return self.mean.start()
        for at, gradient in enumerate(gradients):
            self.slots[at] = gradient.data_ptr()
        assert self.compressor is not None
        self.compressor._compress_at(self.slots)
        return self.compressor.reduce()

    def finish(self, operation: Operation, gradients: "Sequence[torch.Tensor]") -> None:
        """The mean of all ranks, or what was recovered of it, in the place of the gradients; of an operation that has
        ended."""
        result = operation.wait()
        if self.mean is not None:
            for gradient, part in zip(gradients, self.staged.split([tensor.count for tensor in self.tensors])):
                gradient.view(-1).copy_(part)
        else:
            torch._foreach_zero_(list(gradients))  # type: ignore[attr-defined]
            for at, gradient in enumerate(gradients):
                self.slots[at] = gradient.data_ptr()
            result._apply_at(self.slots, 1.0)

    def bytes_of(self, report: "dict[str, Any]") -> "dict[str, int]":
        """What stats_of() sums."""
        count = sum(tensor.count for tensor in self.tensors)
        for each in report["collectives"]:
            if each["name"] == self.name:
                return {**each, "dimension": count, "applied": count, "clipped": 0}
        assert self.compressor is not None
        return self.compressor.stats()._asdict()

    def close(self) -> None:
        for plan in (self.compressor, self.mean):
            if plan is not None and not plan._session.is_closed:
                plan.close()


def name_of(session: Session, kind: str) -> str:
    """Another one for each call: of what is made of one session, the same on all ranks."""
    number: int = getattr(session, "_torch_count", 0)
    session._torch_count = number + 1  # type: ignore[attr-defined]
    return f"{kind} {number}"


def is_plain_mean(algorithm: Algorithm, options: "dict[str, Any]") -> bool:
    return algorithm == Algorithm.DENSE and not any(options.values())


def make_groups(named: "Named", exact_numel: int, group_bytes: int) -> "list[Group]":
    """In the given order, of one type each, with `group_bytes` of gradients; the first is small, so that something
    moves early."""
    groups: "list[Group]" = []
    limit = min(1 << 20, group_bytes)
    chosen: "Named" = []
    size = 0
    for i, (name, parameter) in enumerate(named):
        chosen.append((name, parameter))
        size += 4 * parameter.numel()
        if size >= limit or i + 1 == len(named) or named[i + 1][1].dtype != parameter.dtype:
            groups.append(Group(len(groups), chosen, exact_numel))
            chosen, size, limit = [], 0, group_bytes
    return groups


def has_ended(operation: Operation, seconds: float) -> bool:
    """Moves data on for at most `seconds`, and says whether the operation has ended. Raises what it failed with."""
    plan = operation._plan
    if seconds > 0 and not operation._has_ended:
        plan._session._take()
        try:
            plan._wait(plan._operation, int(seconds * 1e9))
        finally:
            plan._session._lock.release()
    return operation.test()


def finish_all(started: "list[tuple[Group, Operation, list[torch.Tensor]]]", timeout: float) -> None:
    """Waits for all, in the caller's thread, `timeout` seconds in all. What is not finite fails on every rank, after all
    have ended, so that the next step can begin."""
    end = time.monotonic() + timeout
    failure = None
    for _, operation, _ in started:
        try:
            operation.wait(max(0.0, end - time.monotonic()))
        except NotFiniteError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    for group, operation, gradients in started:
        group.finish(operation, gradients)


# ---- what is said and saved of all groups together ----


def stats_of(session: Session, groups: "Sequence[Group]") -> "dict[str, int]":
    report = session.report()
    each = [group.bytes_of(report) for group in groups]
    return {
        "operations": max(stats["operations"] for stats in each),
        **{
            name: sum(stats[name] for stats in each)
            for name in ("bytes_sent", "total_bytes_sent", "dimension", "applied", "clipped")
        },
    }


def save(session: Session, algorithm: Algorithm, groups: "Sequence[Group]") -> "dict[str, Any]":
    saved = [group.compressor.save() for group in groups if group.compressor is not None]
    return {
        "algorithm": algorithm.name,
        "rank": session.rank,
        "rank_count": session.rank_count,
        "groups": [torch.frombuffer(bytearray(each), dtype=torch.uint8) for each in saved],
    }


def load(session: Session, algorithm: Algorithm, groups: "Sequence[Group]", states: "Sequence[dict[str, Any]]") -> None:
    compressors = [group.compressor for group in groups if group.compressor is not None]
    try:
        for state in states:
            if missing := {"algorithm", "rank", "rank_count", "groups"} - set(state):
                raise InvalidArgumentError(
                    f"a state has no {', '.join(sorted(missing))}: expected what state_dict() gave"
                )
            if state["algorithm"] != algorithm.name:
                raise InvalidArgumentError(f"the state is of {state['algorithm']}, and here is {algorithm.name}")
        if len(states) == 1 and (states[0]["rank"], states[0]["rank_count"]) != (session.rank, session.rank_count):
            raise InvalidArgumentError(
                f"the state is of rank {states[0]['rank']} of {states[0]['rank_count']}, and this is rank "
                f"{session.rank} of {session.rank_count}: give the states of all saved ranks"
            )
    except InvalidArgumentError:
        if compressors:
            try:
                compressors[0].load(b"what this rank was given is wrong")  # so that others need not wait
            except GossamerError:
                pass
        raise
    for compressor in compressors:
        compressor.load(*[each for state in states for each in state["groups"]])
