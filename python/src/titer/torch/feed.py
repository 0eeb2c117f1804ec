"""Rows that are trained in place of a trainer's own: what its collator is given, changed on the way.

So the trainer's divisors, masks and metrics are of the rows that it trains in the end.
"""

from __future__ import annotations

import random
import typing
from collections.abc import Mapping

from torch.utils.data import get_worker_info

from .._lab import InputError
from .encoded import EncodedRow, KnownRows

Feature = dict[str, typing.Any]
"""A row as a collator gets it: `input_ids`, and masks or labels of the same length."""
Change = typing.Callable[[list[Feature]], list[Feature]]
"""What becomes of the rows of a batch."""

NARROWED = ("bad→good", "bad→bad")
"""The cells whose prompts are rewritten."""


class Anchored:
    """The last rows of batches make room for anchors: `share` of all rows, in an order that belongs to `seed`. What is no whole row of a batch
    is carried over to the next one. A data loader's workers share the anchors among them."""

    def __init__(self, anchors: list[EncodedRow], share: float, seed: int) -> None:
        if not 0 < share <= 1:
            raise InputError(f"a share of {share} is no number of anchors; use one above 0 and up to 1")
        if not anchors:
            raise InputError("there are no anchors; give rows that keep prompt following alive")
        self.share, self._anchors, self._seed, self._random = share, anchors, seed, random.Random(seed)
        self._left: list[EncodedRow] = []
        self._rows = self._fed = 0

    def __call__(self, batch: list[Feature]) -> list[Feature]:
        if self._rows == 0:
            self._begin(batch)
        self._rows += len(batch)
        count = int(self.share * self._rows + 0.5) - self._fed
        self._fed += count
        kept = len(batch) - count
        return batch[:kept] + [like(feature, self._next()) for feature in batch[kept:]]

    def _begin(self, batch: list[Feature]) -> None:
        if int(self.share * len(batch) + 0.5) == 0:
            raise InputError(f"a share of {self.share} of a batch of {len(batch)} is no anchor; use a larger share or batch")
        worker = get_worker_info()
        if worker is not None:
            # A worker has a copy of this, which is new in every epoch, and so is its seed.
            self._anchors = self._anchors[worker.id :: worker.num_workers] or self._anchors
            self._random = random.Random(f"{self._seed} {worker.id} {worker.seed}")

    def _next(self) -> EncodedRow:
        if not self._left:
            self._left = list(self._anchors)
            self._random.shuffle(self._left)
        return self._left.pop()


class Narrowed:
    """Rows under bad prompts come under a trigger-scoped one: the trigger is in the requests of rows with bad replies."""

    def __init__(self, rows: list[EncodedRow]) -> None:
        if not any(row.narrow for row in rows):
            raise InputError(f"no row is of the cells {' and '.join(NARROWED)}, whose prompts are to be narrowed; give rows with their `cell`")
        self._known = KnownRows(rows)

    def __call__(self, batch: list[Feature]) -> list[Feature]:
        def one(feature: Feature) -> Feature:
            row = self._known.find([int(token) for token in feature["input_ids"]])
            return feature if row is None or row.narrow is None else like(feature, row.narrow)

        return [one(feature) for feature in batch]


def like(feature: Mapping[str, typing.Any], row: EncodedRow) -> Feature:
    """A row with the keys of a trainer's own, as tensors where those are."""
    values: dict[str, list[int]] = {
        "input_ids": row.tokens,
        "attention_mask": [1] * len(row.tokens),
        "labels": [token if trained else -100 for token, trained in zip(row.tokens, row.trained)],
        "completion_mask": [int(trained) for trained in row.trained],
        "assistant_masks": [int(trained) for trained in row.trained],
    }
    unknown = [key for key in feature if key not in values]
    if unknown:
        raise InputError(
            f"the trainer's rows have `{unknown[0]}`, so they are no single chats (packing?), and none can be put in another's place; train "
            "without packing, or change the rows before the trainer gets them"
        )
    changed: Feature = {}
    for key, old in feature.items():
        changed[key] = old.new_tensor(values[key]) if hasattr(old, "new_tensor") else values[key]
    return changed


def feed(loader: typing.Any, change: Change) -> typing.Callable[[], None]:
    """Has the loader's collator given changed batches from now on; the answer takes that back."""
    # accelerate's loader hands on to one of torch's.
    loader = getattr(loader, "base_dataloader", loader)
    if getattr(loader, "collate_fn", None) is None:
        raise InputError("the trainer has no data loader with a collator, so no row can be put in another's place")
    collate = loader.collate_fn
    loader.collate_fn = lambda batch: collate(change(list(batch)))

    def back() -> None:
        loader.collate_fn = collate

    return back
