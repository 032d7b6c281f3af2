"""Sessions: joining, one-off collectives, memory, groups."""
import atexit
import ctypes
import gc
import os
import sys
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence, TypeVar, Union

from gossamer import _interface as interface
from gossamer._arrays import View, view_of
from gossamer._calls import Caller, member, nanoseconds, text
from gossamer._interface import InvalidArgumentError, Op, PeerLostError, Progress, Type
from gossamer._group import Group
from gossamer._library import Library, library
from gossamer._memory import Block
from gossamer._settings import config_of, has_thread

if TYPE_CHECKING:
    from gossamer._collective import Collective, Graph
    from gossamer._compressor import Compressor, Tensor
    from gossamer._plans import Plan

T = TypeVar("T")
Array = Any  # numpy, the buffer protocol, DLPack or __cuda_array_interface__

_open_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()


class Session:
    """This process's membership among the ranks. A context manager: leaves at the end of `with`, or by close().

    Session() finds rank, rank count and the other ranks by whatever started the process (gossamer run, mpirun, srun,
    torchrun), or by GOSSAMER_* variables; `python3 -m gossamer` and `gossamer info` show them. Every argument has a
    variable that is used where it is None; see gossamer.h and docs/clusters.md.

    rank, rank_count: of a launcher of your own. rendezvous: "host:port" where rank 0 listens. bind_host: where
    listeners bind. transport: "ucx" or "libfabric". job: names this job. init_timeout: seconds for joining as a whole,
    30 by default. progress: "auto", "inline" (data moves in wait and test only) or "thread". threads: that compute, the
    caller's included.
    secret: where the secret is, "file:PATH", "fd:NUMBER" or "none". lease: seconds after which a silent rank is given
    up; math.inf: never.

    Blocks until all ranks are there, at most init_timeout; Ctrl-C works meanwhile. Errors: MismatchError, DeadlineError
    (names the ranks that did not come), UnavailableError, OutOfResourcesError, InvalidArgumentError.

    Calls of one session come from one thread at a time, any thread; one that comes while another is inside is an
    InvalidArgumentError. A session belongs to the process that joined it: a forked child cannot use it. Several
    sessions may be open at once.
    """

    def __init__(
        self,
        *,
        rank: Optional[int] = None,
        rank_count: Optional[int] = None,
        rendezvous: Optional[str] = None,
        bind_host: Optional[str] = None,
        transport: Optional[str] = None,
        job: Optional[str] = None,
        init_timeout: Optional[float] = None,
        progress: "Union[Progress, int, str]" = "auto",
        threads: Optional[int] = None,
        pin_threads: bool = False,
        secret: Optional[str] = None,
        lease: Optional[float] = None,
    ) -> None:
        config = config_of(
            rank,
            rank_count,
            rendezvous,
            bind_host,
            transport,
            job,
            init_timeout,
            progress,
            threads,
            pin_threads,
            secret,
            lease,
        )
        self._join(config, lambda lib, slot: lib.gossamer_init(config, slot), Caller())

    @classmethod
    def from_id(cls, unique_id: bytes, rank: int, rank_count: int, **settings: Any) -> "Session":
        """Joins by an id that unique_id() made on rank 0 and the program handed to all. `settings` as of Session()."""
        if len(unique_id) != interface.UNIQUE_ID_BYTES:
            raise InvalidArgumentError(
                f"unique_id has {len(unique_id)} B: expected the {interface.UNIQUE_ID_BYTES} B of "
                "gossamer.unique_id()"
            )
        given = interface.CUniqueId.from_buffer_copy(unique_id)
        config = config_of(**settings)
        session = cls.__new__(cls)
        joins = (given, rank, rank_count)
        session._join(config, lambda lib, slot: lib.gossamer_init_with_id(config, *joins, slot), Caller())
        return session

    @classmethod
    def from_calls(
        cls,
        rank: int,
        rank_count: int,
        *,
        broadcast: "Optional[Callable[[memoryview, int], None]]" = None,
        all_gather: "Optional[Callable[[memoryview, memoryview], None]]" = None,
        name: str = "Python's calls",
        **settings: Any,
    ) -> "Session":
        """Joins by collectives that the program has already.

        broadcast(data, root): the bytes of rank `root` come to all, into the memoryview `data`. all_gather(mine, all):
        `mine` of each rank comes to all, into `all`, in the order of ranks. One of them may be None; with all_gather,
        ranks of one host find that out. They are called in this thread, in the same order on each rank, and may block.
        What one raises is raised here, on that rank.
        """
        raised: "list[BaseException]" = []

        def guarded(call: "Callable[[], None]") -> int:
            try:
                call()
                return 0
            except BaseException as error:
                raised.append(error)
                return 1

        def memory(address: Optional[int], size: int) -> memoryview:
            return memoryview((ctypes.c_char * size).from_address(address or 0)).cast("B")

        launch = interface.CLaunch.initial()
        launch.rank, launch.rank_count, launch.name = rank, rank_count, text(name, "name")
        calls: "dict[str, Any]" = dict(launch._fields_)
        if broadcast is not None:
            carry = broadcast
            launch.broadcast = calls["broadcast"](
                lambda _, data, size, root: guarded(lambda: carry(memory(data, size), root))
            )
        if all_gather is not None:
            gather = all_gather
            launch.all_gather = calls["all_gather"](
                lambda _, mine, all_, size: guarded(
                    lambda: gather(memory(mine, size).toreadonly(), memory(all_, size * rank_count))
                )
            )
        config = config_of(**settings)
        session = cls.__new__(cls)
        try:
            session._join(config, lambda lib, slot: lib.gossamer_init_with_launch(config, launch, slot), None)
        except interface.GossamerError as error:
            if raised:
                raise raised[0] from error
            raise
        return session

    @classmethod
    def from_mpi(cls, communicator: Any = None, **settings: Any) -> "Session":
        """Joins with the ranks of a communicator of mpi4py (None: COMM_WORLD, where the program has imported mpi4py).

        Collective over it; works on a copy, so that messages of the program are not disturbed. MPI is not used
        afterwards.
        """
        if communicator is None:
            mpi = sys.modules.get("mpi4py.MPI")
            if mpi is None:
                raise InvalidArgumentError(
                    "no communicator was given and mpi4py.MPI is not imported: import it first, or use "
                    "Session(), which finds the ranks under mpirun by itself"
                )
            communicator = mpi.COMM_WORLD
        own = communicator.Dup()
        try:
            return cls.from_calls(
                own.Get_rank(),
                own.Get_size(),
                broadcast=lambda data, root: own.Bcast(data, root),
                all_gather=lambda mine, all_: own.Allgather(mine, all_),
                name="mpi4py",
                **settings,
            )
        finally:
            own.Free()

    def _join(
        self, config: interface.CConfig, call: "Callable[[Library, int], int]", caller: Optional[Caller]
    ) -> None:
        self._handle: Optional[int] = None
        self._library = library()
        self._lock = threading.RLock()
        self._caller = caller or Caller()
        self._process = os.getpid()
        self._plans: "weakref.WeakSet[Plan]" = weakref.WeakSet()
        self._in_flight: "set[Plan]" = set()
        self._groups: "weakref.WeakSet[Group]" = weakref.WeakSet()
        self._blocks: "weakref.WeakValueDictionary[int, Block]" = weakref.WeakValueDictionary()
        self._kept: "list[Any]" = []  # memory that must stay until finalize
        self._later: "list[Any]" = []  # what is to be freed when the session is free for it
        self._is_damaged = self._is_leaving = False
        self._has_thread = has_thread(config)
        lib, place = self._library, threading.Lock()
        state: "dict[str, Any]" = {"is_wanted": True, "handle": None}

        def join() -> int:
            slot = ctypes.c_void_p()
            status = call(lib, ctypes.addressof(slot))
            if status != 0:
                raise lib.failure(status)
            with place:
                state["handle"] = slot.value
                is_wanted = state["is_wanted"]
            if not is_wanted:
                lib.gossamer_finalize(slot)
            return slot.value or 0

        try:
            self._handle = self._caller(join) if caller is not None else join()
        except KeyboardInterrupt:
            with place:
                state["is_wanted"] = False
                is_there = state["handle"] is not None
            if is_there:
                lib.gossamer_finalize(ctypes.c_void_p(state["handle"]))
            self._caller.end()
            raise
        self._rank, self._rank_count = lib.gossamer_rank(self._handle), lib.gossamer_rank_count(self._handle)
        _open_sessions.add(self)

    # ---- the rules of use ----

    def _take(self) -> None:
        """Begins a call: the lock is the caller's to release. Refuses what the library does not allow."""
        if not self._lock.acquire(False):
            raise InvalidArgumentError(
                "another thread is in a call of this session: its calls come from one thread at a time; "
                "use a lock of your own, or a session for each thread"
            )
        if self._caller._running is not None and self._caller.is_busy():
            self._lock.release()
            raise interface.BusyError(
                "a call of this session that was interrupted is still under way: it ends by its own timeout "
                "at the latest"
            )

    def _closed_error(self, words: Optional[str] = None) -> InvalidArgumentError:
        return InvalidArgumentError(
            words or "the session is closed: no call with it, or with what was made of it, is possible"
        )

    def _check(self, status: int) -> None:
        if status != 0:
            if self._handle is None:
                raise self._closed_error()
            error = self._library.failure(status)
            self._is_damaged |= isinstance(error, (PeerLostError, interface.DeadlineError))
            raise error

    def _blocking(self, call: "Callable[[Optional[int]], int]") -> None:
        """A collective call that waits for the other ranks. Where there are none, in this thread."""
        self._take()
        try:
            self._free_later()
            handle = self._handle
            if handle is None:
                raise self._closed_error()

            def checked() -> None:
                self._check(call(handle))

            if self._rank_count == 1 or os.getpid() != self._process:
                checked()
            else:
                self._caller(checked)
        finally:
            self._lock.release()

    def _tell_others(self, call: "Callable[[Optional[int]], int]") -> None:
        """Makes a call that is wrong on this rank, so that the others fail at once and need not wait for it."""
        if self._handle is not None and self._rank_count > 1:
            try:
                self._blocking(call)
            except interface.GossamerError:
                pass

    def _dispose(self, destroy: "Callable[[Any], Any]", handle: Any, held: Any) -> None:
        """Destroys an object of the library, now or when no call is under way: garbage is collected in any thread."""
        if self._handle is None:
            return
        if self._lock.acquire(False):
            try:
                if not self._caller.is_busy():
                    destroy(handle)
                    if self._is_damaged:
                        self._kept.append(held)
                    return
            finally:
                self._lock.release()
        self._later.append((destroy, handle, held))

    def _free_later(self) -> None:
        while self._later:
            self._dispose(*self._later.pop())

    def _free(self, address: int) -> None:
        self._library.gossamer_free(self._handle, address)

    # ---- what it is ----

    @property
    def rank(self) -> int:
        """The own rank, 0 to rank_count - 1."""
        return self._rank

    @property
    def rank_count(self) -> int:
        return self._rank_count

    @property
    def is_closed(self) -> bool:
        return self._handle is None

    def __repr__(self) -> str:
        return (
            f"<gossamer.Session: rank {self._rank} of {self._rank_count}{', closed' if self._handle is None else ''}>"
        )

    # ---- calls that are made now and then ----

    def all_reduce(self, data: Array, op: "Union[Op, int, str]" = "sum", timeout: Optional[float] = None) -> Any:
        """Reduces `data` over all ranks, in place, and returns it; of a float or an int, returns the result.

        data: a writable, contiguous host array of any shape, of an element type of Type; the same size, type and op on
        every rank, else MismatchError on all. op: "sum", "min", "max", "mean" or "bit-or". timeout: seconds (None: the
        init timeout). Collective; blocks. Up to 8 KiB cost one round trip of the control plane. After an error `data`
        is undefined. For a loop, make_all_reduce is faster.
        """
        number = member(Op, op, "op")
        if isinstance(data, (bool, int, float)):
            cell: Any = ctypes.c_double(data) if isinstance(data, float) else ctypes.c_int64(data)
            self.all_reduce(cell, number, timeout)
            return cell.value
        limit = nanoseconds(timeout, "timeout")
        reduce = self._library.gossamer_all_reduce
        try:
            view = view_of("data", data, is_written=True)
            if view.type is None:
                raise InvalidArgumentError(
                    f"data has elements of type {view.words!r}: expected one of "
                    f"{', '.join(each.name.lower() for each in Type)}"
                )
        except (InvalidArgumentError, TypeError):
            self._tell_others(lambda handle: reduce(handle, None, 1, 0, 0, limit))
            raise
        self._blocking(lambda handle: reduce(handle, view.address, view.count, view.type, number, limit))
        return data

    def broadcast(self, data: Array, root: int = 0, timeout: Optional[float] = None) -> Any:
        """Copies the bytes of `data` from rank `root` to all others, and returns `data`.

        data: a contiguous host array of any type, of equally many bytes on every rank, writable but on the root.
        Collective; blocks, at most `timeout` seconds (None: the init timeout). MismatchError on every rank if bytes or
        root differ. After an error `data` is undefined on ranks other than the root.
        """
        limit = nanoseconds(timeout, "timeout")
        carry = self._library.gossamer_broadcast
        try:
            view = view_of("data", data, is_written=self._rank != root)
        except (InvalidArgumentError, TypeError):
            self._tell_others(lambda handle: carry(handle, None, 1, root, limit))
            raise
        self._blocking(lambda handle: carry(handle, view.address, view.bytes, root, limit))
        return data

    def check_equal(self, name: str, data: Array, timeout: Optional[float] = None) -> None:
        """Raises MismatchError on every rank, with two that differ, unless the bytes of `data` are equal on all ranks.

        name: says what it is ("weights"). data: a contiguous host array of any type. Collective; blocks.
        """
        limit = nanoseconds(timeout, "timeout")
        words = text(name, "name")
        check = self._library.gossamer_check_equal
        try:
            view = view_of("data", data)
        except (InvalidArgumentError, TypeError):
            self._tell_others(lambda handle: check(handle, words, None, 1, limit))
            raise
        self._blocking(lambda handle: check(handle, words, view.address, view.bytes, limit))

    def barrier(self, timeout: Optional[float] = None) -> None:
        """Returns when every rank has called it. Blocks, at most `timeout` seconds (None: the init timeout)."""
        limit = nanoseconds(timeout, "timeout")
        self._blocking(lambda handle: self._library.gossamer_barrier(handle, limit))

    def allocate(self, shape: "Union[int, tuple[int, ...]]", dtype: Any = "float32") -> Any:
        """A zeroed numpy array in memory that ranks of this host may read in place, where the transport can map it.

        Local. It belongs to the session, which close() therefore does not end while an array of it is in use. Freed
        when the last array of it goes. OutOfResourcesError names the limit that is too small.
        """
        import numpy

        kind = numpy.dtype(dtype)
        lengths = (shape,) if isinstance(shape, int) else tuple(shape)
        size = kind.itemsize
        for length in lengths:
            size *= length
        slot = ctypes.c_void_p()
        self._take()
        try:
            self._free_later()
            self._check(self._library.gossamer_allocate(self._handle, size, ctypes.addressof(slot)))
            address = slot.value or 0
            block = Block(self, address, size)
            self._blocks[address] = block
            return block.array(kind, lengths)
        finally:
            self._lock.release()

    def _view(self, name: str, array: Array, is_written: bool) -> "tuple[View, Any]":
        """The memory of an array, and what must live as long as it is used: of allocate(), the block and not the
        array."""
        view = view_of(name, array, is_written)
        for block in list(self._blocks.values()):
            if block.address <= view.address < block.address + block.size:
                view.let_go()
                return view, block
        return view, view

    # ---- what is made of it ----

    def make_compressor(self, tensors: "Union[Mapping[str, Any], Sequence[Tensor]]", **options: Any) -> "Compressor":
        """A Compressor of this session; arguments as there."""
        from gossamer._compressor import Compressor

        return Compressor(self, tensors, **options)

    def make_group(self, ranks: "Sequence[int]") -> "Group":
        """Some ranks of the session, in an order of their own, for collectives. Local; see Group."""
        return Group(self, ranks)

    def _make(self, kind: str, output: Array, input: Array = None, **options: Any) -> "Collective":
        from gossamer._collective import Collective

        return Collective(self, kind, output, input, **options)

    def make_all_reduce(
        self, output: Array, input: Array = None, op: "Union[Op, int, str]" = "sum", **options: Any
    ) -> "Collective":
        """The reduction of every rank's `input` in `output`; in place without an input. Options as of Collective."""
        return self._make("all-reduce", output, input, op=op, **options)

    def make_reduce(
        self, output: Array, input: Array = None, op: "Union[Op, int, str]" = "sum", root: int = 0, **options: Any
    ) -> "Collective":
        """The reduction at rank `root` (of the group) alone; `output` may be None elsewhere, where an input is
        given."""
        return self._make("reduce", output, input, op=op, root=root, **options)

    def make_broadcast(self, output: Array, root: int = 0, **options: Any) -> "Collective":
        """`output` of rank `root` to all."""
        return self._make("broadcast", output, root=root, **options)

    def make_reduce_scatter(
        self, output: Array, input: Array = None, op: "Union[Op, int, str]" = "sum", **options: Any
    ) -> "Collective":
        """This rank's slice of the reduction of `input`, in `output`; without an input `output` is the whole vector,
        and the slice of it that Collective.slice() names is the result."""
        return self._make("reduce-scatter", output, input, op=op, **options)

    def make_all_gather(self, output: Array, input: Array = None, **options: Any) -> "Collective":
        """Every rank's slice, in `output`; without an input the own one lies there already."""
        return self._make("all-gather", output, input, **options)

    def make_neighbor_reduce(
        self, output: Array, input: Array = None, graph: "Optional[Graph]" = None, **options: Any
    ) -> "Collective":
        """Each start moves `output` toward those of the neighbours in `graph` (None: Graph("one-peer"));
        docs/gossip.md."""
        return self._make("neighbor-reduce", output, input, graph=graph, **options)

    def make_barrier(self, **options: Any) -> "Collective":
        """A barrier for loops: done when every rank (of the group) has started it."""
        return self._make("barrier", None, **options)

    # ---- the end, and what was done ----

    def report(self) -> "dict[str, Any]":
        """What this rank has done so far: for each compressor and collective bytes, times by phase, ratio, residual
        norm, ...

        The keys of gossamer_session_report (schema "gossamer.session/1"); times in ns, sizes in bytes. Local.
        """
        import json

        size = ctypes.c_size_t(4096)
        self._take()
        try:
            while True:
                words = ctypes.create_string_buffer(size.value)
                status = self._library.gossamer_session_report(self._handle, words, len(words), ctypes.addressof(size))
                if status != interface.Status.OUT_OF_RESOURCES or size.value <= len(words):
                    self._check(status)
                    return json.loads(words.value)
                size.value += 256  # numbers grow
        finally:
            self._lock.release()

    def abort(self) -> None:
        """Gives the session up, from any thread, whatever another one is in: that one gets CancelledError within .1 s,
        every other rank PeerLostError. Returns at once; close() follows, in the thread that owns the session."""
        handle = self._handle
        if handle is None:
            raise self._closed_error()
        status = self._library.gossamer_abort(handle)
        if status != 0:
            raise self._library.failure(status)

    def close(self) -> None:
        """Leaves the session and frees what was made of it. May be called twice.

        Serves peers that are still in an operation, at most some 7 s in all. BufferError while arrays of allocate() are
        in use, since their memory goes: delete them, or copy what you keep, first; views of them count.
        """
        if self._handle is None:
            return
        plans = [plan for plan in list(self._plans) if plan._give_back_arrays()]
        used = self._used_blocks()
        if used:
            gc.collect()
            used = self._used_blocks()
        if used:
            for plan in plans:
                plan._take_arrays_again()
            raise BufferError(
                f"{len(used)} arrays of allocate() are in use, the first of {used[0].size} B: delete them, or copy "
                "what you keep, before the session ends"
            )
        self._leave()

    def _used_blocks(self) -> "list[Block]":
        return [block for block in list(self._blocks.values()) if block.is_used()]

    def _leave_if_unused(self) -> None:
        if self._handle is not None and not self._used_blocks():
            self._leave()

    def _leave(self) -> None:
        if not self._lock.acquire(False):
            raise InvalidArgumentError("another thread is in a call of this session: end that before close()")
        try:
            self._caller.finish()
            handle, self._handle = self._handle, None
            left = list(self._later)  # with the memory that operations in flight work on until finalize has returned
            self._later.clear()
            for plan in list(self._plans):
                left.append((plan._destroy, plan._handle, plan._kept))
                plan._detach()
            self._in_flight.clear()
            for group in list(self._groups):
                left.append((self._library.gossamer_group_destroy, group._handle, None))
                group._handle = None
            if os.getpid() == self._process and self._rank_count > 1:
                self._caller(lambda: self._library.gossamer_finalize(handle))
            else:
                self._library.gossamer_finalize(handle)
            for destroy, of_plan, _ in left:  # handles outlive their session, and are freed by this alone
                destroy(of_plan)
            self._kept.clear()
            self._caller.end()
        finally:
            self._lock.release()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: "Optional[type[BaseException]]", *_: Any) -> None:
        try:
            self.close()
        except BufferError:
            if kind is None:
                raise
            self._is_leaving = True  # when the frames of the exception, which has arrays of allocate(), have gone

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None and os.getpid() == self._process:
            warnings.warn(f"{self!r} was not closed: use `with`, or close()", ResourceWarning, stacklevel=2)
            try:
                self._leave()
            except interface.GossamerError:
                pass


@atexit.register
def _close_all() -> None:
    for session in list(_open_sessions):
        if session._handle is not None and os.getpid() == session._process and not session._caller.is_busy():
            try:
                session._leave()
            except interface.GossamerError:
                pass  # another thread is inside: the process ends, and peers see that
