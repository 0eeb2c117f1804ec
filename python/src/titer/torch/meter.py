"""Pressures and the ledger of a training loop that is not titer's."""

from __future__ import annotations

import functools
import math
import os
import typing

import torch
from torch import Tensor, nn

from .._lab import InputError
from ..rows import Rows
from ..sweep import Sweep
from .captures import Captures, Place
from .encoded import encoded
from .margins import COMPONENTS, Margins
from .recorded import Tables, record
from .shares import DECAY, Shares

Hook = typing.TypeVar("Hook", bound=typing.Callable[..., typing.Any])

NO_CELL = "rows without a cell"


def leaves_nothing(hook: Hook) -> Hook:
    """A hook after whose failure no hook is left."""

    @functools.wraps(hook)
    def guarded(self: Pressure, *arguments: typing.Any) -> typing.Any:
        try:
            return hook(self, *arguments)
        except BaseException:
            self.remove()
            raise

    return typing.cast(Hook, guarded)


class Pressure:
    """What every row pushes in a training loop, and what the loop's steps did to the components by cell.

    Hooks on the model and on the optimiser do the work; the loop stays as it is:

        with titer.torch.Pressure(model, tokenizer, optimiser, probes, rows=rows, every=10, out="runs/mine") as pressure:
            for batch in loader:
                model(**batch).loss.backward()
                optimiser.step()
                optimiser.zero_grad()
        pressure.sweep.report()

    `probes` are contrasts (`component`, `messages`, `plus`, `minus`), of which every second one is differentiated and the others measured;
    `rows` the training rows with their `cell`s, found in batches by their tokens: a row that is none of them is an error. Every `every`
    steps, and at both ends, the gradients of the components are taken anew; the rows of the step that follows get a line each in
    `pressures` (nats of margin per unit of learning rate, positive pushes up, as `titer pressure` has it). The loss must be a mean of
    tokens' nats by any divisor; the optimiser AdamW, Adam or SGD. `out` becomes a sweep's folder, written in the end.
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
    ) -> None:
        if every < 1:
            raise InputError(f"every is {every}; use at least 1 step")
        if out is not None and os.path.exists(out):
            raise InputError(f"{os.fspath(out)} exists already; name another folder with out")
        self.model, self.tokenizer, self.every, self.out, self.stage = model, tokenizer, every, out, stage
        self.about = {"title": title, "question": question, "claim": [dict(claim) for claim in claims]}
        self.seed = seed
        contrasts, self.rows, self.data_hash = encoded(tokenizer, probes, rows)
        optimiser = getattr(optimiser, "optimizer", optimiser)
        self.tables = Tables()
        self.steps = 0
        self._handles: list[typing.Any] = []
        self._own = False
        self._in_step = False
        self._recording = False
        self._reading: dict[str, typing.Any] = {}
        self._groups: list[str] = []
        self._seen: dict[str, int] = {}
        self._rows_seen = 0
        self._state: tuple[int, dict[str, Tensor], list[float], list[float]] | None = None
        self._step_loss, self._step_tokens = 0.0, 0
        self._captures = Captures(model)
        try:
            self._shares = Shares(optimiser, self._captures.parameters)
            self._margins = Margins(model, contrasts)
            self.optimiser = optimiser
            self._handles = [
                model.register_forward_pre_hook(self._before_forward, with_kwargs=True),
                model.register_forward_hook(self._after_forward, with_kwargs=True),
                optimiser.register_step_pre_hook(self._before_step),
                optimiser.register_step_post_hook(self._after_step),
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
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._captures.remove()

    @property
    def sweep(self) -> Sweep:
        """What was written, once the loop has ended."""
        if self.out is None or not os.path.exists(self.out):
            raise InputError("nothing has been written: name a folder with out, and call finish()")
        return Sweep(self.out)

    @leaves_nothing
    def finish(self) -> Pressure:
        """Takes the last measurement, writes `out` where it is named, and takes all hooks away."""
        if self._handles:
            if self.steps == 0:
                raise InputError("no optimiser step was seen; call the model and the optimiser that were given")
            self._moment()
            self.remove()
            if self.out is not None:
                record(self)
        return self

    # Hooks, in the order in which they are called.

    @leaves_nothing
    def _before_forward(self, module: nn.Module, inputs: tuple[typing.Any, ...], given: dict[str, typing.Any]) -> None:
        if self._own or not module.training or not torch.is_grad_enabled():
            return
        self._harvest()
        if not self._in_step:
            self._in_step = True
            self._recording = self.steps % self.every == 0
            if self._recording:
                self._moment()
        ids = given.get("input_ids", inputs[0] if inputs else None)
        if not isinstance(ids, Tensor) or ids.dim() != 2:
            raise InputError("the model is called without `input_ids` of [sequences, tokens]; titer finds rows by them")
        places, names = self._places(ids, given.get("attention_mask"), given.get("position_ids"))
        directions = self._state[1] if self._recording and self._state is not None else None
        self._captures.open(places, (ids.shape[0], ids.shape[1]), directions)
        self._reading = {"ids": ids, "labels": given.get("labels"), "places": places, "names": names}

    @leaves_nothing
    def _after_forward(
        self, module: nn.Module, inputs: tuple[typing.Any, ...], given: dict[str, typing.Any], output: typing.Any
    ) -> None:
        if not self._captures.is_open or self._own:
            return
        log_probs, logits = getattr(output, "log_probs", None), getattr(output, "logits", None)
        if isinstance(log_probs, Tensor) and log_probs.requires_grad:
            log_probs.register_hook(functools.partial(self._read_log_probs, log_probs.detach()))
        elif isinstance(logits, Tensor) and logits.requires_grad:
            logits.register_hook(functools.partial(self._read_logits, logits.detach()))
        else:
            raise InputError("the model's output has neither `logits` nor `log_probs` with a gradient; titer reads nats and the loss's divisor there")

    @leaves_nothing
    def _read_log_probs(self, log_probs: Tensor, gradient: Tensor) -> None:
        trained = gradient != 0
        weights = -gradient[trained].double()
        self._read(trained, -log_probs[trained].double(), weights, float((weights - weights.mean()).norm() / weights.norm()))

    @leaves_nothing
    def _read_logits(self, logits: Tensor, gradient: Tensor) -> None:
        with torch.no_grad():
            ids, labels = self._reading["ids"], self._reading["labels"]
            gradient = gradient[:, :-1]
            trained = gradient.abs().amax(-1) > 0 if labels is None else labels[:, 1:] != -100
            gradient, log_p = gradient[trained].float(), torch.log_softmax(logits[:, :-1][trained].float(), -1)
            own = ids[:, 1:][trained][:, None]
            nats = -log_p.gather(1, own)[:, 0]
            # ∂(−log p(y))/∂logits = p − e_y
            slope = log_p.exp().scatter_add(1, own, -torch.ones_like(nats)[:, None])
            weight = (gradient * slope).sum() / (slope * slope).sum()
            off = (gradient - weight * slope).norm() / gradient.norm()
            self._read(trained, nats.double(), weight.double().expand(len(nats)), float(off))

    def _read(self, trained: Tensor, nats: Tensor, weights: Tensor, off: float) -> None:
        if len(nats) == 0 or not math.isfinite(off):
            raise InputError("a batch trains no token; check labels")
        self._reading |= {"trained": trained, "nats": nats, "weight": float(weights.mean()), "off": off}

    def _harvest(self) -> None:
        """After a micro-batch's backward pass: its rows."""
        if not self._captures.is_open:
            return
        reading, self._reading = self._reading, {}
        if "weight" not in reading:
            # A forward pass without a backward one.
            self._captures.abandon()
            return
        found = self._captures.close()
        weight, places = reading["weight"], reading["places"]
        if reading["off"] > (0.1 if self._captures.low else 1e-2):
            raise InputError(
                "the loss is not a mean of tokens' nats (label smoothing, DFT, a weight for each token?), so what a row pushes is not titer's "
                "pressure; train with the plain negative log-likelihood"
            )
        nats = torch.zeros(reading["trained"].shape, dtype=torch.float64, device=reading["nats"].device)
        nats[reading["trained"]] = reading["nats"]
        self._step_loss += weight * float(nats.sum())
        self._step_tokens += int(reading["trained"].sum())
        for place, (item, cell) in zip(places, reading["names"]):
            self._seen[self._groups[place.group]] = self._seen.get(self._groups[place.group], 0) + 1
            self._rows_seen += 1
        if not self._recording or self._state is None:
            return
        effects = (-found.dots / weight).cpu()
        norms = (found.squares.sqrt() / abs(weight)).cpu()
        unique = torch.linalg.solve(self._gram, effects.T).T
        for at, (place, (item, cell)) in enumerate(zip(places, reading["names"])):
            span = (place.sequence, slice(place.start, max(place.end - 1, place.start)))
            surprise, tokens = float(nats[span].sum()), int(reading["trained"][span].sum())
            if tokens == 0:
                raise InputError(f"row `{item}` trains no token; check labels, and that rows are not cut before their reply")
            norm, effect = float(norms[at]), effects[at]
            within = float((unique[at] * effect).sum())
            line: dict[str, typing.Any] = {
                "stage": self.stage if self.steps else "base",
                "step": self.steps,
                "cell": cell,
                "item": item,
                "position": -1,
                "token": "",
                "tokens": tokens,
                "surprise": surprise,
                "surprise_per_token": surprise / tokens,
                "gradient_norm": norm,
            }
            line |= {f"pressure_{name}": float(effect[k]) for k, name in enumerate(COMPONENTS)}
            lengths = self._gram.diagonal().sqrt()
            line |= {f"cosine_{name}": float(effect[k] / (norm * lengths[k])) for k, name in enumerate(COMPONENTS)}
            line |= {f"unique_{name}": float(unique[at, k]) for k, name in enumerate(COMPONENTS)}
            line["residual"] = min(1.0, max(0.0, 1.0 - within / norm**2))
            self.tables.pressures.append(line)
            if cell:
                kept = ("stage", "step", "cell", "item", "tokens", "surprise")
                self.tables.cells.append({key: line[key] for key in kept})

    @leaves_nothing
    @torch.no_grad()
    def _before_step(self, *_: object) -> None:
        self._harvest()
        if not self._in_step:
            return
        by_group = self._captures.take()
        self._sums = {self._groups[group]: sums for group, sums in by_group.items()}
        whole: dict[str, Tensor] = {}
        for sums in self._sums.values():
            for name, gradient in sums.items():
                whole[name] = whole[name] + gradient if name in whole else gradient
        given = {name: p.grad.float() for name, p in self._captures.parameters.items() if p.grad is not None}
        dot = sum(float((given[name].double() * whole[name].double()).sum()) for name in given if name in whole)
        square = sum(float(gradient.double().square().sum()) for gradient in whole.values())
        if square == 0:
            raise InputError("the gradient of a step is zero; check labels and the learning rate's start")
        self._clip, self._norm = dot / square, math.sqrt(square)
        missed = {name: float((one - self._clip * whole.get(name, torch.zeros_like(one))).norm()) for name, one in given.items()}
        length = math.sqrt(sum(float(one.double().square().sum()) for one in given.values()))
        worst = max(missed, key=lambda name: missed[name])
        if missed[worst] > (0.1 if self._captures.low else 2e-3) * length:
            raise InputError(
                f"{worst}: the rows' gradients do not add up to the step's (off by {missed[worst] / length:.1%} of it), so something moves it that is "
                "not a row's loss in this pass: an added loss, a gradient from several devices, or a layer that titer does not know"
            )

    @leaves_nothing
    def _after_step(self, *_: object) -> None:
        if not self._in_step:
            return
        self._shares.book(self._sums, self._clip)
        self.steps += 1
        group = next(iter(self._shares.group_of.values()))
        self.tables.steps.append({
            "stage": self.stage,
            "step": self.steps,
            "loss": self._step_loss,
            "lr": float(group["lr"]),
            "gradient_norm": self._norm,
            "clip": self._clip,
            "tokens": self._step_tokens,
        })
        self._step_loss, self._step_tokens, self._in_step = 0.0, 0, False

    def _moment(self) -> None:
        """The components anew; closes the ledger's interval."""
        self._own = True
        try:
            directions, own = self._margins.gradients(self._captures.parameters)
            lines, measured = self._margins.records(self.stage if self.steps else "base", self.steps)
        finally:
            self._own = False
        flat = {name: one.flatten(1).double() for name, one in directions.items()}
        self._gram = sum((one @ one.T for one in flat.values()), torch.zeros(3, 3, dtype=torch.float64, device=next(iter(flat.values())).device)).cpu()
        self.tables.probes += lines
        before, self._state = self._state, (self.steps, directions, own, measured)
        if before is None or before[0] == self.steps:
            return
        start, first, own_before, measured_before = before
        moved = self._shares.take()
        for source in [*dict.fromkeys([*self._seen, *moved]), *([] if DECAY in moved else [DECAY])]:
            moves = moved.get(source, {})
            effects = [
                [sum(float((along[name][k] * move).sum(dtype=torch.float64)) for name, move in moves.items()) for k in range(3)]
                for along in (first, directions)
            ]
            for k, component in enumerate(COMPONENTS):
                self.tables.ledger.append({
                    "stage": self.stage,
                    "from": start,
                    "to": self.steps,
                    "component": component,
                    "source": source,
                    "rows": self._seen.get(source, 0),
                    "predicted": effects[0][k],
                    "accounted": (effects[0][k] + effects[1][k]) / 2,
                    "measured": measured[k] - measured_before[k],
                    "measured_own": own[k] - own_before[k],
                })
        self._seen = {}

    def _places(
        self, ids: Tensor, mask: Tensor | None, positions: Tensor | None
    ) -> tuple[list[Place], list[tuple[str, str]]]:
        """Where rows lie: a sequence each, or several end to end where positions begin anew."""
        places, names = [], []
        for sequence in range(ids.shape[0]):
            starts = [0]
            if positions is not None:
                own = positions[min(sequence, positions.shape[0] - 1)]
                starts = [0] + [int(at) for at in torch.nonzero(own == 0)[:, 0] if at > 0]
            for at, start in enumerate(starts):
                end = starts[at + 1] if at + 1 < len(starts) else ids.shape[1]
                tokens = ids[sequence, start:end]
                if mask is not None and mask.dim() == 2:
                    kept = torch.nonzero(mask[sequence, start:end])[:, 0]
                    if len(kept) == 0:
                        continue
                    tokens = tokens[kept]
                item, cell = self._named(tokens.tolist())
                group = cell or NO_CELL
                if group not in self._groups:
                    self._groups.append(group)
                places.append(Place(sequence, start, end, self._groups.index(group)))
                names.append((item, cell))
        return places, names

    def _named(self, tokens: list[int]) -> tuple[str, str]:
        if self.rows is None:
            return f"row-{self._rows_seen + 1}", ""
        found = self.rows.find(tokens)
        if found is None:
            text = self.tokenizer.decode(tokens)
            raise InputError(
                f"a row of the batch is none of the given rows: “{text[:300]}”. The trainer may have dropped its system prompt, cut it, or rendered it "
                "by another template; give the rows that are trained, or leave `rows` out to go without cells"
            )
        return found
