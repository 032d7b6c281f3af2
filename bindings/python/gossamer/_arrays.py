"""Memory of the caller's arrays, without a copy: numpy and all of the buffer protocol, DLPack,
__cuda_array_interface__.

A View has the address for as long as it lives, and keeps alive whatever the memory belongs to.
"""
import ctypes
import sys
from typing import Any, Optional

from gossamer._interface import InvalidArgumentError, Type

# Kind of number as `struct` writes it, and size: to the header's types. Sizes are the array's own, as "l" has two.
_KINDS = {
    "b": "i",
    "h": "i",
    "i": "i",
    "l": "i",
    "q": "i",
    "n": "i",
    "B": "u",
    "H": "u",
    "I": "u",
    "L": "u",
    "Q": "u",
    "N": "u",
    "e": "f",
    "f": "f",
    "d": "f",
    "c": "u",
}
_TYPES = {
    "f4": Type.F32,
    "f8": Type.F64,
    "f2": Type.F16,
    "i1": Type.I8,
    "i4": Type.I32,
    "i8": Type.I64,
    "u1": Type.U8,
    "bf2": Type.BF16,
}
SIZES = {Type.F32: 4, Type.F64: 8, Type.BF16: 2, Type.F16: 2, Type.I8: 1, Type.I32: 4, Type.I64: 8, Type.U8: 1}
_DLPACK_KINDS = {0: "i", 1: "u", 2: "f", 4: "bf", 5: "c", 6: "bool"}
_CPU_LIKE = (1, 3)  # kDLCPU, kDLCUDAHost: pinned host memory
_CUDA_LIKE = (2, 13)  # kDLCUDA, kDLCUDAManaged


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]
    buf: Any
    len: int
    itemsize: int
    readonly: int
    ndim: int
    format: Optional[bytes]
    shape: Any
    strides: Any
    suboffsets: Any


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]
    data: Any
    device_type: int
    ndim: int
    code: int
    bits: int
    lanes: int
    shape: Any
    strides: Any
    byte_offset: int


_RECORDS_RO = 0x1C  # with format and strides; read-only buffers too
_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]
_get_buffer.restype = ctypes.c_int
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = [ctypes.c_void_p]
_release_buffer.restype = None
_is_contiguous = ctypes.pythonapi.PyBuffer_IsContiguous
_is_contiguous.argtypes = [ctypes.c_void_p, ctypes.c_char]
_is_contiguous.restype = ctypes.c_int
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_capsule_pointer.restype = ctypes.c_void_p
_types_of_formats: "dict[tuple[Optional[bytes], int], tuple[Optional[Type], str, int]]" = {}


class View:
    """Contiguous memory: its address, how many bytes, of which type (None: none of the header's), and where."""

    __slots__ = (
        "address",
        "bytes",
        "itemsize",
        "type",
        "words",
        "is_writable",
        "is_cuda",
        "_shape",
        "_held",
        "_buffer",
    )

    def __init__(
        self,
        address: int,
        size: int,
        itemsize: int,
        type_: Optional[Type],
        words: str,
        is_writable: bool,
        is_cuda: bool,
        shape: "Optional[tuple[int, ...]]",
        held: Any,
        buffer: Optional[_Buffer] = None,
    ) -> None:
        self.address = address
        self.bytes = size
        self.itemsize = itemsize
        self.type = type_
        self.words = words  # the type as the array says it
        self.is_writable = is_writable
        self.is_cuda = is_cuda
        self._shape = shape
        self._held = held
        self._buffer = buffer

    @property
    def shape(self) -> "tuple[int, ...]":
        if self._shape is None:
            assert self._buffer is not None
            self._shape = tuple(self._buffer.shape[: self._buffer.ndim]) if self._buffer.ndim else ()
        return self._shape

    @property
    def count(self) -> int:
        return self.bytes // self.itemsize if self.itemsize else 0

    def let_go(self) -> None:
        """Of the array: what it says stays, and the memory is someone else's care."""
        self._shape = self.shape
        buffer, self._buffer, self._held = self._buffer, None, None
        if buffer is not None:
            _release_buffer(ctypes.addressof(buffer))

    def __del__(self) -> None:
        if self._buffer is not None:
            _release_buffer(ctypes.addressof(self._buffer))


def _type_of_format(given: Optional[bytes], itemsize: int) -> "tuple[Optional[Type], str, int]":
    found = _types_of_formats.get((given, itemsize))
    if found is None:
        said = words = (given or b"B").decode()
        if words[:1] == ("<" if sys.byteorder == "little" else ">") or words[:1] in ("@", "="):
            words = words[1:]
        found = (_TYPES.get(f"{_KINDS.get(words, '?')}{itemsize}"), said, itemsize)
        _types_of_formats[(given, itemsize)] = found
    return found


def _not_contiguous(name: str, shape: Any) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{name} is not contiguous (shape {tuple(shape)}): expected an array whose elements lie one after "
        "the other, in the order of its indices; numpy.ascontiguousarray makes a copy that does"
    )


def _of_buffer(name: str, array: Any) -> View:
    buffer = _Buffer()
    address = ctypes.addressof(buffer)
    _get_buffer(array, address, _RECORDS_RO)  # raises what the object says
    kind, words, itemsize = _type_of_format(buffer.format, buffer.itemsize)
    view = View(buffer.buf or 0, buffer.len, itemsize, kind, words, not buffer.readonly, False, None, array, buffer)
    if not _is_contiguous(address, b"C"):
        raise _not_contiguous(name, view.shape)
    return view


def _is_dense(shape: "tuple[int, ...]", strides: "Optional[tuple[int, ...]]", unit: int) -> bool:
    if strides is None or 0 in shape:
        return True
    for length, stride in zip(reversed(shape), reversed(strides)):
        if length != 1 and stride != unit:
            return False
        unit *= length
    return True


def _product(shape: "tuple[int, ...]") -> int:
    count = 1
    for length in shape:
        count *= length
    return count


def _of_cuda(name: str, array: Any) -> View:
    said = array.__cuda_array_interface__
    shape = tuple(said["shape"])
    words = said["typestr"]
    itemsize = int(words[2:])
    if not _is_dense(shape, said.get("strides"), itemsize):
        raise _not_contiguous(name, shape)
    address, is_read_only = said["data"]
    kind = _TYPES.get(words[1:]) if words[0] in ("|", "<" if sys.byteorder == "little" else ">") else None
    return View(address or 0, _product(shape) * itemsize, itemsize, kind, words, not is_read_only, True, shape, array)


def _of_dlpack(name: str, array: Any) -> View:
    device = int(array.__dlpack_device__()[0])
    if device not in _CPU_LIKE + _CUDA_LIKE:
        raise InvalidArgumentError(f"{name} is on a device of DLPack's kind {device}: expected host memory, or CUDA's")
    try:
        capsule = array.__dlpack__()
    except (BufferError, RuntimeError, TypeError) as problem:
        raise InvalidArgumentError(f"{name} does not give its memory by DLPack: {problem}") from problem
    # The capsule keeps the tensor, and frees it when it goes itself: it is read and not consumed.
    tensor = _DLTensor.from_address(_capsule_pointer(capsule, b"dltensor"))
    shape = tuple(tensor.shape[: tensor.ndim])
    strides = tuple(tensor.strides[: tensor.ndim]) if tensor.strides else None
    if not _is_dense(shape, strides, 1):
        raise _not_contiguous(name, shape)
    itemsize = tensor.bits * tensor.lanes // 8
    words = f"{_DLPACK_KINDS.get(tensor.code, tensor.code)}{tensor.bits}" + (
        f"x{tensor.lanes}" if tensor.lanes != 1 else ""
    )
    kind = _TYPES.get(f"{_DLPACK_KINDS.get(tensor.code, '?')}{itemsize}") if tensor.lanes == 1 else None
    return View(
        (tensor.data or 0) + tensor.byte_offset,
        _product(shape) * itemsize,
        itemsize,
        kind,
        words,
        True,
        device in _CUDA_LIKE,
        shape,
        capsule,
    )


def view_of(name: str, array: Any, is_written: bool = False, may_be_cuda: bool = False) -> View:
    """The memory of `array`, called `name` in errors. TypeError where it is no array, InvalidArgumentError where it is
    one that cannot be used: not contiguous, read-only where it would be written, or on a device."""
    try:
        view = _of_buffer(name, array)
    except InvalidArgumentError:
        raise
    except BufferError as problem:
        raise InvalidArgumentError(f"{name} does not give its memory: {problem}") from problem
    except (TypeError, ValueError):
        if hasattr(array, "__cuda_array_interface__"):
            view = _of_cuda(name, array)
        elif hasattr(array, "__dlpack__"):
            view = _of_dlpack(name, array)
        else:
            raise TypeError(
                f"{name} is a {type(array).__name__}: expected an array (numpy, the buffer protocol, DLPack or "
                "__cuda_array_interface__)"
            ) from None
    if is_written and not view.is_writable:
        raise InvalidArgumentError(f"{name} is read-only, and would be written: expected an array that can be")
    if view.is_cuda and not may_be_cuda:
        raise InvalidArgumentError(f"{name} is in CUDA memory: expected host memory; copy it there first")
    return view


def type_name(kind: "Optional[int]") -> str:
    return "none of Gossamer's" if kind is None else Type(kind).name.lower()


def check_type(name: str, view: View, expected: Type) -> None:
    if view.type != expected:
        raise InvalidArgumentError(
            f"{name} has elements of type {view.words!r} ({type_name(view.type)}): expected " f"{type_name(expected)}"
        )


def check_count(name: str, view: View, expected: int, what: str = "elements") -> None:
    if view.count != expected:
        raise InvalidArgumentError(f"{name} has {view.count} {what} (shape {view.shape}): expected {expected}")
