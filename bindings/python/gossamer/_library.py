"""Finds libgossamer.so, checks that it is the one this package was made for, and declares its functions."""
import ctypes
import os
import sys
import sysconfig
import threading
from typing import Any, Iterator, NamedTuple, Optional

from gossamer import _interface as interface
from gossamer._failure import GossamerError, LibraryError

SONAME = f"libgossamer.so.{interface.HEADER_VERSION[0]}"
HEADER_VERSION = ".".join(map(str, interface.HEADER_VERSION))


class Place(NamedTuple):
    """Where the library may be: a path or a bare name for the loader's own search, and why there."""

    path: str
    reason: str


def places() -> Iterator[Place]:
    """In the order in which they are tried; the first that loads is taken. GOSSAMER_LIBRARY is the only one where it is
    set."""
    if given := os.environ.get("GOSSAMER_LIBRARY"):
        yield Place(given, "GOSSAMER_LIBRARY")
        return
    package = os.path.dirname(os.path.realpath(__file__))
    try:
        with open(os.path.join(package, "_build_tree.txt"), encoding="utf-8") as file:
            yield Place(file.read().strip(), "the build tree of this package")
    except OSError:
        pass
    yield Place(os.path.join(package, SONAME), "inside this package")
    multiarch = sysconfig.get_config_var("MULTIARCH")
    folder = os.path.dirname(package)
    while folder != os.path.dirname(folder):  # PREFIX/lib/python3.11/dist-packages/gossamer to PREFIX/lib
        if os.path.basename(folder) in ("lib", "lib64"):
            for name in (folder, *([os.path.join(folder, multiarch)] if multiarch else [])):
                yield Place(os.path.join(name, SONAME), "the prefix of this package")
        folder = os.path.dirname(folder)
    yield Place(os.path.join(sys.prefix, "lib", SONAME), "the prefix of Python")
    yield Place(SONAME, "the loader's own search (ldconfig, LD_LIBRARY_PATH)")
    yield Place(os.path.join("/usr/local/lib", SONAME), "the usual prefix")


class Attempt(NamedTuple):
    place: Place
    problem: str  # "" where it loaded


class Library:
    """The loaded C library; its functions are attributes under their names in the header."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.handle: Any = None
        for place in places():
            try:
                if os.sep in place.path and not os.path.exists(place.path):
                    raise OSError("no such file")
                self.handle = ctypes.CDLL(place.path)  # calls leave the interpreter's lock
                self.attempts.append(Attempt(place, ""))
                break
            except OSError as problem:
                self.attempts.append(Attempt(place, str(problem)))
        if self.handle is None:
            tried = "; ".join(f"{place.path} ({place.reason}): {problem}" for place, problem in self.attempts)
            raise LibraryError(
                f"the library {SONAME} was not found. Tried {tried}. Install Gossamer, or set GOSSAMER_LIBRARY to "
                "the path of the library"
            )
        self.place = self.attempts[-1].place
        self.version = self.declare("gossamer_version", ctypes.c_char_p, [])().decode()
        self.check_version()
        for name, (result, parameters) in interface.FUNCTIONS.items():
            setattr(self, name, self.declare(name, result, parameters))

    def __getattr__(self, name: str) -> Any:  # for type checkers: functions are set in __init__
        raise AttributeError(name)

    def declare(self, name: str, result: Any, parameters: "list[Any]") -> Any:
        try:
            function = self.handle[name]
        except AttributeError:
            raise LibraryError(
                f"{self.where()} has no function {name}, which this package (made from the header of "
                f"{HEADER_VERSION}) calls: install both from the same version"
            ) from None
        function.restype = result
        function.argtypes = parameters
        return function

    def where(self) -> str:
        """The library in words, with the path that the loader found."""
        return f"the library {library_path(self.handle) or self.place.path} ({self.place.reason})"

    def check_version(self) -> None:
        # What ranks tell each other may differ between minor versions, and structs only grow within one.
        major, minor = (self.version.split(".") + ["", ""])[:2]
        if (major, minor) != tuple(map(str, interface.HEADER_VERSION[:2])):
            raise LibraryError(
                f"{self.where()} is version {self.version}, but this package was made from the header of version "
                f"{HEADER_VERSION}: install both from the same version, or set GOSSAMER_LIBRARY to the path "
                "of the one that belongs to it"
            )

    def failure(self, status: int) -> GossamerError:
        """The exception of a call that ended with `status`, from the calling thread's last error."""
        rank, index = self.gossamer_last_error_rank(), self.gossamer_last_error_index()
        kind = interface.ERRORS.get(status, interface.InternalError)
        message = self.gossamer_last_error().decode("utf-8", "replace")
        return kind(message, rank if rank >= 0 else None, index if index >= 0 else None)


def library_path(handle: Any) -> Optional[str]:
    """The file that a library was loaded from, as the loader says (dladdr)."""

    class Found(ctypes.Structure):
        _fields_ = [
            ("path", ctypes.c_char_p),
            ("base", ctypes.c_void_p),
            ("name", ctypes.c_char_p),
            ("at", ctypes.c_void_p),
        ]
        path: Optional[bytes]

    found = Found()
    try:
        address = ctypes.cast(handle["gossamer_version"], ctypes.c_void_p)
        if ctypes.CDLL(None).dladdr(address, ctypes.byref(found)) and found.path:
            return os.fsdecode(found.path)
    except (AttributeError, OSError):
        pass
    return None


_loaded: Optional[Library] = None
_loading = threading.Lock()


def library() -> Library:
    """Loaded at the first call. LibraryError says what was tried, or which versions differ."""
    global _loaded
    if _loaded is None:
        with _loading:
            if _loaded is None:
                _loaded = Library()
    return _loaded
