"""Memory of gossamer_allocate behind numpy's arrays."""
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gossamer._session import Session


class Block:
    """Memory of gossamer_allocate, for as long as anything looks at it."""

    def __init__(self, session: "Session", address: int, size: int) -> None:
        self.session, self.address, self.size = session, address, size
        self.exports = 0

    def is_used(self) -> bool:
        return self.exports > 0

    def array(self, kind: Any, shape: "tuple[int, ...]", offset: int = 0) -> Any:
        import numpy

        return numpy.ndarray(shape, kind, numpy.asarray(Export(self)), offset)

    def __del__(self) -> None:
        if not self.session._is_damaged:  # otherwise it must stay, and finalize frees it
            self.session._dispose(lambda address: self.session._free(address), self.address, None)


class Export:
    """What numpy holds on to: while one array of it is there, the session does not go."""

    def __init__(self, block: Block) -> None:
        self.block = block
        block.exports += 1
        self.__array_interface__ = {
            "version": 3,
            "shape": (block.size,),
            "typestr": "|u1",
            "data": (block.address, False),
        }

    def __del__(self) -> None:
        self.block.exports -= 1
        if self.block.session._is_leaving:
            self.block.session._leave_if_unused()
