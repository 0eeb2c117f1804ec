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

from .._lab import InputError
from .batch import Place
from .devices import refuse_wrapped
from .hooked import Hooked
from .modules import embedding_scale, refuse, slopes
from .quiet import is_quiet


@dataclasses.dataclass
class Contracted:
    """What one pass gave for its rows; gradients are of the pass's own loss, whatever it divides by."""

    dots: Tensor
    """`[rows, directions]`: `⟨∇_i, V_k⟩`"""
    squares: Tensor
    """`[rows]`: `‖∇_i‖²`"""


class Captures(Hooked):
    """Hooks on every trained module of a model. They do nothing but between `open` and `close`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        refuse_wrapped(model)
        self._model = model
        self.parameters: dict[str, nn.Parameter] = {}
        self.sums: dict[str, dict[str, Tensor]] = {}
        """By group: gradients of the loss, added up since `take` (float32)."""
        self.low = False
        """Whether a pass was seen in bf16 or f16."""
        self._places: list[Place] | None = None
        self._pass = 0
        """Which pass is under way."""
        self.begins: typing.Callable[[], object] = lambda: None
        """Called where a backward pass begins, before anything of it is added up."""
        self.failed: typing.Callable[[], object] = self.remove
        """Called where a backward pass fails here."""
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
            self.handles.append(module.register_forward_hook(self._watch(place, leaf, name)).remove)

    def remove(self) -> None:
        """Takes all hooks away."""
        super().remove()
        self._places = None

    def open(self, places: Sequence[Place], shape: tuple[int, int], directions: Mapping[str, Tensor] | None) -> None:
        """The next forward pass is over rows at these places of a batch of `shape`; rows of a cell are a group. With `directions` (by parameter, `[directions, *shape]`),
        every row is contracted with them."""
        self._places, self._shape, self._directions = list(places), shape, directions
        self._pass += 1
        self._fired.clear()
        self._kept.clear()
        device = next(iter(self.parameters.values())).device
        count = next(iter(directions.values())).shape[0] if directions else 0
        self._dots = torch.zeros(len(places), count, dtype=torch.float64, device=device)
        self._squares = torch.zeros(len(places), dtype=torch.float64, device=device)
        by_group: dict[str, list[Tensor]] = {}
        for at in self._places:
            flat = torch.arange(at.start, at.end) + at.sequence * shape[1]
            by_group.setdefault(at.cell, []).append(flat)
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

    def abandon(self) -> bool:
        """Without a result; says whether there was a backward pass."""
        self._places = None
        self._kept.clear()
        return bool(self._fired)

    def take(self) -> dict[str, dict[str, Tensor]]:
        """The sums since this was last asked."""
        sums, self.sums = self.sums, {}
        return sums

    def _watch(self, place: str, leaf: str, name: str) -> typing.Callable[..., None]:
        def forward(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            # A pass in evaluation mode is none of training, also while one is under way.
            if self._places is None or is_quiet() or not self._model.training or not isinstance(output, Tensor) or not output.requires_grad:
                return
            x, which = inputs[0].detach(), self._pass

            def backward(dy: Tensor) -> None:
                if self._places is None:
                    return
                try:
                    if which != self._pass:
                        raise InputError(
                            "a backward pass goes through a forward pass that another one has followed, so the rows of the two cannot be told "
                            "apart; call backward() after each forward pass, or put the rows into one batch"
                        )
                    if not self._fired:
                        self.begins()
                    with torch.no_grad():
                        self._see(module, place, leaf, name, x, dy.detach())
                except BaseException:
                    self.failed()
                    raise

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
            rows, padding = module.weight.shape[0], module.padding_idx

            def gradient(tokens: Tensor) -> Tensor:
                sums = torch.zeros(rows, y.shape[1], device=y.device).index_add_(0, words[tokens], scale * y[tokens])
                if padding is not None:
                    # torch leaves the padding word where it is, also where a row has it among its own words.
                    sums[padding] = 0
                return sums

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
            self._add(row.cell, name, tile)
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

    def _add(self, group: str, name: str, gradient: Tensor) -> None:
        sums = self.sums.setdefault(group, {})
        if name in sums:
            sums[name] += gradient
        else:
            sums[name] = gradient.clone()
