"""Per-row gradients from hooks: every trained module hands on its input and its output's gradient in the model's own backward pass.

A row's gradient of a weight is `dyᵀ x` over the row's tokens (linear layers), a sum of `dy` by token (embeddings), or `Σ dy ∘ ∂y/∂w`
(norms). Each is contracted with the directions where it arises, and added up by group of rows, so that no row's gradient of the
whole model is ever there at once.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .._lab import InputError


@dataclasses.dataclass
class Place:
    """Where a row lies in a batch of `[sequences, tokens]`."""

    sequence: int
    start: int
    end: int
    group: int
    """Which sum its gradient goes into."""


@dataclasses.dataclass
class Contracted:
    """What one pass gave for its rows; gradients are of the pass's own loss, whatever it divides by."""

    dots: Tensor
    """`[rows, directions]`: `⟨∇_i, V_k⟩`"""
    squares: Tensor
    """`[rows]`: `‖∇_i‖²`"""


class Captures:
    """Hooks on every trained module of a model. They do nothing but between `open` and `close`."""

    def __init__(self, model: nn.Module) -> None:
        self.parameters: dict[str, nn.Parameter] = {}
        self.sums: dict[int, dict[str, Tensor]] = {}
        """By group: gradients of the loss, added up since `take` (float32)."""
        self.low = False
        """Whether a pass was seen in bf16 or f16."""
        self._handles: list[typing.Any] = []
        self._places: list[Place] | None = None
        self._directions: Mapping[str, Tensor] | None = None
        self._kept: dict[tuple[str, int], Tensor] = {}
        self._fired: set[tuple[str, str]] = set()
        self._leaves: list[tuple[str, str]] = []
        names: dict[int, str] = {}
        uses: dict[str, int] = {}
        watched: list[tuple[str, nn.Module, str, str]] = []
        for place, module in model.named_modules(remove_duplicate=True):
            for leaf, parameter in module.named_parameters(recurse=False):
                if not parameter.requires_grad:
                    continue
                name = names.setdefault(id(parameter), f"{place}.{leaf}" if place else leaf)
                self.parameters[name] = parameter
                uses[name] = uses.get(name, 0) + 1
                refuse(place, module, leaf, parameter)
                watched.append((place, module, leaf, name))
        if not watched:
            raise InputError("the model has no parameter that requires a gradient; unfreeze some, or put adapters on it")
        self._tied = {name for name, count in uses.items() if count > 1}
        self._scales = {place: embedding_scale(module) for place, module, _, _ in watched if isinstance(module, nn.Embedding)}
        for place, module, leaf, name in watched:
            self._leaves.append((place, leaf))
            self._handles.append(module.register_forward_hook(self._watch(place, leaf, name)))

    def remove(self) -> None:
        """Takes all hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._places = None

    def open(self, places: Sequence[Place], shape: tuple[int, int], directions: Mapping[str, Tensor] | None) -> None:
        """The next forward pass is over rows at these places of a batch of `shape`. With `directions` (by parameter, `[directions, *shape]`),
        every row is contracted with them."""
        self._places, self._shape, self._directions = list(places), shape, directions
        self._fired.clear()
        self._kept.clear()
        device = next(iter(self.parameters.values())).device
        count = next(iter(directions.values())).shape[0] if directions else 0
        self._dots = torch.zeros(len(places), count, dtype=torch.float64, device=device)
        self._squares = torch.zeros(len(places), dtype=torch.float64, device=device)
        by_group: dict[int, list[Tensor]] = {}
        for at in self._places:
            flat = torch.arange(at.start, at.end) + at.sequence * shape[1]
            by_group.setdefault(at.group, []).append(flat)
        self._tokens = {group: torch.cat(flats).to(device) for group, flats in by_group.items()}

    @property
    def is_open(self) -> bool:
        """Whether a pass is under way."""
        return self._places is not None

    def close(self) -> Contracted:
        """After the backward pass: what its rows gave. Fails where a trained module took no part in it."""
        missing = [f"{place}.{leaf}" for place, leaf in self._leaves if (place, leaf) not in self._fired]
        self._places = None
        if missing:
            raise InputError(
                f"{', '.join(missing[:3])}{' and others' if len(missing) > 3 else ''}: trained, but its module was not called in the forward and "
                "backward pass, so what rows push there cannot be seen (TRL's SFTTrainer multiplies with the head's weight itself). Freeze it "
                "(requires_grad_(False)), train adapters, or use transformers' Trainer"
            )
        for (_, row), tile in self._kept.items():
            self._squares[row] += tile.double().square().sum()
        self._kept.clear()
        return Contracted(self._dots, self._squares)

    def abandon(self) -> None:
        """After a pass that failed."""
        self._places = None
        self._kept.clear()

    def take(self) -> dict[int, dict[str, Tensor]]:
        """The sums since this was last asked."""
        sums, self.sums = self.sums, {}
        return sums

    def _watch(self, place: str, leaf: str, name: str) -> typing.Callable[..., None]:
        def forward(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if self._places is None or not isinstance(output, Tensor) or not output.requires_grad:
                return
            x = inputs[0].detach()

            def backward(dy: Tensor) -> None:
                if self._places is not None:
                    with torch.no_grad():
                        self._see(module, place, leaf, name, x, dy.detach())

            output.register_hook(backward)

        return forward

    def _see(self, module: nn.Module, place: str, leaf: str, name: str, x: Tensor, dy: Tensor) -> None:
        self._fired.add((place, leaf))
        self.low |= dy.dtype in (torch.bfloat16, torch.float16)
        flat = self._shape[0] * self._shape[1]
        y = self._lines(place, dy).float()
        gradient: typing.Callable[[Tensor], Tensor]
        if isinstance(module, nn.Linear) and leaf == "weight":
            x = x.float().reshape(flat, -1)

            def gradient(tokens: Tensor) -> Tensor:
                return y[tokens].T @ x[tokens]

        elif isinstance(module, nn.Embedding):
            words, scale = x.reshape(flat), self._scales[place]
            rows = module.weight.shape[0]

            def gradient(tokens: Tensor) -> Tensor:
                return torch.zeros(rows, y.shape[1], device=y.device).index_add_(0, words[tokens], scale * y[tokens])

        elif leaf == "bias":

            def gradient(tokens: Tensor) -> Tensor:
                return y[tokens].reshape(-1, y.shape[-1]).sum(0)

        else:
            slope = y * self._lines(place, slopes(module, x)).float()

            def gradient(tokens: Tensor) -> Tensor:
                return slope[tokens].reshape(-1, slope.shape[-1]).sum(0)

        if self._directions is None:
            for group, tokens in self._tokens.items():
                self._add(group, name, gradient(tokens))
            return
        assert self._places is not None
        along = self._directions[name].flatten(1)
        for at, row in enumerate(self._places):
            start = row.sequence * self._shape[1]
            tile = gradient(torch.arange(start + row.start, start + row.end, device=y.device))
            self._dots[at] += (along @ tile.flatten()).double()
            self._add(row.group, name, tile)
            if name not in self._tied:
                self._squares[at] += torch.linalg.vector_norm(tile, dtype=torch.float32).double().square()
            elif (name, at) in self._kept:
                self._kept[name, at] += tile
            else:
                self._kept[name, at] = tile.clone()

    def _lines(self, place: str, values: Tensor) -> Tensor:
        """`[sequences, tokens, …]`, or heads before tokens, or sequences end to end, as `[sequences · tokens, …]`."""
        sequences, tokens = self._shape
        if values.dim() == 4 and values.shape[1] != tokens and values.shape[2] == tokens:
            values = values.transpose(1, 2)
        if values.dim() > 2 and tuple(values.shape[:2]) == (sequences, tokens):
            return values.reshape(sequences * tokens, *values.shape[2:])
        if values.dim() == 2 and values.shape[0] == sequences * tokens:
            return values
        raise InputError(f"{place}: its output has the shape {tuple(values.shape)}, which is not one line a token; freeze it")

    def _add(self, group: int, name: str, gradient: Tensor) -> None:
        sums = self.sums.setdefault(group, {})
        if name in sums:
            sums[name] += gradient
        else:
            sums[name] = gradient.clone()


def refuse(place: str, module: nn.Module, leaf: str, parameter: nn.Parameter) -> None:
    """Fails on a module whose gradient would not be told by row."""
    kind = type(module).__name__
    if type(parameter).__name__ in ("DTensor", "FlatParameter") or hasattr(parameter, "ds_id"):
        raise InputError(
            f"{place}.{leaf} is sharded (FSDP, DeepSpeed); pressures are taken on whole parameters: train on one device, or with DDP off"
        )
    known = isinstance(module, (nn.Linear, nn.Embedding)) or leaf == "bias" or parameter.dim() == 1
    if not known:
        raise InputError(
            f"{place}: titer knows linear layers, embeddings and norms, and not a trained `{kind}` with a `{leaf}` of {parameter.dim()} "
            "dimensions; freeze it (requires_grad_(False)), or put adapters on linear layers only"
        )


def embedding_scale(module: nn.Embedding) -> float:
    """What an embedding multiplies its words with: Gemma's are scaled."""
    with torch.no_grad():
        word = int(module.weight.float().norm(dim=1).argmax())
        given = module.weight[word].float()
        found = module(torch.tensor([word], device=module.weight.device))[0].float()
        square = (given * given).sum()
        return float((found * given).sum() / square) if float(square) > 0 else 1.0


def slopes(module: nn.Module, x: Tensor) -> Tensor:
    """`∂y/∂w` of a module that is linear in its weight and takes each coordinate by itself: its answer to ones less that to zeros."""
    weight = typing.cast(Tensor, module.weight)
    hooks, module._forward_hooks = module._forward_hooks, type(module._forward_hooks)()
    try:
        answers = [
            functional_call(module, {"weight": make(weight)}, (x,)) for make in (torch.ones_like, torch.zeros_like)
        ]
    finally:
        module._forward_hooks = hooks
    return typing.cast(Tensor, answers[0] - answers[1])
