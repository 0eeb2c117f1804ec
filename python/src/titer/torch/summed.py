"""Whether rows' gradients add up to the gradient that an optimiser gets."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping

import torch
from torch import Tensor

from .._lab import InputError
from .layout import Layout


@dataclasses.dataclass
class StepSum:
    """What is known of a step."""

    loss: float = 0.0
    """Of all its passes."""
    tokens: int = 0
    """That were trained."""
    clip: float = 1.0
    """What the sum of rows' gradients was multiplied with."""
    norm: float = 0.0
    """Of that sum, before."""

    def line(self, stage: str, step: int, lr: float) -> dict[str, typing.Any]:
        """Its line in the table of steps."""
        return {"stage": stage, "step": step, "loss": self.loss, "lr": lr, "gradient_norm": self.norm, "clip": self.clip, "tokens": self.tokens}


def summed(layout: Layout, sums: Mapping[str, Tensor], low: bool) -> tuple[float, float]:
    """What the sum of all rows' gradients (`[coordinates]` by source) was multiplied with before it reached the optimiser (clipping), and its
    norm. `low` says that passes were in bf16 or f16. Fails where the optimiser's gradient is another one."""
    whole = torch.stack(list(sums.values())).sum(0)
    given = layout.flat({name: p.grad for name, p in layout.parameters.items() if p.grad is not None})
    dot, square, length = (float(torch.dot(a.double(), b.double())) for a, b in ((given, whole), (whole, whole), (given, given)))
    if square == 0:
        raise InputError("the gradient of a step is zero; check labels and the learning rate's start")
    clip, length = dot / square, math.sqrt(length)
    off = given - clip * whole
    bound = (0.1 if low else 2e-3) * length
    if float(off.norm()) > bound:
        missed = {name: float(part.norm()) for name, part in layout.split(off).items()}
        worst = max(missed, key=lambda name: missed[name])
        raise InputError(
            f"{worst}: the rows' gradients do not add up to the step's (off by {missed[worst] / length:.1%} of it), so something moves it that is "
            "not a row's loss in this pass: an added loss, a gradient from several devices, or a layer that titer does not know"
        )
    return clip, math.sqrt(square)
