"""A back end of torch.distributed, in Python: its collectives are Gossamer's.

    import gossamer.torch                                       # registers it
    torch.distributed.init_process_group("gossamer")

Newer PyTorch finds it by its entry point (torch.distributed.backends), without the import: untested, as is all
that 1.13 has not.
"""
import collections
import datetime
import queue
import threading
from typing import Any, Callable, Optional

import torch
import torch.distributed as distributed

from gossamer._collective import Collective
from gossamer._interface import InvalidArgumentError, MismatchError
from gossamer._session import Session

ONE_OFF_BYTES = 8192  # what travels with one round trip of the control plane
PLANS = 64  # that are kept, each with a copy of its vector
GRACE_S = 1.0  # that shutdown() gives to what is under way
LINE = 64  # bytes: slices are whole lines
TYPES = (
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.float16,
    torch.int8,
    torch.int32,
    torch.int64,
    torch.uint8,
    torch.bool,
)  # that can be reduced
_Work: Any = getattr(distributed, "Work", None) or distributed._Work  # type: ignore[attr-defined]


class Work(_Work):  # type: ignore[misc]
    """A call under way. wait() raises what it failed with; Ctrl-C works in it."""

    def __init__(self, results: "list[torch.Tensor]") -> None:
        super().__init__()
        self._results, self._future = results, torch.futures.Future()  # type: ignore[var-annotated]
        self._ended, self._error = threading.Event(), None  # type: Any, Optional[BaseException]

    def _end(self, error: Optional[BaseException]) -> None:
        self._error = error
        if error is None:
            self._future.set_result(self._results)
        else:
            self._future.set_exception(error)
        self._ended.set()

    def wait(self, timeout: "Optional[datetime.timedelta]" = None) -> bool:
        limit = timeout.total_seconds() if isinstance(timeout, datetime.timedelta) else timeout
        if not self._ended.wait(limit if limit else None):
            raise RuntimeError(f"a collective of the back end gossamer has not ended after {limit} s")
        if self._error is not None:
            raise self._error
        return True

    def get_future(self) -> "torch.futures.Future[Any]":
        return self._future

    def is_completed(self) -> bool:
        return self._ended.is_set()

    def is_success(self) -> bool:
        return self._ended.is_set() and self._error is None

    def exception(self) -> Optional[BaseException]:
        return self._error

    def result(self) -> "list[torch.Tensor]":
        return self._results

    def synchronize(self) -> None:
        self.wait()


class ProcessGroup(distributed.ProcessGroup):
    """Made by torch.distributed, for each group of ranks. One session and one thread, which makes the calls in the order
    in which they came; so backward goes on meanwhile.

    Host tensors of f32, f64, bf16, f16, i8, i32, i64, u8 and bool; sum, mean, min, max, and bit-or of integers. gather
    costs what all-gather does and scatter what a broadcast of all does. Not there, with a sentence: all-to-all,
    send and recv, products.
    """

    def __init__(self, store: Any, rank: int, size: int, timeout: "Optional[datetime.timedelta]" = None) -> None:
        super().__init__(rank, size)
        self._rank, self._size = rank, size
        self._timeout = timeout.total_seconds() if timeout is not None else 1800.0
        self._session = _join(store, rank, size, self._timeout)
        self._plans: "collections.OrderedDict[Any, Collective]" = collections.OrderedDict()
        self._jobs: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self._recent: "collections.deque[Work]" = collections.deque(maxlen=1024)  # else C++ loses their Python part
        self._thread = threading.Thread(target=_serve, args=(self._jobs,), name="gossamer-backend", daemon=True)
        self._thread.start()

    def getBackendName(self) -> str:
        return "gossamer"

    def _start(self, results: "list[torch.Tensor]", call: "Callable[[], None]") -> Work:
        if self._session.is_closed:
            raise InvalidArgumentError("the process group has been shut down")
        for each in results:
            if each.device.type != "cpu":
                raise InvalidArgumentError(f"a tensor is on {each.device}: expected host memory")
            if each.is_sparse:
                raise InvalidArgumentError("a tensor is sparse: expected a dense one")
        work = Work(results)
        self._recent.append(work)
        self._jobs.put((work, call))
        return work

    # ---- what runs in the thread ----

    def _plan(self, kind: str, count: int, dtype: torch.dtype, **options: Any) -> Collective:
        """Of a vector of its own. All ranks make the same ones in the same order, and so drop the same."""
        key = (kind, count, dtype, *options.values())
        plan = self._plans.pop(key, None)
        if plan is None:
            plan = Collective(self._session, kind, torch.zeros(count, dtype=dtype), name=kind, **options)
        self._plans[key] = plan
        if len(self._plans) > PLANS:
            self._plans.popitem(last=False)[1].close()
        return plan

    def _run(self, plan: Collective) -> None:
        plan.start().wait(self._timeout)

    def _vector(
        self, kind: str, tensor: torch.Tensor, one_off: "Callable[[torch.Tensor], Any]", **options: Any
    ) -> None:
        """In place, on a tensor of any layout."""
        flat = tensor.detach().contiguous().view(-1)
        if flat.numel() == 0:
            return
        if flat.dtype == torch.bool:
            flat = flat.view(torch.uint8)
        if flat.numel() * flat.element_size() <= ONE_OFF_BYTES:
            one_off(flat)
        else:
            plan = self._plan(kind, flat.numel(), flat.dtype, **options)
            plan.output.copy_(flat)
            self._run(plan)
            flat.copy_(plan.output)
        if flat.data_ptr() != tensor.data_ptr():
            with torch.no_grad():
                tensor.copy_(flat.view(tensor.dtype).view(tensor.shape))

    def _all_reduce(self, tensor: torch.Tensor, op: str) -> None:
        self._vector("all-reduce", tensor, lambda flat: self._session.all_reduce(flat, op, self._timeout), op=op)

    def _broadcast(self, tensor: torch.Tensor, root: int) -> None:
        self._vector("broadcast", tensor, lambda flat: self._session.broadcast(flat, root, self._timeout), root=root)

    def _all_gather(self, outputs: "list[torch.Tensor]", tensor: torch.Tensor) -> None:
        """Each rank's bytes in a slot of whole lines, so that slices are the slots."""
        data = tensor.detach().contiguous().view(-1).view(torch.uint8)
        slot = -(-len(data) // LINE) * LINE
        if slot == 0:
            return
        plan = self._plan("all-gather", slot * self._size, torch.uint8)
        plan.output[self._rank * slot :][: len(data)] = data
        self._run(plan)
        for i, output in enumerate(outputs):
            _take_bytes(output, plan.output[i * slot :][: len(data)])

    def _reduce_scatter(self, output: torch.Tensor, parts: "list[torch.Tensor]", op: str) -> None:
        line = LINE // output.element_size()
        slot = -(-output.numel() // line) * line
        if slot == 0:
            return
        plan = self._plan("reduce-scatter", slot * self._size, output.dtype, op=op)
        for i, part in enumerate(parts):
            plan.output[i * slot :][: part.numel()] = part.detach().reshape(-1)
        self._run(plan)
        with torch.no_grad():
            output.copy_(plan.output[self._rank * slot :][: output.numel()].view(output.shape))

    # ---- torch.distributed's calls ----

    def allreduce(self, tensors: "list[torch.Tensor]", opts: Any = None) -> Work:
        op = _op_of(opts, tensors)
        return self._start(tensors, lambda: [self._all_reduce(each, op) for each in tensors] and None)

    def allreduce_coalesced(self, tensors: "list[torch.Tensor]", opts: Any = None) -> Work:
        return self.allreduce(tensors, opts)

    def broadcast(self, tensors: "list[torch.Tensor]", opts: Any = None) -> Work:
        root = opts.rootRank if opts is not None else 0
        return self._start(tensors, lambda: [self._broadcast(each, root) for each in tensors] and None)

    def reduce(self, tensors: "list[torch.Tensor]", opts: Any = None) -> Work:
        op, root = _op_of(opts, tensors), opts.rootRank if opts is not None else 0

        def call() -> None:
            for tensor in tensors:
                reduced = tensor.clone()
                self._all_reduce(reduced, op)
                if self._rank == root:
                    tensor.copy_(reduced)

        return self._start(tensors, call)

    def allgather(self, outputs: "list[list[torch.Tensor]]", inputs: "list[torch.Tensor]", opts: Any = None) -> Work:
        for each, tensor in zip(outputs, inputs):
            _check_parts(each, tensor, self._size)
        return self._start(
            [each for of in outputs for each in of],
            lambda: [self._all_gather(each, tensor) for each, tensor in zip(outputs, inputs)] and None,
        )

    def _allgather_base(self, output: torch.Tensor, tensor: torch.Tensor, opts: Any = None) -> Work:
        parts = _parts_of(output, tensor, self._size)
        return self._start([output], lambda: self._all_gather(parts, tensor))

    def gather(self, outputs: "list[list[torch.Tensor]]", inputs: "list[torch.Tensor]", opts: Any = None) -> Work:
        mine = outputs if outputs else [[] for _ in inputs]
        return self._start(
            [each for of in mine for each in of] or inputs,
            lambda: [self._all_gather(each, tensor) for each, tensor in zip(mine, inputs)] and None,
        )

    def scatter(self, outputs: "list[torch.Tensor]", inputs: "list[list[torch.Tensor]]", opts: Any = None) -> Work:
        root = opts.rootRank if opts is not None else 0

        def call() -> None:
            for i, output in enumerate(outputs):
                every = torch.empty((self._size, output.numel()), dtype=output.dtype)
                if self._rank == root:
                    torch.stack([each.reshape(-1) for each in inputs[i]], out=every)
                self._broadcast(every, root)
                output.copy_(every[self._rank].view(output.shape))

        return self._start(outputs, call)

    def reduce_scatter(
        self, outputs: "list[torch.Tensor]", inputs: "list[list[torch.Tensor]]", opts: Any = None
    ) -> Work:
        op = _op_of(opts, outputs)
        for output, parts in zip(outputs, inputs):
            _check_parts(parts, output, self._size)
        return self._start(
            outputs, lambda: [self._reduce_scatter(out, parts, op) for out, parts in zip(outputs, inputs)] and None
        )

    def _reduce_scatter_base(self, output: torch.Tensor, tensor: torch.Tensor, opts: Any = None) -> Work:
        op, parts = _op_of(opts, [output]), _parts_of(tensor, output, self._size)
        return self._start([output], lambda: self._reduce_scatter(output, parts, op))

    def barrier(self, opts: Any = None) -> Work:
        return self._start([], lambda: self._session.barrier(self._timeout))

    def _is_not_there(self, *_: Any, **__: Any) -> Any:
        raise InvalidArgumentError(
            "the back end gossamer has no all-to-all, send and recv: use a group of another back end for them"
        )

    alltoall = alltoall_base = send = recv = recv_anysource = _is_not_there

    def shutdown(self) -> None:
        """Ends the thread and the session, and gives up what is still under way after a second. May be called twice."""
        if not self._session.is_closed:
            self._jobs.put(None)
            self._thread.join(GRACE_S)
            if self._thread.is_alive():  # in a call that waits for ranks which do not come
                self._session.abort()
                self._thread.join()
            self._session.close()

    def __del__(self) -> None:
        if hasattr(self, "_thread"):
            self.shutdown()


def _serve(jobs: "queue.SimpleQueue[Any]") -> None:
    lost: Optional[BaseException] = None
    while (job := jobs.get()) is not None:
        work, call = job
        failure = lost
        if failure is None:
            try:
                call()
            except BaseException as error:  # it belongs to whoever waits
                failure = error
                if not isinstance(error, (InvalidArgumentError, MismatchError)):
                    lost = error  # ranks are no longer together
        work._end(failure)
        del job, work, call, failure


def _join(store: Any, rank: int, size: int, timeout: float) -> Session:
    count = 0

    def all_gather(mine: memoryview, every: memoryview) -> None:
        nonlocal count
        count += 1
        store.set(f"gossamer/{count}/{rank}", bytes(mine).hex())
        for i in range(size):
            every[i * len(mine) : (i + 1) * len(mine)] = bytes.fromhex(store.get(f"gossamer/{count}/{i}").decode())

    return Session.from_calls(
        rank, size, all_gather=all_gather, name="torch.distributed's store", init_timeout=min(timeout, 600.0)
    )


def _op_of(opts: Any, tensors: "list[torch.Tensor]") -> str:
    for each in tensors:
        if each.dtype not in TYPES:
            names = ", ".join(str(known).replace("torch.", "") for known in TYPES)
            raise InvalidArgumentError(f"a tensor has {each.dtype}: expected {names}")
    reduce_op = distributed.ReduceOp
    given = reduce_op.SUM if opts is None else opts.reduceOp
    for op, name in (
        (reduce_op.SUM, "sum"),
        (reduce_op.AVG, "mean"),
        (reduce_op.MIN, "min"),
        (reduce_op.MAX, "max"),
        (reduce_op.BOR, "bit-or"),
    ):
        if given == op:
            return name
    raise InvalidArgumentError(f"the operator is {given}: expected SUM, AVG, MIN, MAX or BOR")


def _check_parts(parts: "list[torch.Tensor]", one: torch.Tensor, size: int) -> None:
    if len(parts) != size or any(part.numel() != one.numel() or part.dtype != one.dtype for part in parts):
        raise InvalidArgumentError(
            f"{len(parts)} tensors of {[part.numel() for part in parts]} elements are given, and one of {one.numel()}: "
            f"expected {size} of that size and type"
        )


def _parts_of(whole: torch.Tensor, one: torch.Tensor, size: int) -> "list[torch.Tensor]":
    if whole.numel() != size * one.numel() or whole.dtype != one.dtype or not whole.is_contiguous():
        raise InvalidArgumentError(
            f"one tensor has {whole.numel()} elements of {whole.dtype} and the other {one.numel()} of {one.dtype}: "
            f"expected a contiguous one of {size} times the other, of one type"
        )
    return list(whole.view(-1).view(size, -1)) if one.numel() else []


def _take_bytes(output: torch.Tensor, data: torch.Tensor) -> None:
    with torch.no_grad():
        if output.is_contiguous():
            output.view(-1).view(torch.uint8).copy_(data)
        else:
            output.copy_(data.clone().view(output.dtype).view(output.shape))


def register_backend() -> None:
    """Makes "gossamer" a back end of torch.distributed; `import gossamer.torch` has done so."""
    if not distributed.is_available() or hasattr(distributed.Backend, "GOSSAMER"):
        return
    try:
        distributed.Backend.register_backend("gossamer", ProcessGroup, devices=["cpu"])  # from 2.0 on
    except TypeError:
        distributed.Backend.register_backend("gossamer", ProcessGroup)
