"""titer's pressures and ledger inside other people's training loops, from hooks in their own forward and backward passes.

    trainer = SFTTrainer(..., callbacks=[titer.torch.PressureCallback(probes, rows=rows, every=50, out="runs/sft")])

for transformers' Trainer, TRL's SFTTrainer and PEFT models, and `Pressure` for a loop of one's own. Needs torch, and the callback transformers.
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

from .meter import Pressure

if typing.TYPE_CHECKING:
    from .callback import PressureCallback

__all__ = ["Pressure", "PressureCallback"]


def __getattr__(name: str) -> typing.Any:
    # Only the callback needs transformers.
    if name == "PressureCallback":
        from .callback import PressureCallback

        return PressureCallback
    raise AttributeError(f"module `titer.torch` has no attribute `{name}`")
