"""An optimiser among ranks, for programs without DistributedDataParallel: gradients in, parameters out."""
from typing import Any, Callable, Iterable, Optional, Union

import torch
import torch.distributed as distributed

from gossamer._calls import member
from gossamer._collective import Collective, Graph
from gossamer._interface import Algorithm, InvalidArgumentError
from gossamer._session import Session
from gossamer.torch import _groups


class DistributedOptimizer(torch.optim.Optimizer):
    """An optimiser of PyTorch whose step() exchanges with the other ranks, in one of three ways:

                                step()
        local_steps=1           exchanges gradients as the hook does, and steps with the mean
        local_steps=H           steps alone; each H-th time the ranks' parameters become what they were after the last
                                exchange plus the mean of what each has changed since, as `algorithm` recovers it
        graph=gossamer.Graph()  steps alone; each (or H-th) time its parameters move toward those of its neighbours
                                in the graph: gossip. Ranks differ, their mean is what plain averaging would keep

    optimizer: made of the same parameters. named_parameters: model.named_parameters(). session: None: of the process
    group where torch.distributed is initialised, else Session(); it is then closed with this. algorithm ("gs-sgd"),
    exact_numel, group_bytes, timeout, `options`: as of State; with a graph there are none, since parameters travel
    whole.

    Collective: all ranks begin with rank 0's parameters. Buffers (BatchNorm's) stay each rank's own. On the host, with
    dense gradients; a parameter without one counts as zeros. param_groups, state, schedulers, zero_grad and closures
    work as with the optimiser itself; with local_steps=1 a closure is called once. After an error of step() parameters
    are as they were, and gradients undefined. Momentum and other state of the optimiser stay local. A context manager.

    Local steps with what is sent compressed: Basu et al. 2019, arXiv 1906.02367. Gossip: docs/gossip.md.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        named_parameters: "Iterable[tuple[str, torch.nn.Parameter]]",
        session: Optional[Session] = None,
        *,
        algorithm: "Union[Algorithm, int, str, None]" = None,
        local_steps: int = 1,
        graph: Optional[Graph] = None,
        exact_numel: int = 1024,
        group_bytes: int = 8 << 20,
        timeout: float = _groups.TIMEOUT_S,
        **options: Any,
    ) -> None:
        # As PostLocalSGDOptimizer, an Optimizer by its interface alone: what it has is the inner one's.
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise InvalidArgumentError(f"the optimizer is a {type(optimizer).__name__}: expected one of torch.optim")
        if local_steps < 1:
            raise InvalidArgumentError(f"local_steps is {local_steps}: expected a number from 1 on")
        if graph is not None and (algorithm is not None or options):
            raise InvalidArgumentError(
                "a graph and an algorithm or its options: expected one of both, gossip sends all"
            )
        self.optim = optimizer
        self.algorithm = member(Algorithm, "gs-sgd" if algorithm is None else algorithm, "algorithm")
        self.local_steps, self.timeout = local_steps, timeout
        named = [(name, parameter) for name, parameter in named_parameters if parameter.requires_grad]
        _groups.check_parameters(named)
        self._known = {id(parameter): name for name, parameter in named}
        self._check_same_parameters()
        self._groups = _groups.make_groups(named[::-1], exact_numel, group_bytes)
        self._since = 0  # steps, since the last exchange
        self._anchor: "list[list[torch.Tensor]]" = []  # of each group: parameters after the last exchange
        self._mixers: "list[Collective]" = []
        self._means: "list[Collective]" = []
        self._owns_session = session is None
        if session is None:
            is_there = distributed.is_available() and distributed.is_initialized()
            session = _groups.join() if is_there else Session()
        self.session = session
        try:
            self._make_plans(graph, options)
            self._begin_together()
        except BaseException:
            if self._owns_session:
                session.close()
            raise

    def _make_plans(self, graph: Optional[Graph], options: "dict[str, Any]") -> None:
        name = _groups.name_of(self.session, "optimizer")
        for group in self._groups:
            if graph is None:
                group.make(self.session, self.algorithm, name, options)
                continue
            group.name = f"{name} group {group.number}"
            group.staged = torch.zeros(sum(tensor.count for tensor in group.tensors), dtype=group.dtype)
            self._mixers.append(Collective(self.session, "neighbor-reduce", group.staged, graph=graph, name=group.name))

    def _begin_together(self) -> None:
        for group in self._groups:
            flat = torch.cat([parameter.detach().reshape(-1) for parameter in group.parameters])
            self.session.broadcast(flat)
            _spread(flat, group)
        self._drop_anchor()

    def _drop_anchor(self) -> None:
        """Of here: where all ranks are equal."""
        self._since = 0
        if self.local_steps > 1 and not self._mixers:
            self._anchor = [
                [parameter.detach().to(group.work_dtype, copy=True).contiguous() for parameter in group.parameters]
                for group in self._groups
            ]

    def _check_same_parameters(self) -> None:
        theirs = {id(each): each for of in self.optim.param_groups for each in of["params"] if each.requires_grad}
        if new := [each for number, each in theirs.items() if number not in self._known]:
            raise InvalidArgumentError(
                f"the optimizer has a parameter of shape {tuple(new[0].shape)}, which named_parameters had not: make a new "
                "DistributedOptimizer after the model's parameters have changed"
            )
        every = {id(each) for of in self.optim.param_groups for each in of["params"]}
        if gone := [name for number, name in self._known.items() if number not in every]:
            raise InvalidArgumentError(f"named_parameters has {gone[0]}, which the optimizer does not have")

    # ---- a step ----

    def step(self, closure: "Optional[Callable[[], Any]]" = None) -> Any:  # type: ignore[override]
        self._check_same_parameters()
        loss = None
        if self.local_steps == 1 and not self._mixers:
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            self._exchange_gradients()
            self.optim.step()
            return loss
        loss = self.optim.step() if closure is None else self.optim.step(closure)
        self._since += 1
        if self._since >= self.local_steps:
            self._since = 0
            with torch.no_grad():
                if self._mixers:
                    self._run_on_parameters(self._mixers)
                else:
                    self._exchange_differences()
        return loss

    def _exchange_gradients(self) -> None:
        started = []
        with torch.no_grad():
            given = [[self._gradient_of(each, group) for each in group.parameters] for group in self._groups]
            for group, gradients in zip(self._groups, given):
                started.append((group, group.start(gradients), gradients))
            _groups.finish_all(started, self.timeout)
            for group, gradients in zip(self._groups, given):
                for parameter, gradient in zip(group.parameters, gradients):
                    if parameter.grad is None:
                        parameter.grad = gradient.to(parameter.dtype)
                    elif parameter.grad is not gradient:
                        parameter.grad.copy_(gradient)

    def _gradient_of(self, parameter: torch.nn.Parameter, group: _groups.Group) -> torch.Tensor:
        gradient = parameter.grad
        if gradient is None:
            return torch.zeros(parameter.shape, dtype=group.work_dtype)
        name = self._known[id(parameter)]
        if gradient.is_sparse:
            raise InvalidArgumentError(
                f"the gradient of {name} is sparse: expected a dense one; make its Embedding with sparse=False"
            )
        if gradient.device.type != "cpu":
            raise InvalidArgumentError(f"the gradient of {name} is on {gradient.device}: expected host memory")
        if gradient.dtype == group.work_dtype and gradient.is_contiguous():
            return gradient
        return gradient.to(group.work_dtype).contiguous()

    def _exchange_differences(self) -> None:
        started = []
        for group, anchors in zip(self._groups, self._anchor):
            changes = [
                anchor - parameter.detach().to(group.work_dtype) for anchor, parameter in zip(anchors, group.parameters)
            ]
            started.append((group, group.start(changes), changes))
        _groups.finish_all(started, self.timeout)
        for (group, _, changes), anchors in zip(started, self._anchor):
            for parameter, anchor, change in zip(group.parameters, anchors, changes):
                anchor -= change
                parameter.copy_(anchor)

    def _run_on_parameters(self, plans: "list[Collective]") -> None:
        operations = []
        for plan, group in zip(plans, self._groups):
            torch.cat([parameter.detach().reshape(-1) for parameter in group.parameters], out=plan.output)
            operations.append(plan.start())
        for operation, plan, group in zip(operations, plans, self._groups):
            operation.wait(self.timeout)
            _spread(plan.output, group)

    def average(self) -> None:
        """Every rank's parameters become the mean of all: before an evaluation, at the end, or between gossip and a
        checkpoint. Collective."""
        if not self._means:
            for group in self._groups:
                flat = torch.zeros(sum(tensor.count for tensor in group.tensors), dtype=group.dtype)
                self._means.append(
                    Collective(self.session, "all-reduce", flat, op="mean", name=f"{group.name} average")
                )
        with torch.no_grad():
            self._run_on_parameters(self._means)
        self._drop_anchor()

    # ---- what an optimiser has ----

    @property
    def param_groups(self) -> "list[dict[str, Any]]":  # type: ignore[override]
        return self.optim.param_groups

    @property
    def state(self) -> Any:  # type: ignore[override]
        return self.optim.state

    @property
    def defaults(self) -> "dict[str, Any]":  # type: ignore[override]
        return self.optim.defaults

    def __getattr__(self, name: str) -> Any:
        if name == "optim":
            raise AttributeError(name)
        return getattr(self.optim, name)

    def zero_grad(self, *arguments: Any, **options: Any) -> None:
        self.optim.zero_grad(*arguments, **options)

    def add_param_group(self, param_group: "dict[str, Any]") -> None:
        """Of parameters that named_parameters had; others are an InvalidArgumentError of the next step()."""
        self.optim.add_param_group(param_group)

    def __repr__(self) -> str:
        return f"<gossamer.torch.DistributedOptimizer of {self.optim!r}>"

    def stats(self) -> "dict[str, int]":
        """As of State; operations are exchanges."""
        return _groups.stats_of(self.session, self._groups)

    def state_dict(self) -> "dict[str, Any]":
        """Of the optimiser and of the exchange: what this rank holds back, and where it is between two exchanges. From
        every rank, beside the rank's model.state_dict()."""
        return {
            "optimizer": self.optim.state_dict(),
            "exchange": _groups.save(self.session, self.algorithm, self._groups),
            "since": self._since,
            "anchor": self._anchor if self._since > 0 else [],
        }

    def load_state_dict(self, *states: "dict[str, Any]") -> None:  # type: ignore[override]
        """Takes over what state_dict() gave, after the model's: of this rank, or where the number of ranks has changed,
        of all saved ranks. Collective."""
        exchanges = [state.get("exchange", {}) for state in states]
        _groups.load(self.session, self.algorithm, self._groups, exchanges)
        own = next((each for each in states if each["exchange"]["rank"] == self.session.rank), states[0])
        if own["since"] > 0 and self._anchor and own["exchange"]["rank_count"] != self.session.rank_count:
            raise InvalidArgumentError(
                f"the state is of {own['since']} steps after an exchange: expected one of right after it, since the number of "
                "ranks has changed; average() before state_dict()"
            )
        self.optim.load_state_dict(own["optimizer"])
        self._drop_anchor()
        self._since = own["since"]
        for mine, saved in zip(self._anchor, own["anchor"]):
            for anchor, value in zip(mine, saved):
                anchor.copy_(value)

    def close(self) -> None:
        """Frees what was made for the exchange, and ends the session where this has made it. May be called twice."""
        if self._owns_session:
            self.session.close()
        elif not self.session.is_closed:
            for plan in (*self._mixers, *self._means):
                plan.close()
            for group in self._groups:
                group.close()

    def __enter__(self) -> "DistributedOptimizer":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _spread(flat: torch.Tensor, group: _groups.Group) -> None:
    with torch.no_grad():
        for parameter, part in zip(group.parameters, flat.split([tensor.count for tensor in group.tensors])):
            parameter.copy_(part.view(parameter.shape))
