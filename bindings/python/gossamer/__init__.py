"""Gossamer: gradient exchange between peers, without a parameter server. See docs/python.md.

    import gossamer, numpy
    with gossamer.Session() as session:                   # ranks from gossamer run, mpirun, srun, torchrun
        compressor = session.make_compressor(weights)     # {"w": array, ...}; gs-SGD
        for batch in batches:
            compressor.step(gradients, weights, rate)     # every rank now has the same weights

Arrays are numpy's, or anything with the buffer protocol, DLPack or __cuda_array_interface__; they are used in place,
without a copy. Errors are GossamerError and its classes, one for each status, with `rank` and `index` where they are
about one.
"""
from typing import Any, Callable, Optional, Union

from gossamer import _interface
from gossamer._calls import member as _member
from gossamer._collective import Collective, Graph
from gossamer._compressor import Compressor, Tensor, Update
from gossamer._group import Group
from gossamer._failure import GossamerError, LibraryError
from gossamer._interface import *  # noqa: F401,F403  enums, Stats and errors; its __all__ is made from the header
from gossamer._interface import LogLevel
from gossamer._library import HEADER_VERSION as __version__
from gossamer._library import library as _load
from gossamer._plans import Operation
from gossamer._session import Session
from gossamer._settings import unique_id

__all__ = [
    "Collective",
    "Compressor",
    "GossamerError",
    "Graph",
    "Group",
    "LibraryError",
    "Operation",
    "Session",
    "Tensor",
    "Update",
    "set_log",
    "unique_id",
    "version",
    *_interface.__all__,
]

_sink: Any = None  # of the library; alive as long as it is set


def version() -> str:
    """Of the C library, "0.1.0"; of this package: gossamer.__version__."""
    return str(_load().version)


def set_log(
    least: "Union[LogLevel, int, str, None]" = "info", sink: "Optional[Callable[[LogLevel, str], None]]" = None
) -> None:
    """Sends the library's log lines of `least` and above to `sink(level, line)`; None of both: to logging's "gossamer".

    least None: silent again, as at first. The sink is called from any thread, one call at a time, and must not call
    into Gossamer.
    """
    global _sink
    lib = _load()
    if least is None:
        lib.gossamer_set_log(LogLevel.ERROR, _interface.LogSink(0), None)
        _sink = None
        return
    if sink is None:
        import logging

        logger = logging.getLogger("gossamer")
        numbers = {
            LogLevel.DEBUG: logging.DEBUG,
            LogLevel.INFO: logging.INFO,
            LogLevel.WARNING: logging.WARNING,
            LogLevel.ERROR: logging.ERROR,
        }

        def sink(level: LogLevel, line: str) -> None:
            logger.log(numbers[level], "%s", line)

    call = sink

    def take(level: int, line: bytes, _: Any) -> None:
        call(LogLevel(level), line.decode("utf-8", "replace"))

    made = _interface.LogSink(take)
    lib.gossamer_set_log(_member(LogLevel, least, "least"), made, None)
    if _sink is None:
        import atexit

        atexit.register(set_log, None)  # no thread calls into an interpreter that ends
    _sink = made
