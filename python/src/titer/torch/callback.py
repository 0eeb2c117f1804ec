"""The same for transformers' Trainer and TRL's SFTTrainer."""

from __future__ import annotations

import os
import typing

from transformers import TrainerCallback

from .._lab import InputError
from ..rows import Rows
from ..sweep import Sweep
from .meter import Pressure


class PressureCallback(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Pressures and the ledger of a Trainer's run, see `Pressure`; `callback.pressure` has the tables, `callback.sweep` what was written.

    On one device: FSDP, DeepSpeed and several processes are refused, since no process sees whole rows and whole gradients there.
    """

    def __init__(
        self,
        probes: Rows,
        *,
        rows: Rows | None = None,
        every: int = 50,
        out: str | os.PathLike[str] | None = None,
        title: str = "Trained elsewhere",
        question: str = "",
        claims: typing.Sequence[typing.Mapping[str, typing.Any]] = (),
    ) -> None:
        self._given: dict[str, typing.Any] = {
            "probes": probes, "rows": rows, "every": every, "out": out, "title": title, "question": question, "claims": claims
        }
        self.pressure: Pressure | None = None

    @property
    def sweep(self) -> Sweep:
        """What was written, once training has ended."""
        if self.pressure is None:
            raise InputError("nothing has been trained yet")
        return self.pressure.sweep

    def on_train_begin(
        self, args: typing.Any, state: typing.Any, control: typing.Any, model: typing.Any = None, optimizer: typing.Any = None,
        processing_class: typing.Any = None, **_: typing.Any,
    ) -> None:
        """Hooks the model and the optimiser."""
        self.remove()
        kind = str(getattr(args, "distributed_state", None) and args.distributed_state.distributed_type.value or "NO")
        if kind != "NO" or getattr(args, "n_gpu", 1) > 1:
            kind = "several GPUs by DataParallel" if kind == "NO" else kind
            raise InputError(f"the trainer uses {kind}: no process sees whole rows and whole gradients there; train on one device")
        if optimizer is None or processing_class is None:
            raise InputError("the trainer has no optimiser or no tokenizer (processing_class); give it both")
        tokenizer = getattr(processing_class, "tokenizer", processing_class)
        self.pressure = Pressure(model, tokenizer, optimizer, seed=int(args.seed), **self._given)

    def on_train_end(self, args: typing.Any, state: typing.Any, control: typing.Any, **_: typing.Any) -> None:
        """Takes the last measurement and writes the folder."""
        if self.pressure is not None:
            self.pressure.finish()

    def remove(self) -> None:
        """Takes all hooks away; needed by hand only where training failed for another reason than titer's."""
        if self.pressure is not None:
            self.pressure.remove()
