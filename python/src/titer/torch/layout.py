"""All trained parameters as one vector, so that a step costs a few operations and not a few for each of them."""

from __future__ import annotations

import typing
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .._lab import InputError

Group = dict[str, typing.Any]
"""One of an optimiser's `param_groups`: its parameters and settings."""


class Layout:
    """Where each parameter lies in a vector of `[coordinates]`; those of a group of the optimiser lie together."""

    def __init__(self, optimiser: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> None:
        groups: list[Group] = optimiser.param_groups
        group_of = {id(p): at for at, group in enumerate(groups) for p in group["params"]}
        missing = [name for name, p in parameters.items() if id(p) not in group_of]
        if missing:
            raise InputError(f"{missing[0]}: requires a gradient, but the optimiser does not have it; give it all trained parameters")
        devices = {str(p.device) for p in parameters.values()}
        if len(devices) > 1:
            raise InputError(f"the trained parameters lie on {' and '.join(sorted(devices))}; put them on one device")
        self.parameters = {name: parameters[name] for name in sorted(parameters, key=lambda name: group_of[id(parameters[name])])}
        self.places: dict[str, slice] = {}
        self.groups: list[tuple[Group, list[str], slice]] = []
        """Settings, names and place of each group that has some of the parameters."""
        at = 0
        for name, p in self.parameters.items():
            self.places[name] = slice(at, at + p.numel())
            at += p.numel()
        for number in sorted({group_of[id(p)] for p in self.parameters.values()}):
            names = [name for name, p in self.parameters.items() if group_of[id(p)] == number]
            self.groups.append((groups[number], names, slice(self.places[names[0]].start, self.places[names[-1]].stop)))

    def flat(self, values: Mapping[str, Tensor], names: typing.Iterable[str] | None = None) -> Tensor:
        """Values by parameter as a vector in float32, zero where there is none; of all parameters, or of some that lie together."""
        parameters = self.parameters if names is None else {name: self.parameters[name] for name in names}
        parts = [values[name].detach().reshape(-1).float() if name in values else torch.zeros(p.numel(), device=p.device) for name, p in parameters.items()]
        return torch.cat(parts)

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """A vector by parameter, in the parameters' shapes."""
        return {name: flat[self.places[name]].view(p.shape) for name, p in self.parameters.items()}
