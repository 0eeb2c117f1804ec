"""Ways of training on several devices, where no process sees whole rows and whole gradients."""

from __future__ import annotations

import os
import typing

from torch import nn

from .._lab import InputError

WRAPPERS = {
    "FullyShardedDataParallel": "FSDP",
    "FSDPModule": "FSDP",
    "DeepSpeedEngine": "DeepSpeed",
    "DataParallel": "several GPUs by DataParallel",
    "DistributedDataParallel": "several processes by DistributedDataParallel",
}
"""Classes of models that are cut up, with what people call it."""


def refuse_trainer(args: typing.Any) -> None:
    """Fails where a Trainer's arguments, or accelerate's environment, ask for several devices."""
    asked = {
        "DeepSpeed": getattr(args, "deepspeed", None) or os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true",
        "FSDP": getattr(args, "fsdp", None) or os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true",
        "several GPUs by DataParallel": getattr(args, "n_gpu", 1) > 1,
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise refused(name)
    state = getattr(args, "distributed_state", None)
    kind = str(state.distributed_type.value) if state is not None else "NO"
    if kind not in ("NO", "XPU", "MPS"):
        raise refused(kind.replace("_", " "))


def refuse_wrapped(model: nn.Module) -> None:
    """Fails on a model that is cut up among devices."""
    for module in model.modules():
        for kind in type(module).__mro__:
            if kind.__name__ in WRAPPERS:
                raise refused(WRAPPERS[kind.__name__])


def refused(name: str) -> InputError:
    """The error for a way of training."""
    return InputError(f"the model is trained with {name}: no process sees whole rows and whole gradients there; train on one device, without it")
