"""Where the rows of a batch lie, and which rows they are."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator

import torch
from torch import Tensor

from .._lab import InputError

if typing.TYPE_CHECKING:
    from .encoded import KnownRows


@dataclasses.dataclass
class Place:
    """Where a row lies in a batch of `[sequences, tokens]`, and which row it is."""

    sequence: int
    start: int
    end: int
    item: str
    cell: str
    """Empty where it has none."""
    wanted: dict[int, bool] = dataclasses.field(default_factory=dict)
    """Of a known row: whether titer trains each of its tokens, by their places in the sequence."""

    @property
    def predicted(self) -> tuple[int, slice]:
        """Its places in `[sequences, tokens - 1]`, where each token is what the one before it predicts."""
        return self.sequence, slice(self.start, max(self.end - 1, self.start))


def inputs_of(inputs: tuple[typing.Any, ...], given: dict[str, typing.Any]) -> Tensor:
    """The token ids that a model is called with, `[sequences, tokens]`."""
    ids = given.get("input_ids", inputs[0] if inputs else None)
    if not isinstance(ids, Tensor) or ids.dim() != 2:
        raise InputError("the model is called without `input_ids` of [sequences, tokens]; titer finds rows by them")
    return ids


def refuse_length(output: Tensor, ids: Tensor, what: str, behind: int = 0) -> None:
    """Fails where an output is not of the tokens that the model was called with, less `behind`."""
    wanted = ids.shape[0], ids.shape[1] - behind
    if tuple(output.shape[:2]) != wanted:
        raise InputError(
            f"the model's `{what}` are of {list(output.shape[:2])} tokens and the batch has {list(wanted)}: it puts tokens of its own in front, "
            "as prompt tuning does, or leaves some out (logits_to_keep); train all weights, or LoRA on linear layers, with logits of every token"
        )


def places(
    ids: Tensor,
    mask: Tensor | None,
    positions: Tensor | None,
    labels: Tensor | None,
    known: KnownRows | None,
    seen: int,
    decode: typing.Callable[[list[int]], str],
) -> list[Place]:
    """The rows of a batch. Those that are not `known` are called by their number, the first one `seen + 1`."""
    placed: list[Place] = []
    for sequence, start, end in segments(ids, positions):
        if start > 0 and labels is not None and bool((labels[sequence, start:end] == -100).all()):
            # What a pack is filled up with: no row of it lacks a label.
            continue
        own = torch.arange(start, end)
        if mask is not None and mask.dim() == 2:
            own = own[(mask[sequence, start:end] != 0).cpu()]
            if len(own) == 0:
                continue
        if known is None:
            placed.append(Place(sequence, start, end, f"row-{seen + len(placed) + 1}", ""))
            continue
        row = known.row_of(ids[sequence].cpu()[own].tolist(), decode)
        placed.append(Place(sequence, start, end, row.id, row.cell, dict(zip(own.tolist(), row.trained))))
    return placed


def segments(ids: Tensor, positions: Tensor | None) -> Iterator[tuple[int, int, int]]:
    """A row is a sequence, or several lie in one end to end, each where positions begin anew."""
    for sequence in range(ids.shape[0]):
        starts = [0]
        if positions is not None:
            line = positions[min(sequence, positions.shape[0] - 1)]
            starts += [int(at) for at in torch.nonzero(line == 0)[:, 0] if at > 0]
        for start, end in zip(starts, [*starts[1:], ids.shape[1]]):
            yield sequence, start, end
