"""Pressures and the ledger of a training loop that is not titer's."""

from __future__ import annotations

import functools
import os
import typing
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .._lab import InputError
from ..rows import Rows
from ..sweep import Sweep
from . import ledger, nats
from .batch import Place, inputs_of, places, refuse_length
from .captures import Captures
from .encoded import encoded
from .hooked import Hooked, leaves_nothing
from .layout import Layout
from .margins import Margins
from .masks import refuse_other_tokens
from .packs import apart
from .pressed import pressed
from .quiet import is_quiet
from .recorded import Tables, prepare, record
from .scaled import refuse_factor, refuse_scaled_step, refuse_scaler
from .shares import GUARDS, Shares
from .summed import DIVERGED, StepSum, summed

NO_CELL = "rows without a cell"


class Pressure(Hooked):
    """What every row pushes in a training loop, and what the loop's steps did to the components by cell.

    Hooks on the model and on the optimiser do the work; the loop stays as it is:

        with titer.torch.Pressure(model, tokenizer, optimiser, probes, rows=rows, every=10, out="runs/mine") as pressure:
            for batch in loader:
                model(**batch).loss.backward()
                optimiser.step()
                optimiser.zero_grad()
        pressure.sweep.report()

    `probes` are contrasts (`component`, `messages`, `plus`, `minus`), of which half are differentiated and the others measured; `rows` the training rows with their `cell`s, found in batches by their tokens: a row that is none of them is an error. Every `every`
    steps, and at both ends, the gradients of the components are taken anew; the rows of the step that follows get a line each in
    `pressures` (nats of margin per unit of learning rate, positive pushes up, as `titer pressure` has it). The loss must be a mean of
    tokens' nats by any divisor; the optimiser AdamW, Adam or SGD. `out` becomes a sweep's folder, written in the end. Where training goes on from
    a checkpoint, `steps_before` are the steps behind it: steps are counted from there, and the checkpoint is not booked as the base.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: typing.Any,
        optimiser: torch.optim.Optimizer,
        probes: Rows,
        *,
        rows: Rows | None = None,
        every: int = 50,
        out: str | os.PathLike[str] | None = None,
        title: str = "Trained elsewhere",
        question: str = "",
        claims: typing.Sequence[typing.Mapping[str, typing.Any]] = (),
        seed: int = 0,
        stage: str = "train",
        steps_before: int = 0,
    ) -> None:
        super().__init__()
        if every < 1:
            raise InputError(f"every is {every}; use at least 1 step")
        if steps_before < 0:
            raise InputError(f"steps_before is {steps_before}; it is how many steps a checkpoint has behind it")
        if out is not None and os.path.lexists(out) and not (os.path.isdir(out) and not os.listdir(out)):
            raise InputError(f"{os.fspath(out)} exists already; name another folder with out")
        self.model, self.tokenizer, self.every, self.out, self.stage = model, tokenizer, every, out, stage
        claims = [claims] if isinstance(claims, Mapping) else claims
        self.seed, self.about = seed, {"title": title, "question": question, "claim": [dict(claim) for claim in claims]}
        differentiated, measured, self.rows, self.data_hash = encoded(tokenizer, probes, rows)
        refuse_scaler(optimiser)
        optimiser = getattr(optimiser, "optimizer", optimiser)
        self.tables = Tables()
        self.steps = self.steps_before = steps_before
        self._written = False
        self._in_step = False
        self._evaluated = False
        """Whether there was a pass in evaluation mode, with gradients, since the last step."""
        self._recording = False
        """Whether the rows of this step get a line each."""
        self._ids: Tensor | None = None
        self._labels: Tensor | None = None
        self._places: list[Place] = []
        self._nats: nats.Nats | None = None
        """Of the pass that is under way."""
        self._is_sure = False
        """Whether what has no gradient there is not trained."""
        self._apart = False  # whether packs have been looked at
        self._sums: dict[str, Tensor] = {}
        self._seen: dict[str, int] = {}
        """Rows of each source since the last moment."""
        self.rows_seen = 0
        self._moment: ledger.Moment | None = None
        self._step = StepSum()
        self._captures = Captures(model)
        self._captures.begins, self._captures.failed = self._begin_backward, self.remove
        try:
            self._layout = Layout(optimiser, self._captures.parameters)
            self._shares = Shares(optimiser, self._layout)
            self._margins = Margins(model, differentiated, measured)
            self.optimiser = optimiser
            # What will be written in the end must be sure before anything is trained.
            prepare(self)
            self.handles = [
                model.register_forward_pre_hook(self._before_forward, with_kwargs=True).remove,
                # Called after a failure too, so that nothing is left hooked then.
                model.register_forward_hook(self._after_forward, with_kwargs=True, always_call=True).remove,
                optimiser.register_step_pre_hook(self._before_step).remove,
                optimiser.register_step_post_hook(self._after_step).remove,
            ]
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> Pressure:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.finish()
        self.remove()

    def remove(self) -> None:
        """Takes all hooks away."""
        super().remove()
        self._captures.remove()

    def book_guards(self, moves: dict[str, Tensor]) -> None:
        """Books on `guards` what a guard has moved the parameters by, after a step."""
        self._shares.move(GUARDS, moves)

    @property
    def sweep(self) -> Sweep:
        """What was written, once the loop has ended."""
        if self.out is None or not os.path.exists(self.out):
            raise InputError("nothing has been written: name a folder with out, and call finish()")
        return Sweep(self.out)

    @leaves_nothing
    def finish(self) -> Pressure:
        """Takes the last measurement, writes `out` where it is named, and takes all hooks away. Where it could not be written it can be called
        again."""
        if self.handles:
            self.measure()
            self.remove()
        if self.out is not None and not self._written and self._moment is not None and self._moment.step > self.steps_before:
            record(self)
            self._written = True
        return self

    @leaves_nothing
    def measure(self) -> None:
        """Takes the last measurement where it has not been taken: before anything but the loop changes the weights, such as loading the best
        checkpoint."""
        if self.steps == self.steps_before:
            raise InputError("no optimiser step was seen; call the model and the optimiser that were given")
        self._take_moment()

    # Hooks, in the order in which they are called.

    @leaves_nothing
    def _before_forward(self, module: nn.Module, inputs: tuple[typing.Any, ...], given: dict[str, typing.Any]) -> None:
        if is_quiet() or not torch.is_grad_enabled():
            return
        if not module.training:
            self._evaluated = True
            return
        self._harvest()
        if not self._in_step:
            self._in_step = True
            self._recording = self._moment is None or self.steps % self.every == 0
            if self._recording:
                self._take_moment()
        ids = inputs_of(inputs, given)
        mask, positions = given.get("attention_mask"), given.get("position_ids")
        labels = given.get("labels")
        self._places = places(ids, mask, positions, labels, self.rows, self.rows_seen + sum(self._step.rows.values()), self.tokenizer.decode)
        if not self._apart:
            self._apart = apart(self.model, given, ids, self._places)
        directions = self._moment.directions if self._recording and self._moment is not None else None
        self._captures.open(self._places, (ids.shape[0], ids.shape[1]), directions)
        self._ids, self._labels, self._nats = ids, labels, None

    @leaves_nothing
    def _after_forward(
        self, module: nn.Module, inputs: tuple[typing.Any, ...], given: dict[str, typing.Any], output: typing.Any
    ) -> None:
        # Without gradients, or in evaluation mode, it is not the pass that is under way.
        if is_quiet() or not self._captures.is_open or not torch.is_grad_enabled() or not module.training:
            return
        if output is None:
            self.remove()
            return
        log_probs, logits = getattr(output, "log_probs", None), getattr(output, "logits", None)
        assert self._ids is not None
        if isinstance(log_probs, Tensor) and log_probs.requires_grad:
            refuse_length(log_probs, self._ids, "log_probs", behind=1)
            nats.on_gradient(log_probs, functools.partial(self._read_log_probs, log_probs.detach()))
        elif isinstance(logits, Tensor) and logits.requires_grad:
            refuse_length(logits, self._ids, "logits")
            nats.on_gradient(logits, functools.partial(self._read_logits, logits.detach()))
        else:
            raise InputError("the model's output has neither `logits` nor `log_probs` with a gradient; titer reads nats and the loss's divisor there")

    @leaves_nothing
    def _read_log_probs(self, log_probs: Tensor, gradient: Tensor) -> None:
        self._nats, self._is_sure = nats.of_log_probs(log_probs, gradient, self._labels), self._labels is not None

    @leaves_nothing
    @torch.no_grad()
    def _read_logits(self, logits: Tensor, gradient: Tensor) -> None:
        assert self._ids is not None
        self._nats, self._is_sure = nats.of_logits(logits, gradient, self._ids, self._labels), self._labels is not None

    def _begin_backward(self) -> None:
        """Where gradients have been thrown away since, the passes before are part of no step."""
        if self._captures.sums and not any(p.grad is not None and bool(p.grad.any()) for p in self._captures.parameters.values()):
            self._captures.take()
            self._step = StepSum()

    def _harvest(self) -> None:
        """After a micro-batch's backward pass: its rows."""
        if not self._captures.is_open:
            return
        read_nats, self._nats = self._nats, None
        if read_nats is None:
            if self._captures.abandon():
                raise InputError(
                    "the backward pass did not go through the model's `logits` or `log_probs`, so titer cannot read what the loss is made of; "
                    "compute the loss from the model's output, or have the model compute it (labels)"
                )
            # A forward pass without a backward one.
            return
        contracted = self._captures.close()
        if not read_nats.is_finite:
            # It may yet be thrown away.
            self._step.is_finite = False
            return
        refuse_factor(read_nats.factor)
        if not read_nats.off <= (0.1 if self._captures.low else 1e-2):
            raise InputError(
                "the loss is not a mean of tokens' nats (label smoothing, DFT, a weight for each token?), so what a row pushes is not titer's "
                "pressure; train with the plain negative log-likelihood"
            )
        refuse_other_tokens(self._places, read_nats.trained, self._is_sure)
        self._step.loss += read_nats.factor * float(read_nats.nats.sum())
        self._step.tokens += int(read_nats.trained.sum())
        for place in self._places:
            source = place.cell or NO_CELL
            self._step.rows[source] = self._step.rows.get(source, 0) + 1
        if self._recording and self._moment is not None:
            lines = pressed(self._places, read_nats, contracted, self._moment.gram)
            place_of = {"stage": self.stage if self.steps else "base", "step": self.steps}
            self._step.lines += [place_of | line for line in lines]

    @leaves_nothing
    @torch.no_grad()
    def _before_step(self, *_: object) -> None:
        refuse_scaled_step()
        self._harvest()
        if not self._in_step:
            if self._evaluated:
                raise InputError(
                    "a step was made of passes in evaluation mode, which are not taken for training; call model.train() before the loop (dropout "
                    "can be 0 there)"
                )
            return
        self._evaluated = False
        if not self._step.is_finite:
            raise InputError(f"the loss of a step, or its gradient, is not finite (NaN or infinite); {DIVERGED}")
        self._sums = {cell or NO_CELL: self._layout.flat(sums) for cell, sums in self._captures.take().items()}
        self._step.clip, self._step.norm = summed(self._layout, self._sums, self._captures.low)
        self._shares.look()

    @leaves_nothing
    def _after_step(self, *_: object) -> None:
        if not self._in_step:
            return
        self._shares.book(self._sums, self._step.clip)
        self.steps += 1
        self.tables.press(self._step.lines)
        for source, count in self._step.rows.items():
            self._seen[source] = self._seen.get(source, 0) + count
            self.rows_seen += count
        self.tables.steps.append(self._step.line(self.stage, self.steps, max(float(group["lr"]) for group, _, _ in self._layout.groups)))
        self._step, self._in_step = StepSum(), False

    def _take_moment(self) -> None:
        """The components anew, where a step has been made since; closes the ledger's interval."""
        if self._moment is not None and self._moment.step == self.steps:
            return
        stage = self.stage if self.steps else "base"
        moment, lines = ledger.moment(self._margins, self._captures.parameters, stage, self.steps)
        self.tables.probes += lines
        before, self._moment = self._moment, moment
        if before is not None:
            self.tables.ledger += ledger.lines(self.stage, before, moment, self._shares.take(), self._seen)
            self._seen = {}
