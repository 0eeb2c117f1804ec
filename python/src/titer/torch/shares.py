"""Whose step was it? An optimiser's steps, split exactly among groups of rows.

Given Adam's second moment a step is linear in all gradients so far. With a first moment of its own, each group's share is
`−lr · m_group / (√v̂ + eps)`, and the shares of all groups and of weight decay add up to what the parameters moved; with weights in bf16 or f16,
together with what was rounded away.
"""

from __future__ import annotations

import typing

import torch
from torch import Tensor

from .._lab import InputError
from .layout import Group, Layout

DECAY = "weight decay"
GUARDS = "guards"
"""The source of what guards did after steps."""
BEFORE = "before"
"""The source of what was in the optimiser's state before."""
ROUNDING = "rounding"
"""The source of what steps of weights in bf16 or f16 leave out, since such a weight has no room for a small change."""


class Shares:
    """The running shares of sources, booked from a torch optimiser's own state; all are vectors of `[coordinates]`."""

    def __init__(self, optimiser: torch.optim.Optimizer, layout: Layout) -> None:
        self.optimiser, self.layout, self.kind = optimiser, layout, kind(optimiser)
        self._first: dict[str, Tensor] = {}
        self._moved: dict[str, Tensor] = {}
        self._low = [name for name, p in layout.parameters.items() if p.dtype.itemsize < 4]
        self._before: dict[str, Tensor] = {}
        kept = "exp_avg" if self.kind == "adam" else "momentum_buffer"
        before = {name: self._state(name).get(kept) for name in layout.parameters}
        flat = layout.flat({name: value for name, value in before.items() if value is not None})
        if bool(flat.any()):
            self._first[BEFORE] = flat

    def _state(self, name: str) -> dict[str, typing.Any]:
        return typing.cast("dict[str, typing.Any]", self.optimiser.state.get(self.layout.parameters[name], {}))

    def look(self) -> None:
        """Before a step: keeps weights that are rounded in it."""
        self._before = {name: self.layout.parameters[name].detach().clone() for name in self._low}

    @torch.no_grad()
    def book(self, sums: dict[str, Tensor], clip: float) -> None:
        """After a step: `sums` are the gradients of each source that made it, `clip` what they were multiplied with."""
        for source, gradient in sums.items():
            self._first.setdefault(source, torch.zeros_like(gradient))
        moves = {source: torch.empty_like(first) for source, first in self._first.items()}
        for group, names, place in self.layout.groups:
            spread, size, keep, take = self._rule(group, names)
            for source, first in self._first.items():
                moment = first[place].mul_(keep)
                if source in sums:
                    moment.add_(sums[source][place], alpha=take * clip)
                moves[source][place] = moment * -size if spread is None else moment / spread * -size
        total = torch.stack(list(moves.values())).sum(0)
        for source, move in moves.items():
            self._move(source, move)
        total += self._decay(total)
        if self._before:
            self._round(total)

    def _rule(self, group: Group, names: list[str]) -> tuple[Tensor | None, Tensor | float, float, float]:
        """A step is `−size · m / spread`, with `m ← keep · m + take · g`."""
        if self.kind == "sgd":
            return None, float(group["lr"]), float(group["momentum"]), 1.0
        beta1, beta2 = group["betas"]
        # A parameter that never had a gradient has no state, and does not move.
        states = {name: self._state(name) for name in names}
        second = self.layout.flat({name: state["exp_avg_sq"] for name, state in states.items() if state}, names)
        steps = [torch.as_tensor(state["step"] if state else 1.0, dtype=torch.float64, device="cpu") for state in states.values()]
        counts = torch.tensor([self.layout.parameters[name].numel() for name in names])
        step = torch.stack(steps)
        step = step[0] if bool((step == step[0]).all()) else step.repeat_interleave(counts).to(second.device)
        size = float(group["lr"]) / (1 - beta1**step)
        spread = second.sqrt() / (1 - beta2**step).sqrt().float() + group["eps"]
        return spread, size.float(), beta1, 1 - beta1

    def _decay(self, total: Tensor) -> Tensor:
        """Books weight decay, and gives it: `θ⁺ = (1 − lr · decay) θ + shares`."""
        decay = torch.zeros_like(total)
        for group, names, place in self.layout.groups:
            rate = float(group["lr"]) * float(group.get("weight_decay", 0.0))
            if rate:
                after = self.layout.flat(self.layout.parameters, names)
                decay[place] = (after - total[place]) * (-rate / (1 - rate))
                for name in names:
                    if name in self._before:
                        decay[self.layout.places[name]] = self._before[name].reshape(-1).float() * -rate
        if bool(decay.any()):
            self._move(DECAY, decay)
        return decay

    def _round(self, total: Tensor) -> None:
        """Books what weights that are rounded moved otherwise than by `total`."""
        rest = torch.zeros_like(total)
        for name, before in self._before.items():
            place = self.layout.places[name]
            rest[place] = (self.layout.parameters[name].detach().float() - before.float()).reshape(-1) - total[place]
        self._before = {}
        self._move(ROUNDING, rest)

    def _move(self, source: str, move: Tensor) -> None:
        self._moved[source] = self._moved[source] + move if source in self._moved else move

    def move(self, source: str, moves: dict[str, Tensor]) -> None:
        """Something else has moved the parameters."""
        self._move(source, self.layout.flat(moves))

    def take(self) -> dict[str, dict[str, Tensor]]:
        """How each source moved each parameter since this was last asked."""
        moved, self._moved = self._moved, {}
        return {source: self.layout.split(flat) for source, flat in moved.items()}


def kind(optimiser: torch.optim.Optimizer) -> str:
    """`adam` or `sgd`; fails on optimisers whose steps cannot be split."""
    name = type(optimiser).__name__
    settings: list[dict[str, typing.Any]] = list(optimiser.param_groups)
    odd = [key for group in settings for key in ("amsgrad", "maximize", "nesterov") if group.get(key)]
    if odd:
        raise InputError(f"the ledger does not know {name} with `{odd[0]}`; leave it out")
    if isinstance(optimiser, torch.optim.AdamW):
        return "adam"
    if isinstance(optimiser, (torch.optim.Adam, torch.optim.SGD)):
        if any(group.get("weight_decay") or group.get("dampening") for group in settings):
            raise InputError(f"the ledger does not know {name} with weight decay or dampening; use AdamW, or set them to 0")
        return "adam" if isinstance(optimiser, torch.optim.Adam) else "sgd"
    raise InputError(f"the ledger splits steps of AdamW, Adam and SGD, and the optimiser is {name}; use one of these (optim=\"adamw_torch\")")
