"""The root of all of Gossamer's exceptions. Their classes, one for each status, are made from the header's table."""
from typing import Optional


class GossamerError(Exception):
    """A call failed. Its text says what was wrong, what was expected and what to do.

    status: the gossamer.Status. rank: the rank that it is about, index: the coordinate; None where it is about none.
    """

    status: int = 0
    rank: Optional[int] = None
    index: Optional[int] = None

    def __init__(self, message: str = "", rank: Optional[int] = None, index: Optional[int] = None) -> None:
        super().__init__(message)
        self.rank = rank
        self.index = index

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> "tuple[type[GossamerError], tuple[str, Optional[int], Optional[int]]]":
        return type(self), (str(self), self.rank, self.index)  # to another process, as multiprocessing does


class LibraryError(GossamerError, ImportError):
    """The C library was not found, or is another version than this package: `python3 -m gossamer` says what was
    tried."""

    msg: str
