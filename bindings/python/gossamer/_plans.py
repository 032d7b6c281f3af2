"""What compressors and collectives share: made once, started many times, one operation at a time."""
import ctypes
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Generator, Optional

from gossamer import _interface as interface
from gossamer._interface import BusyError, DeadlineError, InvalidArgumentError, Status

if TYPE_CHECKING:
    from gossamer._session import Session

SLICE_NS = 100_000_000  # of a wait in the library, between which Python looks at its signals
DEFAULT_WAIT_S = 60.0
LOOK_S = 0.001  # between the looks of an event loop, where no progress thread tells it


class Operation:
    """One run of a compressor or a collective. It keeps alive the memory that is worked on, until it has ended.

    Not made by you: start() of what it belongs to gives it.
    """

    __slots__ = ("_plan", "_error", "_has_ended", "_is_told", "__weakref__")

    def __init__(self, plan: "Plan") -> None:
        self._plan = plan
        self._error: Optional[BaseException] = None
        self._has_ended = False
        self._is_told = False  # its end is written to the plan's bell

    def test(self) -> bool:
        """Moves data on, without blocking, and says whether the operation has ended. Raises what it failed with."""
        if not self._has_ended:
            plan = self._plan
            plan._session._take()
            try:
                status = plan._test(plan._operation)
                if status == 1:  # PENDING
                    return False
                if status != 0:
                    self._fail(status)
            finally:
                plan._session._lock.release()
            self._end()
        if self._error is not None:
            raise self._error
        return True

    def notify(self, descriptor: int) -> None:
        """Writes the eight bytes of a 1 to `descriptor` (of os.eventfd, or a pipe) when the operation has ended; at
        once, if it has.

        For event loops other than asyncio's, where `await operation` does all of it. With inline progress nothing ends
        but in a call; so for progress="thread". test(), which is True then or raises, still has to be called. Once for
        each operation, and not beside an await. The descriptor stays yours, and open until the operation has ended.
        """
        plan = self._plan
        if self._has_ended:
            os.write(descriptor, (1).to_bytes(8, sys.byteorder))
            return
        plan._session._take()
        try:
            status = plan._session._library.gossamer_operation_notify(plan._operation, descriptor)
            if status != 0:
                raise plan._failure(status)
        finally:
            plan._session._lock.release()

    @property
    def done(self) -> bool:
        """As test(), where a failure is an end too and raises nothing: wait() will."""
        try:
            return self.test()
        except interface.GossamerError:
            if self._has_ended:
                return True
            raise

    def wait(self, timeout: Optional[float] = None) -> Any:
        """Blocks until the operation has ended, and returns its result: an Update of a compressor, the output of a
        collective.

        timeout: seconds (None: 60; math.inf: no end). The interpreter's lock is free meanwhile. Ctrl-C raises
        KeyboardInterrupt within 0.1 s; the operation goes on, and may be waited for again.
        Errors: DeadlineError says who waits for whom; the operation goes on. PeerLostError names the rank.
        NotFiniteError names rank and index; nothing was committed. One that has failed raises the same at each wait.
        """
        if not self._has_ended:
            plan = self._plan
            session = plan._session
            limit_ns = SLICE_NS if timeout is None or timeout >= 0.1 else _short(timeout)
            session._take()
            try:
                status = plan._wait(plan._operation, limit_ns)
                if status != 0 and status != -4:
                    self._fail(status)
            finally:
                session._lock.release()
            if status != 0:
                self._wait_on(DEFAULT_WAIT_S if timeout is None else timeout)
            self._end()
        if self._error is not None:
            raise self._error
        return self._plan._result()

    def __await__(self) -> "Generator[Any, None, Any]":
        """`await operation`, in asyncio: the result, or what it failed with, as of wait(), while other tasks go on.

        Best with progress="thread", which wakes the loop in microseconds; else the loop looks every millisecond, and
        data moves at these looks. A task that is cancelled leaves the operation as it was: it goes on, and may be
        awaited or waited for again. A limit of time is asyncio.wait_for's. Several tasks may await the same.
        """
        return self._ended().__await__()

    async def _ended(self) -> Any:
        if self.test():
            return self._plan._result()
        import asyncio

        loop, woken, bell = asyncio.get_running_loop(), asyncio.Event(), self._plan._bell_for(self)
        own = os.dup(bell.reading)  # a loop knows a descriptor once, and there may be several tasks
        loop.add_reader(own, woken.set)
        try:
            while True:
                look = None if self._plan._session._has_thread else loop.call_later(LOOK_S, woken.set)
                try:
                    await woken.wait()
                finally:
                    if look is not None:
                        look.cancel()
                woken.clear()
                bell.silence()
                if self.test():
                    return self._plan._result()
        finally:
            loop.remove_reader(own)
            os.close(own)
            if self._has_ended:
                bell.ring()  # for other tasks

    def _wait_on(self, timeout: float) -> None:
        session, plan = self._plan._session, self._plan
        end = time.monotonic() + timeout - SLICE_NS / 1e9
        while True:
            began = time.monotonic()  # signals are looked at here
            left_ns = min(SLICE_NS, (end - began) * 1e9)
            session._take()
            try:
                status = plan._wait(plan._operation, max(1, int(left_ns)))
                if status == 0:
                    return
                if status != Status.DEADLINE:
                    self._fail(status)
                    return
                now = time.monotonic()
                if now >= end:
                    session._is_damaged = True
                    raise session._library.failure(status)
                if now - began < SLICE_NS / 4e9 and left_ns == SLICE_NS:  # it has itself ended so
                    self._fail(status)
                    return
            finally:
                session._lock.release()

    def _fail(self, status: int) -> None:
        """Keeps the failure of the call just made. Raises at once where it is about the call and not the operation."""
        plan = self._plan
        error = plan._failure(status)
        if isinstance(error, (InvalidArgumentError, BusyError)):
            raise error
        self._error = error
        plan._session._is_damaged |= isinstance(error, (interface.PeerLostError, DeadlineError))

    def _end(self) -> None:
        self._has_ended = True
        plan = self._plan
        if plan._current is self:
            plan._current = None
            plan._session._in_flight.discard(plan)

    def __repr__(self) -> str:
        state = "failed" if self._error is not None else "done" if self._has_ended else "in flight"
        return f"<gossamer.Operation of {self._plan!r}: {state}>"


def _short(timeout: float) -> int:
    if not timeout >= 0:
        raise InvalidArgumentError(
            f"timeout is {timeout!r} s: expected seconds from 0 on, or None for {DEFAULT_WAIT_S:.0f}"
        )
    return max(1, int(timeout * 1e9))


class Bell:
    """A pipe that the library writes to when an operation has ended. Open as long as it may: until the operation's plan
    is gone in the library too."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        os.set_blocking(self.writing, False)

    def ring(self) -> None:
        try:
            os.write(self.writing, (1).to_bytes(8, sys.byteorder))
        except BlockingIOError:
            pass  # it rings already

    def silence(self) -> None:
        try:
            os.read(self.reading, 4096)
        except BlockingIOError:
            pass

    def __del__(self) -> None:
        if hasattr(self, "writing"):  # there were descriptors left
            os.close(self.reading)
            os.close(self.writing)


class Plan:
    """Base of Compressor and Collective."""

    _session: "Session"
    _start: Any
    _test: Any
    _wait: Any
    _destroy: Any

    def __init__(self, session: "Session", start: str, destroy: str) -> None:
        library = session._library
        self._session = session
        self._handle: Optional[int] = None
        self._operation: Optional[int] = None
        self._slot = ctypes.c_void_p()
        self._slot_address = ctypes.addressof(self._slot)
        self._start = getattr(library, start)
        self._destroy = getattr(library, destroy)
        self._test = library.gossamer_operation_test
        self._wait = library.gossamer_operation_wait
        self._current: Optional[Operation] = None
        self._held: Any = None  # the memory of a collective
        self._bell: Optional[Bell] = None

    def _made(self, handle: Optional[int]) -> None:
        self._handle = handle
        self._session._plans.add(self)

    def _begin(self) -> Operation:
        session = self._session
        session._take()
        try:
            current = self._current
            if current is not None and current.done is False:
                raise BusyError(f"an operation of {self!r} is in flight: wait for it first")
            status = self._start(self._handle, self._slot_address)
            if status != 0:
                raise self._failure(status)
            self._operation = self._slot.value
            operation = self._current = Operation(self)
            session._in_flight.add(self)
            return operation
        finally:
            session._lock.release()

    def _bell_for(self, operation: Operation) -> Bell:
        """That rings at the end of the one in flight, or has rung."""
        if self._bell is None:
            self._bell = Bell()
        if not operation._is_told:
            self._bell.silence()  # of the one before
            operation.notify(self._bell.writing)
            operation._is_told = True
        return self._bell

    @property
    def _kept(self) -> Any:
        """What must be there until the library has destroyed it."""
        return self._held, self._bell

    def _failure(self, status: int) -> interface.GossamerError:
        if self._handle is None:
            return self._session._closed_error(f"{self!r} is closed" if self._session._handle is not None else None)
        return self._session._library.failure(status)

    def _result(self) -> Any:
        return None

    def _give_back_arrays(self) -> bool:
        """Of allocate(): whether it has some. They are the user's alone then, until _take_arrays_again."""
        return False

    def _take_arrays_again(self) -> None:
        pass

    def close(self) -> None:
        """Frees it; an operation in flight is given up. Its memory is yours again. May be called twice. Local."""
        if self._handle is None:
            return
        session = self._session
        session._take()
        try:
            self._drop()
        finally:
            session._lock.release()

    def _drop(self) -> None:
        """Under the session's lock."""
        if (current := self._current) is not None:
            current._error, current._has_ended = (
                interface.CancelledError(f"{self!r} was closed with this operation in flight"),
                True,
            )
            self._current = None
        handle, held = self._handle, self._kept
        self._detach()
        self._session._in_flight.discard(self)
        self._session._dispose(self._destroy, handle, held)

    def _detach(self) -> None:
        """Of the library, whose object is gone or goes."""
        if (current := self._current) is not None and not current._has_ended:
            current._error = self._session._closed_error("the operation was in flight when its session ended")
            current._has_ended = True
        if self._bell is not None:
            self._bell.ring()
        self._current = self._handle = self._operation = self._held = self._bell = None

    def __enter__(self: Any) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self._session._dispose(self._destroy, self._handle, self._kept)
