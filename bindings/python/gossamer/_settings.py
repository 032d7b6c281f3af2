"""How a session is joined: arguments as the library's configuration, and ids."""
import ctypes
import os
from typing import Optional, Union

from gossamer import _interface as interface
from gossamer._calls import member, nanoseconds, text
from gossamer._interface import InvalidArgumentError, Progress
from gossamer._library import library


def config_of(
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
) -> interface.CConfig:
    config = interface.CConfig.initial()
    for name, number, limits in (("rank", rank, 0), ("rank_count", rank_count, 1), ("threads", threads, 1)):
        if number is not None:
            if not limits <= number < 2**31:
                raise InvalidArgumentError(f"{name} is {number}: expected a number from {limits} on, or None")
            setattr(config, name, number)
    for name, words in (
        ("rendezvous", rendezvous),
        ("bind_host", bind_host),
        ("transport", transport),
        ("job", job),
        ("secret", secret),
    ):
        setattr(config, name, text(words, name))
    config.init_timeout_ns = nanoseconds(init_timeout, "init_timeout")
    config.progress = member(Progress, progress, "progress")
    config.pin_threads = int(pin_threads)
    config.lease_ns = -1 if lease == float("inf") else nanoseconds(lease, "lease")
    return config


def has_thread(config: interface.CConfig) -> bool:
    """Whether a session of it has a progress thread for sure. With "auto" it has one where there are cores for it."""
    if config.progress == Progress.AUTO:
        return os.environ.get("GOSSAMER_PROGRESS") == "thread"
    return bool(config.progress == Progress.THREAD)


def unique_id(bind_host: Optional[str] = None) -> bytes:
    """An id for Session.from_id, made on the rank that will be rank 0, for the program to hand to all others.

    128 bytes: the address of a listener that is open from now on, and a secret; whoever has it can
    join. For one session.
    """
    lib = library()
    made = interface.CUniqueId()
    status = lib.gossamer_unique_id_create(config_of(bind_host=bind_host), made)
    if status != 0:
        raise lib.failure(status)
    return ctypes.string_at(ctypes.addressof(made), ctypes.sizeof(made))
