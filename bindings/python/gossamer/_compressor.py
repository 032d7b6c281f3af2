"""Gradients to updates: gs-SGD and the other algorithms."""
import ctypes
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Collection, Mapping, Optional, Sequence, Union

from gossamer import _interface as interface
from gossamer._arrays import View, check_count, check_type, view_of
from gossamer._calls import member, nanoseconds, path, text
from gossamer._interface import (
    Algorithm,
    Cells,
    Decode,
    InvalidArgumentError,
    MemoryKind,
    Schedule,
    Selection,
    Stats,
    Type,
)
from gossamer._plans import Operation, Plan

if TYPE_CHECKING:
    from gossamer._session import Session


@dataclass(frozen=True)
class Tensor:
    """One tensor of a model.

    name: for messages, and for the check that ranks agree. count: elements, f32. exact: always exchanged whole and
    without residual, for biases and other small ones.
    """

    name: str
    count: int
    exact: bool = False


Tensors = Union[Mapping[str, Any], Sequence[Tensor]]


def _tensors(given: "Tensors", exact: "Collection[str]") -> "list[Tensor]":
    listed: "list[Tensor]" = []
    all_of_them: "Any" = given.items() if isinstance(given, Mapping) else given
    for each in all_of_them:
        if isinstance(each, Tensor):
            listed.append(Tensor(each.name, each.count, each.exact or each.name in exact))
            continue
        name, size = each
        count = size if isinstance(size, int) else getattr(size, "size", None)
        if callable(count):  # PyTorch's
            count = size.numel()
        if not isinstance(name, str) or not isinstance(count, int) or count < 0:
            raise InvalidArgumentError(
                f"tensor {len(listed)} is {each!r}: expected its name, and an array or its number of elements"
            )
        listed.append(Tensor(name, count, name in exact))
    if unknown := set(exact) - {tensor.name for tensor in listed}:
        raise InvalidArgumentError(f"exact names {', '.join(sorted(unknown))}: expected names of tensors")
    return listed


class Update:
    """What an operation of a compressor gives every rank, the same bits everywhere: the mean over ranks of the
    gradient's heaviest coordinates, with momentum. In the compressor's memory, so valid until its next reduce() or
    start()."""

    def __init__(self, compressor: "Compressor") -> None:
        self._compressor = compressor
        self._generation = compressor._generation
        self._given = interface.CUpdate.initial()

    def _check(self) -> None:
        compressor = self._compressor
        if compressor._handle is None:
            raise compressor._failure(-1)
        if compressor._generation != self._generation:
            raise InvalidArgumentError(
                "the update belongs to an earlier operation: it is gone since the compressor's next reduce; "
                "apply it, or copy it, before"
            )

    @property
    def count(self) -> int:
        """Of values."""
        return int(self._given.count)

    @property
    def indices(self) -> Any:
        """numpy uint32, a copy: positions in the concatenation of all tensors; None: all of them, in order."""
        self._check()
        return self._copy(self._given.indices, ctypes.c_uint32) if self._given.indices else None

    @property
    def values(self) -> Any:
        """numpy float32, a copy."""
        self._check()
        if self._compressor.memory == MemoryKind.CUDA:
            raise InvalidArgumentError("the values are in CUDA memory: use apply()")
        return self._copy(self._given.values, ctypes.c_float)

    def _copy(self, address: int, kind: Any) -> Any:
        import numpy

        if self.count == 0:
            return numpy.empty(0, numpy.dtype(kind))
        return numpy.ctypeslib.as_array((kind * self.count).from_address(address)).copy()

    def apply(self, weights: "Union[Sequence[Any], Mapping[str, Any]]", scale: float = 1.0) -> None:
        """weights[tensor][i] += scale * value, for all of it, in place. `weights` as the gradients of compress(),
        writable.

        Plain descent is apply(weights, -rate). Zeroed gradients and a scale of 1 give the update as a dense gradient.
        """
        self._check()
        pointers, _held = self._compressor._addresses("weights", weights, is_written=True)
        self._apply_at(pointers, scale)

    def _apply_at(self, pointers: Any, scale: float) -> None:
        session = self._compressor._session
        session._take()
        try:
            self._check()
            session._check(session._library.gossamer_update_apply(self._given, ctypes.addressof(pointers), scale))
        finally:
            session._lock.release()

    def __repr__(self) -> str:
        return f"<gossamer.Update of {self.count} values>"


class Compressor(Plan):
    """Exchanges gradients: its memory, residual and plans, made once, to be started many times.

    tensors: a mapping of names to arrays (or numbers of elements), or a list of Tensor. exact: names of those that are
    always exchanged whole. Every other argument is a field of gossamer_compressor_config in gossamer.h, which says what
    each means: algorithm "gs-sgd", "shared-top-k", "top-k" or "dense"; density, the part of the coordinates that is
    sent; momentum (None: the algorithm's, .3, and 0 for dense) and clip (None: 1, and 0 for dense), which are applied
    inside, so that the optimiser behind it is a plain `w -= rate * value`; cells and values, what travels ("f32",
    "bf16", "f16", "i8", "i16"); stream, with memory "cuda", the address of a cudaStream_t, such as torch's
    `current_stream().cuda_stream`.

    Collective, in the same order on all ranks; made on every one or on none. MismatchError names field and both values.
    Blocks, at most the init timeout. Several may have operations in flight at once, one each.
    """

    algorithm: Algorithm
    memory: MemoryKind
    tensors: "list[Tensor]"
    _generation: int

    def __init__(
        self,
        session: "Session",
        tensors: "Tensors",
        *,
        exact: "Collection[str]" = (),
        name: Optional[str] = None,
        algorithm: "Union[Algorithm, int, str]" = "gs-sgd",
        density: float = 0.0,
        rows: int = 0,
        columns: int = 0,
        oversampling: float = 0.0,
        momentum: Optional[float] = None,
        clip: Optional[float] = None,
        selection: "Union[Selection, int, str]" = "top",
        keep_k: bool = False,
        seed: int = 1,
        schedule: "Union[Schedule, int, str]" = "auto",
        cells: "Union[Cells, int, str]" = "f32",
        values: "Union[Cells, int, str]" = "f32",
        decode: "Union[Decode, int, str]" = "whole",
        memory: "Union[MemoryKind, int, str]" = "host",
        stream: Optional[int] = None,
    ) -> None:
        super().__init__(session, "gossamer_reduce", "gossamer_compressor_destroy")
        create = session._library.gossamer_compressor_create
        config = interface.CCompressorConfig.initial()
        slot = ctypes.c_void_p()
        try:
            self.tensors = _tensors(tensors, exact)
            self.algorithm, self.memory = member(Algorithm, algorithm, "algorithm"), member(
                MemoryKind, memory, "memory"
            )
            listed = (interface.CTensor * max(1, len(self.tensors)))()
            for each, tensor in zip(listed, self.tensors):
                each.name, each.count, each.exact = (
                    text(tensor.name, "a tensor's name"),
                    tensor.count,
                    int(tensor.exact),
                )
            config.tensors, config.tensor_count, config.name = listed, len(self.tensors), text(name, "name")
            config.algorithm, config.memory = self.algorithm, self.memory
            config.density, config.rows, config.columns, config.oversampling = density, rows, columns, oversampling
            config.momentum = -1.0 if momentum is None else _at_least_zero("momentum", momentum)
            config.clip = -1.0 if clip is None else _at_least_zero("clip", clip)
            config.selection, config.keep_k = member(Selection, selection, "selection"), int(keep_k)
            config.seed, config.schedule = seed, member(Schedule, schedule, "schedule")
            config.cells, config.values = member(Cells, cells, "cells"), member(Cells, values, "values")
            config.decode, config.stream = member(Decode, decode, "decode"), stream
        except (InvalidArgumentError, TypeError):
            session._tell_others(lambda handle: create(handle, None, ctypes.addressof(slot)))
            raise
        self._generation = 0
        self._compress = session._library.gossamer_compress
        session._blocking(lambda handle: create(handle, config, ctypes.addressof(slot)))
        self._made(slot.value)

    def _addresses(
        self, what: str, given: "Union[Sequence[Any], Mapping[str, Any]]", is_written: bool
    ) -> "tuple[ctypes.Array[ctypes.c_void_p], list[View]]":
        tensors = self.tensors
        arrays: "Sequence[Any]"
        if isinstance(given, Mapping):
            if missing := [tensor.name for tensor in tensors if tensor.name not in given]:
                raise InvalidArgumentError(f"{what} has none for {', '.join(missing)}: expected one for each tensor")
            if len(given) != len(tensors):
                others = sorted(set(given) - {tensor.name for tensor in tensors})
                raise InvalidArgumentError(f"{what} has {', '.join(others)}, which the compressor was not made for")
            arrays = [given[tensor.name] for tensor in tensors]
        else:
            arrays = given
            if len(arrays) != len(tensors):
                raise InvalidArgumentError(
                    f"{what} has {len(arrays)} arrays: expected {len(tensors)}, one for each tensor"
                )
        pointers = (ctypes.c_void_p * max(1, len(tensors)))()
        views = []
        for i, (tensor, array) in enumerate(zip(tensors, arrays)):
            name = f"{what}[{tensor.name!r}]"
            view = view_of(name, array, is_written, self.memory == MemoryKind.CUDA)
            check_type(name, view, Type.F32)
            check_count(name, view, tensor.count)
            if view.is_cuda != (self.memory == MemoryKind.CUDA):
                raise InvalidArgumentError(f"{name} is in host memory: expected CUDA's, as the compressor was made for")
            pointers[i] = view.address or ctypes.addressof(pointers)  # an empty array has none
            views.append(view)
        return pointers, views

    def compress(self, gradients: "Union[Sequence[Any], Mapping[str, Any]]") -> None:
        """Takes this rank's gradients: scales them to `clip`, adds momentum and residual and encodes the payload.

        gradients: one contiguous float32 array for each tensor, in their order or by name, of `count` elements and any
        shape; yours again on return. Local. BusyError while an operation is in flight; a payload that was never reduced
        is dropped. A gradient with NaN is no error here, since the other ranks must learn of it: the reduce then fails
        on every rank.
        """
        pointers, _held = self._addresses("gradients", gradients, is_written=False)
        self._compress_at(pointers)

    def _compress_at(self, pointers: Any) -> None:
        """`pointers`: one address of floats for each tensor, which the caller has looked at."""
        session = self._session
        session._take()
        try:
            status = self._compress(self._handle, ctypes.addressof(pointers))
            if status != 0:
                raise self._failure(status)
        finally:
            session._lock.release()

    def reduce(self) -> Operation:
        """Starts the exchange of what was compressed. Collective; returns at once. Its wait() returns the Update."""
        operation = self._begin()
        self._generation += 1
        return operation

    def start(self, gradients: "Union[Sequence[Any], Mapping[str, Any]]") -> Operation:
        """compress(gradients) and reduce()."""
        self.compress(gradients)
        return self.reduce()

    def step(
        self,
        gradients: "Union[Sequence[Any], Mapping[str, Any]]",
        weights: "Union[Sequence[Any], Mapping[str, Any]]",
        rate: float,
        timeout: Optional[float] = None,
    ) -> None:
        """A whole step of descent: start(gradients), wait, weights -= rate * update, the same on every rank."""
        self.start(gradients).wait(timeout).apply(weights, -rate)

    def recover(self) -> Update:
        """The update of the last operation that ended well. InvalidArgumentError where there is none."""
        update = Update(self)
        session = self._session
        session._take()
        try:
            status = session._library.gossamer_recover(self._handle, update._given)
            if status != 0:
                raise self._failure(status)
        finally:
            session._lock.release()
        return update

    def _result(self) -> Update:
        return self.recover()

    def save(self) -> bytes:
        """This rank's residual and momentum, by names of tensors, and the step: with it training goes on bit for bit.

        For checkpoints, beside the weights, from between two steps; each rank saves its own. Versioned, with a
        checksum. Local; BusyError with an operation in flight.
        """
        size = ctypes.c_size_t()
        session = self._session
        session._take()
        try:
            status = session._library.gossamer_compressor_state_size(self._handle, ctypes.addressof(size))
            state = ctypes.create_string_buffer(max(1, size.value))
            if status == 0:
                status = session._library.gossamer_compressor_save(self._handle, state, size.value)
            if status != 0:
                raise self._failure(status)
        finally:
            session._lock.release()
        return state.raw[: size.value]

    def load(self, *states: Any, allows_new: bool = False, timeout: Optional[float] = None) -> None:
        """Takes over what was saved. Collective.

        states: what save() gave, or arrays of it. With the same ranks and tensors, this rank's own; with other buckets,
        those of this rank from all compressors that held its tensors; with another number of ranks, those of all ranks.
        Tensors are found by name; allows_new: one that nobody saved begins with zeros. MalformedError: damaged.
        MismatchError: of another model, algorithm or a newer library, on every rank. The compressor is as it was then.
        """
        load = self._session._library.gossamer_compressor_load
        limit = nanoseconds(timeout, "timeout")
        try:
            views = [view_of(f"states[{i}]", state) for i, state in enumerate(states)]
        except (InvalidArgumentError, TypeError):
            self._load_nothing()
            raise
        given = (interface.CState * max(1, len(views)))(*[interface.CState(view.address, view.bytes) for view in views])
        self._blocking_load(load, given, views, allows_new, limit)

    def save_file(self, file: "Union[str, os.PathLike[str]]") -> None:
        """save(), to a file that afterwards is there whole or as it was. UnavailableError: it cannot be written."""
        where, session = path(file, "file"), self._session
        session._take()
        try:
            status = session._library.gossamer_compressor_save_file(self._handle, where)
            if status != 0:
                raise self._failure(status)
        finally:
            session._lock.release()

    def load_files(
        self, *paths: "Union[str, os.PathLike[str]]", allows_new: bool = False, timeout: Optional[float] = None
    ) -> None:
        """load() of what save_file wrote: the same rules. Collective."""
        load = self._session._library.gossamer_compressor_load_files
        limit = nanoseconds(timeout, "timeout")
        try:
            given = (ctypes.c_char_p * max(1, len(paths)))(*[path(p, f"paths[{i}]") for i, p in enumerate(paths)])
        except (InvalidArgumentError, TypeError):
            self._load_nothing()
            raise
        self._blocking_load(load, given, paths, allows_new, limit)

    def _load_nothing(self) -> None:
        """Wrongly, so that the other ranks fail at once."""
        load = self._session._library.gossamer_compressor_load
        self._session._tell_others(lambda _: load(self._handle, None, 1, 0, 0))

    def _blocking_load(self, load: Any, given: Any, listed: "Sequence[Any]", allows_new: bool, limit_ns: int) -> None:
        """`listed` is what `given` points at: it lives as long as the call, also where Ctrl-C came meanwhile."""

        def call(_: Optional[int]) -> int:
            if self._handle is None:
                raise self._failure(-1)
            status: int = load(self._handle, given, len(listed), int(allows_new), limit_ns)
            return status

        self._session._blocking(call)

    def stats(self) -> Stats:
        """What the last operation cost, and all of them together: times in ns, sizes in bytes; see Stats."""
        if self._handle is None:
            raise self._failure(-1)
        given = interface.CStats.initial()
        session = self._session
        session._take()
        try:
            session._check(session._library.gossamer_compressor_stats(self._handle, given))
        finally:
            session._lock.release()
        return Stats(*(getattr(given, field) for field in Stats._fields))

    def __repr__(self) -> str:
        state = ", closed" if self._handle is None else ""
        name = self.algorithm.name.lower().replace("_", "-")
        return f"<gossamer.Compressor {name} of {len(self.tensors)} tensors{state}>"


def _at_least_zero(name: str, value: float) -> float:
    if not value >= 0:
        raise InvalidArgumentError(f"{name} is {value!r}: expected a number from 0 on, or None for the algorithm's")
    return value
