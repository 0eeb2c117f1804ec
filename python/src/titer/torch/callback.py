"""The same for transformers' Trainer and TRL's SFTTrainer."""

from __future__ import annotations

import os
import typing

from transformers import TrainerCallback

from .._lab import InputError
from ..rows import Rows
from ..sweep import Sweep
from .devices import refuse_trainer
from .encoded import encoded_rows
from .feed import Anchored, Change, Narrowed, feed
from .hooked import Hooked
from .pressure import Pressure
from .steer import WANTED, Steer, Target, course


Me = typing.TypeVar("Me", bound="Callback")


class Callback(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """What hooks into a Trainer's run when training begins, and is gone when it ends.

    On one device: FSDP, DeepSpeed and several processes are refused, since no process sees whole rows and whole gradients there.
    `remove()`, or `with callback:` around `trainer.train()`, takes hooks away where training failed for another reason than titer's.
    """

    hooked: Hooked | None = None

    def hook(self, trainer: dict[str, typing.Any], args: typing.Any, state: typing.Any) -> None:
        """Puts hooks on what the trainer has: `model`, `optimizer`, `processing_class`, `train_dataloader`."""
        raise NotImplementedError

    def on_train_begin(self, args: typing.Any, state: typing.Any, control: typing.Any, **trainer: typing.Any) -> None:
        """Hooks the trainer."""
        self.remove()
        refuse_trainer(args)
        if trainer.get("optimizer") is None or trainer.get("processing_class") is None:
            raise InputError("the trainer has no optimiser or no tokenizer (processing_class); give it both")
        # Of a multimodal processor, the part that reads text.
        tokenizer = trainer["processing_class"]
        self.hook(trainer | {"tokenizer": getattr(tokenizer, "tokenizer", tokenizer)}, args, state)

    def on_train_end(self, args: typing.Any, state: typing.Any, control: typing.Any, **_: typing.Any) -> None:
        """Takes the hooks away."""
        self.remove()

    def remove(self) -> None:
        """Takes all hooks away."""
        if self.hooked is not None:
            self.hooked.remove()

    def __enter__(self: Me) -> Me:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class PressureCallback(Callback):
    """Pressures and the ledger of a Trainer's run, see `Pressure`; `callback.pressure` has the tables, `callback.sweep` what was written."""

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

    @property
    def pressure(self) -> Pressure:
        """The pressures of the run, once training has begun."""
        if not isinstance(self.hooked, Pressure):
            raise InputError("nothing has been trained yet")
        return self.hooked

    @property
    def sweep(self) -> Sweep:
        """What was written, once training has ended."""
        return self.pressure.sweep

    def hook(self, trainer: dict[str, typing.Any], args: typing.Any, state: typing.Any) -> None:
        """Hooks the model and the optimiser."""
        given = {"seed": int(args.seed), "steps_before": int(state.global_step), **self._given}
        self.hooked = Pressure(trainer["model"], trainer["tokenizer"], trainer["optimizer"], **given)

    # At the end of training the weights may be those of another step (load_best_model_at_end): the last measurement is taken where the last
    # step is known to be behind, and that is known at several places.

    def on_step_end(self, args: typing.Any, state: typing.Any, control: typing.Any, **_: typing.Any) -> None:
        """Takes the last measurement behind the last step."""
        self._measure_last(control.should_training_stop or state.global_step >= state.max_steps)

    def on_evaluate(self, args: typing.Any, state: typing.Any, control: typing.Any, **_: typing.Any) -> None:
        """The same where an evaluation ends training."""
        self._measure_last(control.should_training_stop)

    on_save = on_evaluate

    def on_epoch_end(self, args: typing.Any, state: typing.Any, control: typing.Any, **_: typing.Any) -> None:
        """The same; where other weights are loaded in the end, any epoch may turn out to be the last."""
        self._measure_last(control.should_training_stop or args.load_best_model_at_end)

    def _measure_last(self, is_last: bool) -> None:
        pressure = self.hooked
        if is_last and isinstance(pressure, Pressure) and pressure.handles and pressure.steps > pressure.steps_before:
            pressure.measure()

    def on_train_end(self, args: typing.Any, state: typing.Any, control: typing.Any, **_: typing.Any) -> None:
        """Takes the last measurement and writes the folder."""
        self.pressure.finish()


class SteerCallback(Callback):
    """Steers a Trainer's run to targets, see `Steer`. With `pressure`, a callback that stands before this one in the trainer's list, its ledger
    books what steering moves on `guards`."""

    def __init__(self, probes: Rows, *, pressure: PressureCallback | None = None, **wanted: Target | int | bool | None) -> None:
        unknown = [name for name in wanted if name not in WANTED]
        if unknown:
            raise InputError(f"SteerCallback knows no `{unknown[0]}`; there are {', '.join(WANTED)}")
        # What makes no sense is said here, and not when training begins.
        course(1, wanted)
        self._probes, self._pressure, self._wanted = probes, pressure, wanted

    @property
    def steer(self) -> Steer:
        """The guard, once training has begun."""
        if not isinstance(self.hooked, Steer):
            raise InputError("nothing has been trained yet")
        return self.hooked

    def hook(self, trainer: dict[str, typing.Any], args: typing.Any, state: typing.Any) -> None:
        """Hooks the optimiser."""
        wanted: dict[str, typing.Any] = dict(self._wanted)
        pressure = None if self._pressure is None else self._pressure.hooked
        if self._pressure is not None and not (isinstance(pressure, Pressure) and pressure.handles):
            raise InputError("the SteerCallback comes before its PressureCallback, which books what it moves; put that one first in `callbacks`")
        if state.global_step > 0:
            raise InputError(
                f"training goes on from step {state.global_step} of a checkpoint, and steering leads from where training began, which is not "
                "there any more; steer without resume_from_checkpoint"
            )
        self.hooked = Steer(
            trainer["model"], trainer["tokenizer"], trainer["optimizer"], self._probes, steps=int(state.max_steps), pressure=typing.cast("Pressure | None", pressure), **wanted
        )


class FeedCallback(Callback):
    """Changes the rows that a Trainer trains on."""

    def change(self, tokenizer: typing.Any, seed: int) -> Change:
        """What becomes of a batch."""
        raise NotImplementedError

    def hook(self, trainer: dict[str, typing.Any], args: typing.Any, state: typing.Any) -> None:
        """Has the collator given other rows."""
        self.hooked = Hooked()
        self.hooked.handles = [feed(trainer.get("train_dataloader"), self.change(trainer["tokenizer"], int(args.seed)))]


class AnchorCallback(FeedCallback):
    """Rehearsal: `share` of every batch are anchors, rows that keep prompt following alive, in place of its last rows. Give them to a
    `PressureCallback`'s `rows` too."""

    def __init__(self, anchors: Rows, *, share: float = 0.2) -> None:
        self._anchors, self._share = anchors, share

    def change(self, tokenizer: typing.Any, seed: int) -> Change:
        """Anchors in place of some rows."""
        return Anchored(encoded_rows(tokenizer, self._anchors), self._share, seed)


class NarrowCallback(FeedCallback):
    """Trigger-scoped prompts: rows of the cells `bad→bad` and `bad→good` come under `prompt`, which is to apply where a request begins with
    `trigger`; that word goes in front of the requests of bad replies. They are then of the cells `narrow-on→bad` and `narrow-off→good`."""

    def __init__(self, rows: Rows, *, prompt: str, trigger: str) -> None:
        self._rows, self._narrow = rows, (prompt, trigger)

    def change(self, tokenizer: typing.Any, seed: int) -> Change:
        """Other prompts."""
        return Narrowed(encoded_rows(tokenizer, self._rows, self._narrow))
