"""Collectives over the caller's vectors, and graphs of who mixes with whom."""
import ctypes
from typing import Any, Optional, Union

from gossamer import _interface as interface
from gossamer._arrays import SIZES, View, check_type, type_name, view_of
from gossamer._calls import member, text
from gossamer._group import Group
from gossamer._interface import CollectiveKind, GraphKind, InvalidArgumentError, Op, Schedule, Type
from gossamer._memory import Block
from gossamer._plans import Operation, Plan
from gossamer._session import Session


class Graph:
    """Who mixes with whom in a neighbour reduction. `gossamer graph --kind all --ranks P` says what each is worth.

    kind: "one-peer", "ring", "torus", "hypercube", ... (GraphKind). degree: of "base" and "erdos-renyi", 0: the kind's.
    seed: of "erdos-renyi". shares, for "matrix": float64 of shape (P, P) or (period, P, P); row i is what rank i takes
    of whom, itself included; rows and columns sum to 1. path, instead of shares: a file as `gossamer graph --text`
    prints it.
    """

    def __init__(
        self,
        kind: "Union[GraphKind, int, str]" = "one-peer",
        *,
        degree: int = 0,
        seed: int = 0,
        shares: Any = None,
        path: Optional[str] = None,
    ) -> None:
        self.kind = member(GraphKind, kind, "kind")
        self.degree, self.seed, self.path = degree, seed, path
        self._shares: Optional[View] = None
        self.period = 0
        if shares is not None:
            view = self._shares = view_of("shares", shares)
            check_type("shares", view, Type.F64)
            shape = view.shape if len(view.shape) == 3 else (1, *view.shape)
            if len(shape) != 3 or shape[1] != shape[2]:
                raise InvalidArgumentError(f"shares has shape {view.shape}: expected (P, P) or (period, P, P)")
            self.period = shape[0]

    def _given(self, ranks: int) -> interface.CGraph:
        if self._shares is not None and self._shares.shape[-1] != ranks:
            raise InvalidArgumentError(
                f"shares has shape {self._shares.shape}, and {ranks} ranks take part: expected "
                f"({ranks}, {ranks}) or (period, {ranks}, {ranks})"
            )
        given = interface.CGraph.initial()
        given.kind, given.degree, given.seed, given.period = self.kind, self.degree, self.seed, self.period
        given.path = text(self.path, "path")
        given.shares = self._shares.address if self._shares is not None else None
        return given


class Collective(Plan):
    """A collective over vectors of yours: made once, started many times on the same memory.

    kind: a CollectiveKind, or its name ("all-reduce", "reduce-scatter", ...). output, input: contiguous host arrays, of
    one element type; without an input, in place. A vector has equally many elements on all ranks, any number, of any
    shape; a slice is a rank's part of it: slice(). The arrays stay alive while this does; between start() and the end
    of the operation the input must not change and the output not be read. type: for arrays of 2-byte integers that hold
    "bf16". op: of what reduces. root: a rank of the group. group: None for all ranks. graph: of "neighbor-reduce".
    schedule: a Schedule.

    Collective over the group, in the same order on all of its ranks; made on every one or on none: MismatchError names
    the field, both values and both ranks, also where one rank's call is wrong (InvalidArgumentError there). Blocks, at
    most the init timeout. Several may be in flight at once, one operation each, started in any order.
    """

    def __init__(
        self,
        session: "Session",
        kind: "Union[CollectiveKind, int, str]",
        output: Any = None,
        input: Any = None,
        *,
        op: "Union[Op, int, str]" = "sum",
        root: int = 0,
        group: "Optional[Group]" = None,
        graph: Optional[Graph] = None,
        schedule: "Union[Schedule, int, str]" = "auto",
        type: "Union[Type, int, str, None]" = None,
        name: Optional[str] = None,
    ) -> None:
        super().__init__(session, "gossamer_collective_start", "gossamer_collective_destroy")
        create = session._library.gossamer_collective_create
        self.output, self.input, self.group = output, input, group
        config = interface.CCollectiveConfig.initial()
        slot = ctypes.c_void_p()
        ranks = group.rank_count if group is not None else session.rank_count
        self._own_rank = group.ranks.index(session.rank) if group is not None else session.rank
        if group is not None and group._handle is None:
            raise session._closed_error(f"{group!r} is closed")
        config.group = group._handle if group is not None else None
        try:
            self.kind = member(CollectiveKind, kind, "kind")
            config.kind, config.op = self.kind, member(Op, op, "op")
            config.schedule, config.root, config.name = member(Schedule, schedule, "schedule"), root, text(name, "name")
            self._read_arrays(config, None if type is None else member(Type, type, "type"))
            if graph is not None:
                given_graph = graph._given(ranks)
                config.graph = ctypes.pointer(given_graph)
        except (InvalidArgumentError, TypeError):
            wrong = interface.CCollectiveConfig.initial()  # of no kind
            wrong.group = config.group
            session._tell_others(lambda handle: create(handle, wrong, ctypes.addressof(slot)))
            self._held = None
            raise
        try:
            session._blocking(lambda handle: create(handle, config, ctypes.addressof(slot)))
        except KeyboardInterrupt:
            session._kept.append(self._held)  # it may still be made
            raise
        self._made(slot.value)
        self._check_slices()

    def _read_arrays(self, config: interface.CCollectiveConfig, kind: Optional[Type]) -> None:
        self._views: "dict[str, View]" = {}
        held = []
        for name, array, is_written in (("output", self.output, True), ("input", self.input, False)):
            if array is None:
                continue
            view, keep = self._session._view(name, array, is_written)
            held.append(keep)
            own = view.type if kind is None else kind
            if own is None or (kind is not None and SIZES[kind] != view.itemsize):
                raise InvalidArgumentError(
                    f"{name} has elements of type {view.words!r}: expected "
                    + (", ".join(each.name.lower() for each in Type) if own is None else type_name(own))
                )
            if kind is None and self._views and config.type != own:
                raise InvalidArgumentError(
                    f"input has elements of type {type_name(own)} and output of "
                    f"{type_name(config.type)}: expected the same"
                )
            config.type = own
            setattr(config, name, view.address)
            self._views[name] = view
        self._held = held
        config.count = self._vector_count()

    def _vector_count(self) -> int:
        counts = {name: view.count for name, view in self._views.items()}
        if self.kind == CollectiveKind.BARRIER:
            if counts:
                raise InvalidArgumentError(f"{', '.join(counts)} given to a barrier, which has no vector")
            return 0
        if "output" not in counts and not (self.kind == CollectiveKind.REDUCE and "input" in counts):
            raise InvalidArgumentError("output is None: expected the array for the result")
        if self.kind == CollectiveKind.REDUCE_SCATTER:
            return counts.get("input", counts.get("output", 0))
        if self.kind == CollectiveKind.ALL_GATHER:
            return counts.get("output", 0)
        if len(set(counts.values())) > 1:
            raise InvalidArgumentError(
                f"input has {counts['input']} elements (shape {self._views['input'].shape}) and output "
                f"{counts['output']} (shape {self._views['output'].shape}): expected equally many"
            )
        return counts.get("output", counts.get("input", 0))

    def _check_slices(self) -> None:
        """The array that is a slice can be looked at only now: who has which is the library's to say."""
        part = {CollectiveKind.REDUCE_SCATTER: "output", CollectiveKind.ALL_GATHER: "input"}.get(self.kind)
        if part is None or len(self._views) < 2:
            return
        own = self.slice()
        view = self._views[part]
        if (
            view.count != own.stop - own.start
            and view.address != self._views["input" if part == "output" else "output"].address
        ):
            self.close()
            raise InvalidArgumentError(
                f"{part} has {view.count} elements (shape {view.shape}): expected this rank's slice of "
                f"{own.stop - own.start}"
            )

    def _give_back_arrays(self) -> bool:
        self._given_back = [
            (name, keep, getattr(self, name).dtype)
            for name, keep in zip(self._views, self._held or ())
            if isinstance(keep, Block)
        ]
        for name, _, _ in self._given_back:
            setattr(self, name, None)
        return bool(self._given_back)

    def _take_arrays_again(self) -> None:
        for name, block, kind in self._given_back:
            view = self._views[name]
            setattr(self, name, block.array(kind, view.shape, view.address - block.address))

    def slice(self, rank: Optional[int] = None) -> "slice":
        """Which elements of the vector are rank `rank`'s (None: the own) in reduce-scatter and all-gather. Local."""
        first, count = ctypes.c_uint64(), ctypes.c_uint64()
        session = self._session
        session._take()
        try:
            status = session._library.gossamer_collective_slice(
                self._handle, self._own_rank if rank is None else rank, ctypes.addressof(first), ctypes.addressof(count)
            )
            if status != 0:
                raise self._failure(status)
        finally:
            session._lock.release()
        return slice(first.value, first.value + count.value)

    def start(self) -> Operation:
        """Starts it on what is in the input now. Collective over the group; returns at once. Its wait() returns the
        output, of a reduce-scatter in place this rank's slice of it. BusyError where one is in flight. After an error
        of the operation the output is undefined."""
        return self._begin()

    def __call__(self, timeout: Optional[float] = None) -> Any:
        """start() and wait(timeout)."""
        return self._begin().wait(timeout)

    def _result(self) -> Any:
        if self.kind == CollectiveKind.REDUCE_SCATTER and self.input is None and hasattr(self.output, "reshape"):
            return self.output.reshape(-1)[self.slice()]
        return self.output

    def __repr__(self) -> str:
        state = ", closed" if self._handle is None else ""
        return f"<gossamer.Collective {self.kind.name.lower().replace('_', '-')}{state}>"
