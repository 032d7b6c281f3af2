"""Calls that block in the library while Ctrl-C works, values as the header's enums, times in seconds."""
import enum
import math
import os
import queue
import signal
import threading
from typing import Any, Callable, Optional, TypeVar, Union

from gossamer._interface import BusyError, InvalidArgumentError

E = TypeVar("E", bound=enum.IntEnum)
T = TypeVar("T")


def member(kind: "type[E]", value: "Union[E, int, str]", argument: str) -> E:
    """`value` as one of an enum: itself, its number, or its name ("gs-sgd", "GS_SGD")."""
    try:
        if isinstance(value, str):
            return kind[value.upper().replace("-", "_")]
        return kind(value)
    except (KeyError, ValueError):
        names = ", ".join(each.name.lower().replace("_", "-") for each in kind)
        raise InvalidArgumentError(f"{argument} is {value!r}: expected one of {kind.__name__}: {names}") from None


def nanoseconds(seconds: Optional[float], argument: str) -> int:
    """For the library, where 0 is the default."""
    if seconds is None:
        return 0
    if not seconds > 0 or math.isinf(seconds):
        raise InvalidArgumentError(f"{argument} is {seconds!r} s: expected a time above 0, or None for the default")
    return max(1, min(int(seconds * 1e9), 2**63 - 1))


def text(value: Optional[str], argument: str) -> Optional[bytes]:
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise InvalidArgumentError(f"{argument} is {value!r}: expected text without zero characters")
    return value.encode()


def path(value: "Union[str, bytes, os.PathLike[Any]]", argument: str) -> bytes:
    """TypeError where it is no path."""
    try:
        encoded = os.fsencode(value)
    except TypeError:
        raise TypeError(f"{argument} is a {type(value).__name__}: expected a path") from None
    if not encoded or b"\0" in encoded:
        raise InvalidArgumentError(f"{argument} is {value!r}: expected a path")
    return encoded


def can_be_interrupted() -> bool:
    """Whether Ctrl-C would raise here: in the main thread, with a handler of Python's."""
    return threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT))


class Caller:
    """A thread that blocks in the place of the main thread. Python runs its signal handlers in the main thread between
    two of its own steps, so that one stays free for them: KeyboardInterrupt comes at once, and the call goes on to its
    own end.
    """

    def __init__(self) -> None:
        self._calls: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self._thread: Optional[threading.Thread] = None
        self._running: Any = None  # locked until the call has ended

    def is_busy(self) -> bool:
        """Whether a call that was interrupted is still under way."""
        return self._running is not None and self._running.locked()

    def __call__(self, call: "Callable[[], T]") -> T:
        if not can_be_interrupted():
            return call()
        if self.is_busy():
            raise BusyError(
                "a call of this session that was interrupted is still under way: it ends by its own timeout at the "
                "latest"
            )
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="gossamer-caller", daemon=True)
            self._thread.start()
        outcome: "list[Any]" = []
        self._running = threading.Lock()
        self._running.acquire()
        self._calls.put((call, outcome, self._running))
        with self._running:  # KeyboardInterrupt leaves here
            result, error = outcome
        if error is not None:
            raise error
        return result

    def finish(self) -> None:
        """Waits for a call that was interrupted, if there is one."""
        if self._running is not None:
            with self._running:
                pass

    def end(self) -> None:
        """Lets the thread end, after the calls that it has."""
        if self._thread is not None:
            self._calls.put(None)

    def _run(self) -> None:
        while (given := self._calls.get()) is not None:
            call, outcome, running = given
            try:
                outcome.extend((call(), None))
            except BaseException as error:  # it belongs to whoever called
                outcome.extend((None, error))
            running.release()
            del given, call, outcome, running
