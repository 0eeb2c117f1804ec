"""The ledger: what every source of steps should have done to the components between two measurements, beside what was measured."""

from __future__ import annotations

import dataclasses
import math
import typing

import torch
from torch import Tensor, nn

from .._lab import InputError
from .margins import COMPONENTS, Margins
from .shares import DECAY
from .summed import DIVERGED

Moved = dict[str, dict[str, Tensor]]
"""How each source moved each parameter."""


@dataclasses.dataclass
class Moment:
    """The components at one moment."""

    step: int
    directions: dict[str, Tensor]
    """`∇f_k` by parameter, `[3, *shape]`, float32"""
    differentiated: list[float]
    """`f_k` on the contrasts that were differentiated, nats"""
    measured: list[float]
    """`f_k` on the others, nats"""
    gram: Tensor
    """`C Cᵀ`, `[3, 3]`, float64"""


def moment(margins: Margins, parameters: dict[str, nn.Parameter], stage: str, step: int) -> tuple[Moment, list[dict[str, typing.Any]]]:
    """The components as they are now, and a line for each contrast that was measured."""
    directions, differentiated = margins.gradients(parameters)
    lines, measured = margins.records(stage, step)
    if not all(math.isfinite(value) for value in [*differentiated, *measured]):
        raise InputError(f"the model's log-probabilities are not finite after {step} steps, so its components cannot be measured: training has diverged; {DIVERGED}")
    flat = [direction.flatten(1).double() for direction in directions.values()]
    gram = typing.cast(Tensor, sum(direction @ direction.T for direction in flat)).cpu()
    return Moment(step, directions, differentiated, measured, gram), lines


def lines(stage: str, start: Moment, end: Moment, moved: Moved, rows: dict[str, int]) -> list[dict[str, typing.Any]]:
    """A line for each source and component: `⟨∇f_k, d⟩` with the gradient at the start (predicted) and with the mean of both ends
    (accounted), and the change of `f_k` (measured), all in nats. `rows` are those of each source."""
    booked: list[dict[str, typing.Any]] = []
    for source in dict.fromkeys([*rows, *moved, DECAY]):
        effects = [effect(end_of.directions, moved.get(source, {})) for end_of in (start, end)]
        for k, component in enumerate(COMPONENTS):
            booked.append({
                "stage": stage,
                "from": start.step,
                "to": end.step,
                "component": component,
                "source": source,
                "rows": rows.get(source, 0),
                "predicted": effects[0][k],
                "accounted": (effects[0][k] + effects[1][k]) / 2,
                "measured": end.measured[k] - start.measured[k],
                "measured_own": end.differentiated[k] - start.differentiated[k],
            })
    return booked


def effect(directions: dict[str, Tensor], moves: dict[str, Tensor]) -> list[float]:
    """What a move does to each component to first order, nats."""
    total = torch.zeros(len(COMPONENTS), dtype=torch.float64)
    for name, move in moves.items():
        total += (directions[name] * move).flatten(1).sum(1, dtype=torch.float64).cpu()
    return total.tolist()
