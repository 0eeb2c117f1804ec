"""Whose step was it? An optimiser's steps, split exactly among groups of rows.

Given Adam's second moment a step is linear in all gradients so far. With a first moment of its own, each group's share is
`−lr · m_group / (√v̂ + eps)`, and the shares of all groups and of weight decay add up to what the parameters moved.
"""

from __future__ import annotations

import math
import typing

import torch
from torch import Tensor, nn

from .._lab import InputError

DECAY = "weight decay"
BEFORE = "before"
"""The source of what was in the optimiser's state before."""


class Shares:
    """The running shares of groups, booked from a torch optimiser's own state."""

    def __init__(self, optimiser: torch.optim.Optimizer, parameters: dict[str, nn.Parameter]) -> None:
        self.optimiser, self.parameters = optimiser, parameters
        self.kind = kind(optimiser)
        groups = {id(p): group for group in optimiser.param_groups for p in group["params"]}
        missing = [name for name, p in parameters.items() if id(p) not in groups]
        if missing:
            raise InputError(f"{missing[0]}: requires a gradient, but the optimiser does not have it; give it all trained parameters")
        self.group_of = {name: groups[id(p)] for name, p in parameters.items()}
        self.first: dict[str, dict[str, Tensor]] = {}
        self.moved: dict[str, dict[str, Tensor]] = {}
        for name, p in parameters.items():
            state = optimiser.state.get(p, {})
            kept = state.get("exp_avg" if self.kind == "adam" else "momentum_buffer")
            if kept is not None and bool(kept.abs().sum() > 0):
                self.first.setdefault(BEFORE, {})[name] = kept.detach().float().clone()

    @torch.no_grad()
    def book(self, sums: dict[str, dict[str, Tensor]], clip: float) -> None:
        """After a step: `sums` are the gradients of each source that made it, `clip` what they were multiplied with."""
        for source in sums:
            self.first.setdefault(source, {})
        for name, p in self.parameters.items():
            group, state = self.group_of[name], self.optimiser.state[p]
            lr, decay = float(group["lr"]), float(group.get("weight_decay", 0.0))
            if self.kind == "adam":
                beta1, beta2 = group["betas"]
                step = float(state["step"])
                spread = state["exp_avg_sq"].float().sqrt() / math.sqrt(1 - beta2**step) + group["eps"]
                size, keep, take = lr / (1 - beta1**step), beta1, 1 - beta1
            else:
                spread, size, keep, take = None, lr, group["momentum"], 1.0
            total = torch.zeros_like(p, dtype=torch.float32)
            for source, first in self.first.items():
                moment = first.get(name)
                moment = torch.zeros_like(total) if moment is None else moment.mul_(keep)
                gradient = sums.get(source, {}).get(name)
                if gradient is not None:
                    moment.add_(gradient, alpha=take * clip)
                first[name] = moment
                move = moment * -size if spread is None else moment / spread * -size
                self._move(source, name, move)
                total += move
            if decay:
                # θ⁺ = (1 − lr · decay) θ + shares
                before = (p.float() - total) / (1 - lr * decay)
                self._move(DECAY, name, before * (-lr * decay))

    def _move(self, source: str, name: str, move: Tensor) -> None:
        moved = self.moved.setdefault(source, {})
        moved[name] = moved[name] + move if name in moved else move

    def take(self) -> dict[str, dict[str, Tensor]]:
        """How each source moved the parameters since this was last asked."""
        moved, self.moved = self.moved, {}
        return moved


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
