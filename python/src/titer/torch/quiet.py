"""Passes of titer's own through a model that is being trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

_depth = 0


def is_quiet() -> bool:
    """Whether the pass that is under way is titer's own, and no business of hooks."""
    return _depth > 0


@contextlib.contextmanager
def quiet(model: nn.Module) -> Iterator[None]:
    """Without dropout, without autocast, and with the gradients that are there left alone."""
    global _depth
    modes = [(module, module.training) for module in model.modules()]
    # accelerate puts a forward pass in front that opens autocast by itself.
    wrapped = vars(model).get("forward") if "_original_forward" in vars(model) else None
    device = next(model.parameters()).device.type
    _depth += 1
    try:
        model.eval()
        if wrapped is not None:
            vars(model)["forward"] = vars(model)["_original_forward"]
        with torch.enable_grad(), torch.autocast(device, enabled=False):
            yield
    finally:
        _depth -= 1
        if wrapped is not None:
            vars(model)["forward"] = wrapped
        for module, training in modes:
            module.training = training
