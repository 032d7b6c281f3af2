"""PyTorch: a communication hook for DistributedDataParallel, one line for the user.

    ddp = torch.nn.parallel.DistributedDataParallel(model)
    gossamer.torch.attach(ddp)                                  # gs-SGD; or algorithm="dense", "shared-top-k", ...

The rest of the program stays as it is: the hook gives DDP the mean gradient that the algorithm recovers, and the user's
optimiser does with it what it did before. In one line of more words:
ddp.register_comm_hook(gossamer.torch.State(ddp, density=.05), gossamer.torch.gs_sgd_hook).

What a rank holds back (the residual) belongs to parameters, not to DDP's buckets, which change after the first step:
parameters are put together in groups of our own, which stay, and each group is exchanged as soon as the buckets with
its gradients are there. Calls of the session are made in a thread of the state, while backward runs on. See
docs/python.md.
"""
import ctypes
import queue
import threading
from typing import Any, Optional, Union

import torch
import torch.distributed as distributed

from gossamer._calls import member
from gossamer._collective import Collective
from gossamer._compressor import Compressor, Tensor
from gossamer._interface import Algorithm, DeadlineError, InvalidArgumentError
from gossamer._session import Session

# How long the thread waits for one operation before it looks for new gradients; and how long it leaves the core to
# backward between two looks at what is in flight, while gradients are yet to come.
POLL_S = 0.0005
REST_S = 0.0003


def join(process_group: Any = None, **settings: Any) -> Session:
    """A Session of the ranks of an initialised process group (None: the default one), whatever started them.
    Collective.

    `settings` as of gossamer.Session.
    """
    if not distributed.is_initialized():
        raise InvalidArgumentError("torch.distributed is not initialised: call init_process_group before")
    group = process_group if process_group is not None else distributed.group.WORLD
    ranks = distributed.get_process_group_ranks(group) if hasattr(distributed, "get_process_group_ranks") else None
    if distributed.get_backend(group) != "gloo":  # the bytes are in host memory
        group = distributed.new_group(ranks, backend="gloo")
    rank, rank_count = distributed.get_rank(group), distributed.get_world_size(group)

    def broadcast(data: memoryview, root: int) -> None:
        tensor = torch.frombuffer(data, dtype=torch.uint8)
        distributed.broadcast(tensor, ranks[root] if ranks is not None else root, group=group)

    def all_gather(mine: memoryview, every: memoryview) -> None:
        parts = [torch.empty(len(mine), dtype=torch.uint8) for _ in range(rank_count)]
        distributed.all_gather(parts, torch.frombuffer(bytearray(mine), dtype=torch.uint8), group=group)
        for i, part in enumerate(parts):
            every[i * len(mine) : (i + 1) * len(mine)] = part.numpy().tobytes()

    return Session.from_calls(
        rank, rank_count, broadcast=broadcast, all_gather=all_gather, name="torch.distributed", **settings
    )


class _Group:
    """Parameters that are exchanged together, in an order that stays."""

    def __init__(self, number: int, named: "list[tuple[str, torch.nn.Parameter]]", exact_numel: int) -> None:
        self.number = number
        self.tensors = [Tensor(name, parameter.numel(), parameter.numel() <= exact_numel) for name, parameter in named]
        if all(tensor.exact for tensor in self.tensors):
            self.tensors = [Tensor(tensor.name, tensor.count) for tensor in self.tensors]
        self.dtype = named[0][1].dtype
        self.compressor: Optional[Compressor] = None
        self.mean: Optional[Collective] = None  # in the compressor's place
        self.staged: Any = None  # its memory
        self.slots = (ctypes.c_void_p * len(named))()
        self.gradients: "list[Optional[torch.Tensor]]" = [None] * len(named)  # of this step, in their buckets
        self.missing = len(named)
        self.buckets: "list[_Bucket]" = []


class _Bucket:
    """A bucket of DDP in this step: done when every group that has gradients in it is."""

    def __init__(self, buffer: torch.Tensor, dtype: Any, future: "torch.futures.Future[torch.Tensor]") -> None:
        self.buffer, self.future = buffer, future
        self.work = buffer if buffer.dtype == dtype else buffer.to(dtype)
        self.left = 0

    def finish_one(self) -> None:
        self.left -= 1
        if self.left == 0:
            if self.work is not self.buffer:
                self.buffer.copy_(self.work)
            self.future.set_result(self.buffer)


_NO_GROUP: Any = object()


def _value(future: "torch.futures.Future[torch.Tensor]") -> torch.Tensor:
    return future.wait()


class State:
    """What the hook keeps for one DDP model: its session, a compressor for each group of parameters, and their
    residuals.

    ddp: the DistributedDataParallel model. session: of the same ranks (None: join(); it is then closed with the state).
    algorithm: any of gossamer.Algorithm, or its name. exact_numel: tensors of at most so many elements are always
    exchanged whole. group_bytes: of gradients in one exchange. momentum and clip are off, unlike Compressor's, since
    the user's optimiser has its own. `options`: others of Compressor (density, rows, cells, seed, ...), the same on
    every rank.

    Collective. Parameters must be on the host, with dense gradients; they are exchanged as f32; with
    "dense" in their own type.
    no_sync() and gradient accumulation work as with DDP's own all-reduce: what was accumulated is exchanged as one
    gradient. A context manager; close() ends its thread.
    """

    def __init__(
        self,
        ddp: Any,
        session: Optional[Session] = None,
        *,
        algorithm: "Union[Algorithm, int, str]" = "gs-sgd",
        exact_numel: int = 1024,
        group_bytes: int = 8 << 20,
        momentum: float = 0.0,
        clip: float = 0.0,
        **options: Any,
    ) -> None:
        if not isinstance(ddp, torch.nn.parallel.DistributedDataParallel):
            raise InvalidArgumentError(f"the model is a {type(ddp).__name__}: expected DistributedDataParallel(model)")
        self.algorithm = member(Algorithm, algorithm, "algorithm")
        named = [(name, parameter) for name, parameter in ddp.module.named_parameters() if parameter.requires_grad]
        for name, parameter in named:
            if parameter.device.type != "cpu":
                raise InvalidArgumentError(f"the parameter {name} is on {parameter.device}: expected host memory")
        self._places: "dict[int, tuple[_Group, int]]" = {}
        self._parameters = [parameter for _, parameter in named]  # so that no other gets the id of one of them
        self._groups: "list[_Group]" = []
        self._make_groups(named[::-1], exact_numel, group_bytes)  # backward begins with the last
        self.error: Optional[BaseException] = None
        self._failing = threading.Lock()
        self._owns_session = session is None
        self.session = join(ddp.process_group) if session is None else session
        if session is not None and session.rank_count != distributed.get_world_size(ddp.process_group):
            raise InvalidArgumentError(
                f"the session has {session.rank_count} ranks and the model's process group "
                f"{distributed.get_world_size(ddp.process_group)}: expected the same ranks"
            )
        self._to_come = len(self._groups)  # of this step
        for group in self._groups:
            if self.algorithm == Algorithm.DENSE and not options and momentum == 0 and clip == 0:
                group.staged = torch.zeros(sum(tensor.count for tensor in group.tensors), dtype=group.dtype)
                group.mean = Collective(
                    self.session, "all-reduce", group.staged, op="mean", name=f"group {group.number}"
                )
                continue
            group.compressor = Compressor(
                self.session,
                group.tensors,
                algorithm=self.algorithm,
                momentum=momentum,
                clip=clip,
                name=f"group {group.number}",
                **options,
            )
        self._jobs: "queue.SimpleQueue[Optional[_Group]]" = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="gossamer-ddp", daemon=True)
        self._thread.start()

    def _make_groups(self, named: "list[tuple[str, torch.nn.Parameter]]", exact_numel: int, group_bytes: int) -> None:
        limit = min(1 << 20, group_bytes)  # the first is small, so that something moves early
        chosen: "list[tuple[str, torch.nn.Parameter]]" = []
        size = 0
        for i, (name, parameter) in enumerate(named):
            chosen.append((name, parameter))
            size += 4 * parameter.numel()
            if size >= limit or i + 1 == len(named) or named[i + 1][1].dtype != parameter.dtype:
                group = _Group(len(self._groups), chosen, exact_numel)
                self._groups.append(group)
                for at, (_, each) in enumerate(chosen):
                    self._places[id(each)] = (group, at)
                chosen, size, limit = [], 0, group_bytes
        if not self._groups:
            raise InvalidArgumentError("the model has no parameter that needs a gradient")

    # ---- in the thread that runs backward ----

    def exchange(self, bucket: Any) -> "torch.futures.Future[torch.Tensor]":
        """Takes a bucket of DDP. The future has it, with the mean gradient in the place of the own one."""
        buffer = bucket.buffer()
        if self.error is not None:
            raise self.error
        if buffer.is_sparse:
            raise InvalidArgumentError(
                "a gradient of the model is sparse: expected dense ones; make its Embedding with sparse=False"
            )
        if not buffer.dtype.is_floating_point:
            raise InvalidArgumentError(f"a bucket of the model has {buffer.dtype}: expected floating point")
        taken = _Bucket(
            buffer, buffer.dtype if self._groups[0].mean is not None else torch.float32, torch.futures.Future()
        )
        ready, offset = [], 0
        for parameter in bucket.parameters():
            place = self._places.get(id(parameter))
            if place is None:
                raise InvalidArgumentError(
                    f"a parameter of shape {tuple(parameter.shape)} was not there when the state was made: make "
                    "a new State after the model's parameters have changed"
                )
            group, at = place
            if group.gradients[at] is not None:
                raise InvalidArgumentError(f"the gradient of {group.tensors[at].name} came twice in one step")
            group.gradients[at] = taken.work[offset : offset + parameter.numel()]
            offset += parameter.numel()
            group.missing -= 1
            if taken not in group.buckets:
                group.buckets.append(taken)
                taken.left += 1
            if group.missing == 0:
                ready.append(group)
        for group in ready:
            self._jobs.put(group)
        if self.error is not None:
            self._fail(self.error)
        return taken.future.then(_value)  # DDP does not see what is in a future, but sees what a callback raises

    # ---- in the state's own thread: all calls of the session ----

    def _run(self) -> None:
        in_flight: "list[tuple[_Group, Any]]" = []
        while True:
            try:
                if in_flight and self._to_come > 0:
                    group = self._jobs.get(timeout=REST_S)
                else:
                    group = self._jobs.get(block=not in_flight)
            except queue.Empty:
                group = _NO_GROUP
            if group is None:
                return
            try:
                if group is not _NO_GROUP:
                    in_flight.append((group, self._start(group)))
                else:
                    self._move(in_flight)
            except BaseException as error:
                self._fail(error)
                in_flight.clear()
                while self._jobs.get() is not None:  # what comes yet fails in exchange()
                    pass
                return

    def _start(self, group: _Group) -> Any:
        self._to_come = (self._to_come if self._to_come > 0 else len(self._groups)) - 1
        if group.mean is not None:
            torch.cat(group.gradients, out=group.staged)  # type: ignore[arg-type]
            return group.mean.start()
        compressor = group.compressor
        assert compressor is not None
        for at, gradient in enumerate(group.gradients):
            assert gradient is not None
            group.slots[at] = gradient.data_ptr()
        compressor._compress_at(group.slots)
        return compressor.reduce()

    def _move(self, in_flight: "list[tuple[_Group, Any]]") -> None:
        for i, (group, operation) in enumerate(in_flight):
            try:
                if not (operation.test() if i > 0 or self._to_come > 0 else operation.wait(POLL_S) is not None):
                    continue
            except DeadlineError:
                continue
            result = operation.wait()
            del in_flight[i]
            if group.mean is not None:
                parts = group.staged.split([tensor.count for tensor in group.tensors])
                for gradient, part in zip(group.gradients, parts):
                    gradient.copy_(part)  # type: ignore[union-attr]
            else:
                torch._foreach_zero_(group.gradients)  # type: ignore[attr-defined]
                result._apply_at(group.slots, 1.0)
            buckets, group.buckets = group.buckets, []
            group.gradients = [None] * len(group.gradients)
            group.missing = len(group.gradients)
            for bucket in buckets:
                bucket.finish_one()
            return

    def _fail(self, error: BaseException) -> None:
        self.error = error
        with self._failing:  # in this thread, and in the one that brings buckets meanwhile
            for group in self._groups:
                for bucket in group.buckets:
                    if not bucket.future.done():
                        bucket.future.set_exception(error)

    # ---- what the user may ask ----

    def stats(self) -> "dict[str, Any]":
        """Of all groups together: bytes_sent in the last step and total_bytes_sent, operations (steps), dimension,
        applied.

        Empty for "dense" without options, which is a plain all-reduce and has no compressor."""
        each = [group.compressor.stats() for group in self._groups if group.compressor is not None]
        if not each:
            return {}
        return {
            "operations": max(stats.operations for stats in each),
            **{
                name: sum(getattr(stats, name) for stats in each)
                for name in ("bytes_sent", "total_bytes_sent", "dimension", "applied", "clipped")
            },
        }

    def state_dict(self) -> "dict[str, Any]":
        """What this rank holds back and its momentum, by names of parameters, for torch.save: beside the model's state,
        from between two steps, on every rank. Empty lists for "dense" without options."""
        saved = [group.compressor.save() for group in self._groups if group.compressor is not None]
        return {
            "algorithm": self.algorithm.name,
            "rank": self.session.rank,
            "rank_count": self.session.rank_count,
            "groups": [torch.frombuffer(bytearray(each), dtype=torch.uint8) for each in saved],
        }

    def load_state_dict(self, *states: "dict[str, Any]") -> None:
        """Takes over what state_dict() gave: of this rank, or where the number of ranks has changed, of all saved
        ranks. Collective.

        group_bytes, density and the like may be others. MismatchError on every rank: of another model or algorithm.
        """
        if len(states) == 1 and (states[0]["rank"], states[0]["rank_count"]) != (
            self.session.rank,
            self.session.rank_count,
        ):
            raise InvalidArgumentError(
                f"the state is of rank {states[0]['rank']} of {states[0]['rank_count']}, and this is rank "
                f"{self.session.rank} of {self.session.rank_count}: give the states of all saved ranks"
            )
        for group in self._groups:
            if group.compressor is not None:
                group.compressor.load(*[each for state in states for each in state["groups"]])

    def close(self) -> None:
        """Ends the thread, and the session where the state has made it. May be called twice."""
        self._jobs.put(None)
        self._thread.join()
        if self._owns_session:
            self.session.close()
        else:
            for group in self._groups:
                for plan in (group.compressor, group.mean):
                    if plan is not None and not self.session.is_closed:
                        plan.close()

    def __enter__(self) -> "State":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def gs_sgd_hook(state: State, bucket: distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """For DistributedDataParallel.register_comm_hook; with the algorithm of the state, whichever that is."""
    return state.exchange(bucket)


hook = gs_sgd_hook


def attach(ddp: Any, session: Optional[Session] = None, **options: Any) -> State:
    """Makes a State for `ddp` and registers the hook. Collective. `options` as of State."""
    state = State(ddp, session, **options)
    ddp.register_comm_hook(state, gs_sgd_hook)
    return state
