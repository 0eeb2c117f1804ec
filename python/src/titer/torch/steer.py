"""Steering: every step of an optimiser kept within bounds that lead the components to targets, as titer's guard `steer` does it.

`min ½‖u−u₀‖²_{P⁻¹} s.t. l ≤ C u ≤ h`, hence `u = u₀ + P Cᵀ λ`: after the optimiser, whose moments see the unmodified gradient. Bounds and
multipliers are titer's own, from the extension module.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .. import _lab
from .._lab import InputError
from ..rows import Rows
from ..spec import toml, without_none
from .devices import refuse_wrapped
from .encoded import encoded
from .hooked import Hooked, leaves_nothing
from .margins import Contrast, differentiated, margins
from .shares import kind

if typing.TYPE_CHECKING:
    from .pressure import Pressure

Target = typing.Union[float, Mapping[str, float]]
"""A wanted change since training began, in nats of margin: a number, or `min`, `max` or both."""

Vector = dict[str, Tensor]
"""By parameter."""

SLICES = 50
"""Slices of contrasts that take turns at looks."""


WANTED = ("good", "obey_bad", "obey", "contrasts", "every", "feedback", "cap", "floor")
"""What can be wished of steering."""


def course(steps: int, wanted: Mapping[str, typing.Any]) -> _lab.Steering:
    """Targets and bounds of steering over so many steps; fails where the wishes make no sense."""
    if steps < 1:
        raise InputError(f"steps is {steps}; steering leads to its targets over a number of steps, at least 1")
    stage = {"name": "train", "rows": steps, "batch": 1, "guards": {"steer": without_none(wanted)}}
    return _lab.Steering(toml({"seeds": [0], "stage": [stage]}))


class Steer(Hooked):
    """Steers a training loop of one's own; the loop stays as it is.

        with titer.torch.Steer(model, tokenizer, optimiser, probes, steps=100, good=2.0, obey_bad={"min": -0.2}):
            ...

    Targets are changes since the beginning, in nats of margin, led to over `steps` steps of the optimiser (AdamW, Adam or SGD). Half of the
    `probes` are looked at, the other half is left to measure. `contrasts` are looked at together, every `every` steps; `cap` is the longest
    correction in lengths of the optimiser's own step, `floor` is added to the metric's `√v̂`; what is left out is as in a spec (`titer init`).
    With `pressure`, the ledger there books what steering moves on `guards`; hook that one first.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: typing.Any,
        optimiser: torch.optim.Optimizer,
        probes: Rows,
        *,
        steps: int,
        good: Target | None = None,
        obey_bad: Target | None = None,
        obey: Target | None = None,
        contrasts: int | None = None,
        every: int | None = None,
        feedback: bool | None = None,
        cap: float | None = None,
        floor: float | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        super().__init__()
        wanted = (good, obey_bad, obey, contrasts, every, feedback, cap, floor)
        self._course = course(steps, dict(zip(WANTED, wanted)))
        self.model, self.steps, self.of_steps, self.pressure = model, 0, steps, pressure
        self.optimiser = getattr(optimiser, "optimizer", optimiser)
        self._kind = kind(self.optimiser)
        refuse_wrapped(model)
        self._groups = {id(p): group for group in self.optimiser.param_groups for p in group["params"]}
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad and id(p) in self._groups}
        looks = min(max(math.ceil(steps / self._course.every), 1), SLICES)
        differentiable = encoded(tokenizer, probes)[0]
        size = self._course.contrasts
        self._slices: list[list[list[Contrast]]] = []
        for component in self._course.components:
            # Training rows have a say in what becomes of their own prompts, so paraphrases speak for the component.
            paraphrased = [contrast for contrast in differentiable[component] if contrast.prompts == "paraphrased"]
            some = (paraphrased or differentiable[component])[: size * looks]
            self._slices.append([some[at : at + size] for at in range(0, len(some), size)])
        self._starts = [[margins(model, part) for part in slices] for slices in self._slices]
        self.changes: list[float] = []
        """What the last look found: change of each target's component, nats."""
        self.multipliers: list[float] = []
        """What each direction counted for in the last step; 0 where the step was within its bounds."""
        self._gradients: list[Vector] = []
        self._along: list[Vector] | None = None
        self._gram: list[list[float]] = []
        self._before: Vector = {}
        self.handles = [
            self.optimiser.register_step_pre_hook(self._before_step).remove,
            self.optimiser.register_step_post_hook(self._after_step).remove,
        ]

    def __enter__(self) -> Steer:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    @leaves_nothing
    def _before_step(self, *_: object) -> None:
        if self.steps >= self.of_steps:
            raise InputError(f"steering was to lead to its targets within {self.of_steps} steps, and this is another one; say how many there are (steps)")
        if self.steps % self._course.every == 0:
            self._look(self.steps // self._course.every)
        self._before = {name: p.detach().clone() for name, p in self.parameters.items()}

    def _look(self, turn: int) -> None:
        self.changes, self._gradients, self._along = [], [], None
        for slices, starts in zip(self._slices, self._starts):
            at = turn % len(slices)
            now, gradient = differentiated(self.model, slices[at], self.parameters)
            self.changes.append(sum(a - b for a, b in zip(now, starts[at])) / len(now))
            self._gradients.append(gradient)
        self._course.observe(self.changes)

    @leaves_nothing
    @torch.no_grad()
    def _after_step(self, *_: object) -> None:
        proposed = {name: (p - self._before[name]).float() for name, p in self.parameters.items()}
        self._before = {}
        if self._along is None:
            self._along = [self._preconditioned(gradient) for gradient in self._gradients]
            self._gram = [[dot(a, b) for b in self._along] for a in self._gradients]
        effects = [dot(gradient, proposed) for gradient in self._gradients]
        by = self._course.multipliers(self._gram, effects, self.steps)
        correction: Vector = {}
        for multiplier, along in zip(by, self._along):
            for name, value in along.items():
                correction[name] = correction[name] + multiplier * value if name in correction else multiplier * value
        length, longest = math.sqrt(dot(correction, correction)), self._course.cap * math.sqrt(dot(proposed, proposed))
        scale = longest / length if length > longest else 1.0
        self.multipliers = [multiplier * scale for multiplier in by]
        self._course.moved(self._gram, effects, self.multipliers)
        if any(self.multipliers):
            correction = {name: scale * value for name, value in correction.items()}
            for name, value in correction.items():
                p = self.parameters[name]
                before = p.detach().clone() if p.dtype.itemsize < 4 else None
                p.add_(value.to(p.dtype))
                if before is not None:
                    # A weight that is rounded moves by something else.
                    correction[name] = p.detach().float() - before.float()
            if self.pressure is not None:
                self.pressure.book_guards(correction)
        self.steps += 1

    def _preconditioned(self, gradient: Vector) -> Vector:
        """`P ∇f_k`: Adam's metric, with a floor so that weights that no row has touched are not free to move; for SGD the gradient itself."""
        if self._kind == "sgd":
            return gradient
        spread, sizes, total = {}, 0, 0.0
        for name, p in self.parameters.items():
            state, group = self.optimiser.state.get(p, {}), self._groups[id(p)]
            if "exp_avg_sq" not in state:
                raise InputError(f"{name}: it has no gradient, so the optimiser's metric does not know it; freeze it (requires_grad_(False))")
            spread[name] = state["exp_avg_sq"].float() / (1 - group["betas"][1] ** float(state["step"]))
            total += float(spread[name].sum(dtype=torch.float64))
            sizes += p.numel()
        floor = self._course.floor * math.sqrt(total / sizes)
        return {
            name: value / (spread[name].sqrt() + self._groups[id(self.parameters[name])]["eps"] + floor) for name, value in gradient.items()
        }


def dot(a: Vector, b: Vector) -> float:
    """The inner product; a parameter that one of them lacks is zero there."""
    return sum(float((value * b[name]).sum(dtype=torch.float64)) for name, value in a.items() if name in b)
