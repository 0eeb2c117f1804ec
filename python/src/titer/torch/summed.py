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


DIVERGED = (
    "lower the learning rate, look at the rows of this step, or train in bf16 or float32 where it is fp16 that overflows; a batch may be left "
    "out by zero_grad() in place of the step"
)
"""What to do where numbers are none."""


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
    rows: dict[str, int] = dataclasses.field(default_factory=dict)
    """How many there were of each source."""
    lines: list[dict[str, typing.Any]] = dataclasses.field(default_factory=list)
    """What its rows push, where that is recorded."""
    is_finite: bool = True
    """Whether the losses of all its passes are numbers."""

    def line(self, stage: str, step: int, lr: float) -> dict[str, typing.Any]:
        """Its line in the table of steps."""
        return {"stage": stage, "step": step, "loss": self.loss, "lr": lr, "gradient_norm": self.norm, "clip": self.clip, "tokens": self.tokens}


def summed(layout: Layout, sums: Mapping[str, Tensor], low: bool) -> tuple[float, float]:
    """What the sum of all rows' gradients (`[coordinates]` by source) was multiplied with before it reached the optimiser (clipping), and its
    norm. `low` says that passes were in bf16 or f16. Fails where the optimiser's gradient is another one."""
    if not sums:
        raise InputError("a step was made without a backward pass before it; call backward() before the step")
    whole = torch.stack(list(sums.values())).sum(0)
    given = layout.flat({name: p.grad for name, p in layout.parameters.items() if p.grad is not None})
    dot, square, length = (float(torch.dot(a.double(), b.double())) for a, b in ((given, whole), (whole, whole), (given, given)))
    if not math.isfinite(length) or not math.isfinite(square):
        odd = [name for name, p in layout.parameters.items() if p.grad is not None and not bool(p.grad.isfinite().all())]
        raise InputError(f"{odd[0] if odd else 'the rows'}: the gradient of a step is not finite (NaN or infinite); {DIVERGED}")
    if square == 0 or length == 0:
        raise InputError(
            "the gradient of a step is zero; check labels, the learning rate's start, and that zero_grad() does not come between backward() and "
            "the step"
        )
    clip, length = dot / square, math.sqrt(length)
    off = given - clip * whole
    bound = (0.1 if low else 2e-3) * length
    if not float(off.norm()) <= bound:
        missed = {name: float(part.norm()) for name, part in layout.split(off).items()}
        worst = max(missed, key=lambda name: missed[name])
        raise InputError(
            f"{worst}: the rows' gradients do not add up to the step's (off by {missed[worst] / length:.1%} of it), so something moves it that is "
            "not a row's loss in this pass: an added loss, a gradient from several devices, a layer that titer does not know, or a pass whose "
            "gradient was thrown away (zero_grad()) before the step"
        )
    return clip, math.sqrt(square)
