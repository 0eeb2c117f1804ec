"""titer's pressures and ledger inside other people's training loops, from hooks in their own forward and backward passes.

    trainer = SFTTrainer(..., callbacks=[titer.torch.PressureCallback(probes, rows=rows, every=50, out="runs/sft")])

for transformers' Trainer, TRL's SFTTrainer and PEFT models, and `Pressure` for a loop of one's own; and titer's guards `steer`, `anchor` and
`narrow` there. Needs torch, and callbacks transformers.
"""

from __future__ import annotations

import typing

from .._lab import InputError

try:
    import torch
except ImportError as error:
    raise ImportError("titer.torch needs torch: pip install torch") from error

if tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2]) < (2, 4):
    raise InputError(f"titer.torch needs torch 2.4 or later, and this is {torch.__version__}: pip install --upgrade torch")

from .pressure import Pressure
from .steer import Steer

if typing.TYPE_CHECKING:
    from .callback import AnchorCallback, NarrowCallback, PressureCallback, SteerCallback

CALLBACKS = ("AnchorCallback", "NarrowCallback", "PressureCallback", "SteerCallback")

__all__ = ["AnchorCallback", "NarrowCallback", "Pressure", "PressureCallback", "Steer", "SteerCallback"]


def __getattr__(name: str) -> typing.Any:
    # Only callbacks need transformers.
    if name in CALLBACKS:
        from . import callback

        return getattr(callback, name)
    raise AttributeError(f"module `titer.torch` has no attribute `{name}`")
