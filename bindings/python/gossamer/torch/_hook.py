"""A communication hook for DistributedDataParallel, one line for the user.

The hook gives DDP the mean gradient that the algorithm recovers, and the user's optimiser does with it what it did
before. In one line of more words:
ddp.register_comm_hook(gossamer.torch.State(ddp, density=.05), gossamer.torch.gs_sgd_hook).

What a rank holds back (the residual) belongs to parameters, not to DDP's buckets, which change after the first step:
parameters are put together in groups of our own, which stay, and each group is exchanged as soon as the buckets with
its gradients are there. Calls of the session are made in a thread of the state, while backward runs on; with the last
bucket the thread of backward waits, in Python, so that Ctrl-C works.
"""
import queue
import threading
import time
from typing import Any, Optional, Union

import torch
import torch.distributed as distributed

from gossamer._calls import member
from gossamer._interface import Algorithm, CancelledError, InvalidArgumentError
from gossamer._session import Session
from gossamer.torch import _groups
from gossamer.torch._groups import Group, join

# How long the thread waits for one operation before it looks for new gradients; and how long it leaves the core to
# backward between two looks at what is in flight, while gradients are yet to come.
POLL_S = 0.0005
REST_S = 0.0003


class _Arrivals:
    """The gradients of a group in this step, in their buckets."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.gradients: "list[Optional[torch.Tensor]]" = [None] * len(group.tensors)
        self.missing = len(group.tensors)
        self.buckets: "list[_Bucket]" = []

    def clear(self) -> "list[_Bucket]":
        buckets, self.buckets = self.buckets, []
        self.gradients = [None] * len(self.gradients)
        self.missing = len(self.gradients)
        return buckets


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
    exchanged whole. group_bytes: of gradients in one exchange. timeout: seconds that a backward waits for the other
    ranks. `options`: of Compressor (density, rows, cells, seed, ...), the same on every rank; momentum and clip are off
    unless given, since the user's optimiser has its own.

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
        timeout: float = _groups.TIMEOUT_S,
        **options: Any,
    ) -> None:
        if not isinstance(ddp, torch.nn.parallel.DistributedDataParallel):
            raise InvalidArgumentError(f"the model is a {type(ddp).__name__}: expected DistributedDataParallel(model)")
        if not timeout > 0:
            raise InvalidArgumentError(f"timeout is {timeout!r} s: expected a time above 0")
        self.algorithm, self.timeout = member(Algorithm, algorithm, "algorithm"), timeout
        named = [(name, parameter) for name, parameter in ddp.module.named_parameters() if parameter.requires_grad]
        _groups.check_parameters(named)
        self._groups = _groups.make_groups(named[::-1], exact_numel, group_bytes)  # backward begins with the last
        self._arrivals = [_Arrivals(group) for group in self._groups]
        self._places: "dict[int, tuple[_Arrivals, int]]" = {
            id(parameter): (arrivals, at)
            for arrivals in self._arrivals
            for at, parameter in enumerate(arrivals.group.parameters)
        }
        self.error: Optional[BaseException] = None
        self._failing = threading.Lock()
        self._owns_session = session is None
        self.session = join(ddp.process_group) if session is None else session
        if session is not None and session.rank_count != distributed.get_world_size(ddp.process_group):
            raise InvalidArgumentError(
                f"the session has {session.rank_count} ranks and the model's process group "
                f"{distributed.get_world_size(ddp.process_group)}: expected the same ranks"
            )
        self._ready, self._to_come = 0, len(self._groups)  # of this step: all of whose gradients came; not yet started
        try:
            name = _groups.name_of(self.session, "ddp")
            for group in self._groups:
                group.make(self.session, self.algorithm, name, options)
        except BaseException:
            if self._owns_session:
                self.session.close()
            raise
        self._jobs: "queue.SimpleQueue[Optional[_Arrivals]]" = queue.SimpleQueue()
        self._ended: "queue.SimpleQueue[None]" = queue.SimpleQueue()  # a step, or everything by a failure
        self._deadline = float("inf")
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="gossamer-ddp", daemon=True)
        self._thread.start()

    # ---- in the thread that runs backward ----

    def exchange(self, bucket: Any) -> "torch.futures.Future[torch.Tensor]":
        """Takes a bucket of DDP. The future has it, with the mean gradient in the place of the own one."""
        if self.error is not None:
            raise self.error
        try:
            taken = self._take(bucket)
            if bucket.is_last():
                self._wait_for_step()
        except KeyboardInterrupt:
            self._fail(CancelledError("a backward was interrupted: make a new State, or end the program"))
            raise KeyboardInterrupt("while backward waited for the other ranks") from None
        except BaseException as error:
            self._fail(error)
            raise
        if self.error is not None:
            self._fail(self.error)
        return taken.future.then(_value)  # DDP does not see what is in a future, but sees what a callback raises

    def _take(self, bucket: Any) -> _Bucket:
        buffer = bucket.buffer()
        if buffer.is_sparse:
            raise InvalidArgumentError(
                "a gradient of the model is sparse: expected dense ones; make its Embedding with sparse=False"
            )
        if not buffer.dtype.is_floating_point:
            raise InvalidArgumentError(f"a bucket of the model has {buffer.dtype}: expected floating point")
        if buffer.device.type != "cpu":
            raise InvalidArgumentError(f"a bucket of the model is on {buffer.device}: expected host memory")
        is_mean = self._groups[0].mean is not None
        taken = _Bucket(buffer, buffer.dtype if is_mean else torch.float32, torch.futures.Future())
        ready, offset = [], 0
        for parameter in bucket.parameters():
            place = self._places.get(id(parameter))
            if place is None:
                raise InvalidArgumentError(
                    f"a parameter of shape {tuple(parameter.shape)} was not there when the state was made: make "
                    "a new State after the model's parameters have changed"
                )
            arrivals, at = place
            if arrivals.gradients[at] is not None:
                raise InvalidArgumentError(f"the gradient of {arrivals.group.tensors[at].name} came twice in one step")
            arrivals.gradients[at] = taken.work[offset : offset + parameter.numel()]
            offset += parameter.numel()
            arrivals.missing -= 1
            if taken not in arrivals.buckets:
                arrivals.buckets.append(taken)
                taken.left += 1
            if arrivals.missing == 0:
                ready.append(arrivals)
        self._ready += len(ready)
        for arrivals in ready:
            self._jobs.put(arrivals)
        return taken

    def _wait_for_step(self) -> None:
        ready, self._ready = self._ready, 0
        if ready != len(self._groups):
            late = next(each for each in self._arrivals if each.missing != 0 and None in each.gradients)
            name = late.group.tensors[late.gradients.index(None)].name
            raise InvalidArgumentError(
                f"DDP has no gradient of {name}: it was frozen when DistributedDataParallel was made; wrap the model "
                "anew after parameters have been frozen or freed"
            )
        self._deadline = time.monotonic() + self.timeout
        self._ended.get()
        self._deadline = float("inf")
        if self.error is not None:
            raise self.error

    # ---- in the state's own thread: all calls of the session ----

    def _run(self) -> None:
        in_flight: "list[tuple[_Arrivals, Any]]" = []
        while True:
            try:
                if in_flight and self._to_come > 0:
                    arrivals = self._jobs.get(timeout=REST_S)
                else:
                    arrivals = self._jobs.get(block=not in_flight)
            except queue.Empty:
                arrivals = _NO_GROUP
            if arrivals is None or self._is_closing:
                return
            try:
                if arrivals is not _NO_GROUP:
                    in_flight.append((arrivals, self._start(arrivals)))
                else:
                    self._move(in_flight)
            except BaseException as error:
                self._fail(error)
                in_flight.clear()
                self._ended.put(None)
                while self._jobs.get() is not None:  # what comes yet fails in exchange()
                    pass
                return

    def _start(self, arrivals: _Arrivals) -> Any:
        self._to_come = (self._to_come if self._to_come > 0 else len(self._groups)) - 1
        return arrivals.group.start(arrivals.gradients)  # type: ignore[arg-type]

    def _move(self, in_flight: "list[tuple[_Arrivals, Any]]") -> None:
        for i, (arrivals, operation) in enumerate(in_flight):
            if not _groups.has_ended(operation, POLL_S if i == 0 and self._to_come == 0 else 0):
                if time.monotonic() > self._deadline:
                    operation.wait(0)  # says who waits for whom
                continue
            arrivals.group.finish(operation, arrivals.gradients)  # type: ignore[arg-type]
            del in_flight[i]
            for bucket in arrivals.clear():
                bucket.finish_one()
            if not in_flight and self._to_come == 0:
                self._ended.put(None)
            return

    def _fail(self, error: BaseException) -> None:
        with self._failing:  # in this thread, and in the one that brings buckets meanwhile
            if self.error is None:
                self.error = error
            for arrivals in self._arrivals:
                for bucket in arrivals.buckets:
                    if not bucket.future.done():
                        bucket.future.set_exception(self.error)

    # ---- what the user may ask ----

    def stats(self) -> "dict[str, int]":
        """Of all groups together: bytes_sent in the last step and total_bytes_sent, operations (steps), dimension,
        applied, clipped."""
        return _groups.stats_of(self.session, self._groups)

    def state_dict(self) -> "dict[str, Any]":
        """What this rank holds back and its momentum, by names of parameters, for torch.save: beside the model's state,
        from between two steps, on every rank. Empty lists for "dense" without options."""
        return _groups.save(self.session, self.algorithm, self._groups)

    def load_state_dict(self, *states: "dict[str, Any]") -> None:
        """Takes over what state_dict() gave: of this rank, or where the number of ranks has changed, of all saved
        ranks. Collective.

        group_bytes, density and the like may be others. MismatchError on every rank: of another model or algorithm.
        """
        _groups.load(self.session, self.algorithm, self._groups, states)

    def close(self) -> None:
        """Ends the thread, and the session where the state has made it. May be called twice."""
        self._is_closing = True
        self._jobs.put(None)
        self._thread.join()
        if self._owns_session:
            self.session.close()
        else:
            for group in self._groups:
                group.close()

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
