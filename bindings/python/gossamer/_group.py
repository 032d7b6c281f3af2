"""Some ranks of a session."""
import ctypes
from typing import TYPE_CHECKING, Optional, Sequence

if TYPE_CHECKING:
    from gossamer._session import Session


class Group:
    """Some ranks of the session, in an order of their own: rank i of the group is rank ranks[i] of the session.

    Local: nothing is agreed on before a collective is made on it, with the same ranks in the same order on each of
    them. InvalidArgumentError: a number that is no rank, one twice, or the own rank is not among them.
    """

    def __init__(self, session: "Session", ranks: "Sequence[int]") -> None:
        self._handle: Optional[int] = None
        self._session = session
        self.ranks = tuple(int(rank) for rank in ranks)
        given = (ctypes.c_int32 * max(1, len(self.ranks)))(*self.ranks)
        slot = ctypes.c_void_p()
        session._take()
        try:
            session._check(
                session._library.gossamer_group_create(
                    session._handle, ctypes.addressof(given), len(self.ranks), ctypes.addressof(slot)
                )
            )
            self._handle = slot.value
            session._groups.add(self)
        finally:
            session._lock.release()

    @property
    def rank_count(self) -> int:
        return len(self.ranks)

    def __repr__(self) -> str:
        return f"<gossamer.Group of ranks {', '.join(map(str, self.ranks))}>"

    def __del__(self) -> None:
        if self._handle is not None:
            self._session._dispose(self._session._library.gossamer_group_destroy, self._handle, None)
