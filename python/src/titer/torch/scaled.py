"""Losses that are multiplied so that small gradients survive in fp16, and what is refused of them.

A scaler multiplies the loss, divides the gradients again before the step, and leaves steps out where one of them overflowed. Then a pass may
belong to no step, and the hooks of an optimiser are not told.
"""

from __future__ import annotations

import sys
import types
import typing

import torch

from .._lab import InputError

REMEDY = (
    "so loss and gradients would be booked multiplied, and steps that it leaves out as part of later ones; train in bf16 or float32, which need "
    "no scaler"
)


def refuse_scaler(optimiser: typing.Any) -> None:
    """Fails on accelerate's optimiser with a scaler, which a Trainer with fp16 has."""
    scaler = getattr(optimiser, "scaler", None)
    if scaler is not None and scaler.is_enabled():
        raise InputError(f"the loss is scaled (fp16), {REMEDY} (bf16=True)")


def refuse_scaled_step() -> None:
    """Fails where the step that is being made is one of torch's scaler, which calls the optimiser itself."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is torch.amp.GradScaler.step.__code__ and frame.f_locals["self"].is_enabled():
            raise InputError(f"a step is made by torch.amp.GradScaler, {REMEDY}")
        frame = frame.f_back


def refuse_factor(factor: float) -> None:
    """Fails where the loss is so many times the sum of its tokens' nats that it is no mean of them: no divisor is less than one token."""
    if abs(factor) > 1.1:
        raise InputError(f"the loss is {abs(factor):.4g} times the sum of its tokens' nats, which no mean is: it is scaled (GradScaler?), {REMEDY}")
