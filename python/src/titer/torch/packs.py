"""Whether rows that lie end to end in one sequence see each other.

Some attention does not look at positions: then a row in a pack is another row than by itself, and so is what it pushes.
"""

from __future__ import annotations

import typing

import torch
from torch import Tensor, nn

from .._lab import InputError
from .batch import Place
from .quiet import quiet


def apart(model: nn.Module, given: dict[str, typing.Any], ids: Tensor, places: list[Place]) -> bool:
    """Whether there is a pack in the batch. Fails where its last row is predicted otherwise than by itself."""
    packed = [place for place in places if place.start > 0]
    if not packed:
        return False
    row = packed[-1]
    line = slice(row.sequence, row.sequence + 1)
    rest = {name: value for name, value in given.items() if name in ("position_ids", "attention_mask", "use_cache") and value is not None}
    here = {name: value[line] if isinstance(value, Tensor) and value.shape[0] == ids.shape[0] else value for name, value in rest.items()}
    tokens = ids[line, row.start : row.end]
    with quiet(model), torch.no_grad():
        in_pack = model(input_ids=ids[line], **here).logits[:, row.start : row.end]
        alone = model(input_ids=tokens, use_cache=False).logits
    off = float((log_p(in_pack, tokens) - log_p(alone, tokens)).abs().max())
    if not off <= (1e-2 if alone.dtype == torch.float32 else 0.3):
        raise InputError(
            f"rows that are packed into one sequence see each other: a token of row `{row.item}` is {off:.2g} nats likelier or less likely there than "
            "by itself, so this would train other rows than those that were given; set model.config.use_cache = False, use an attention "
            "that looks at positions (attn_implementation=\"flash_attention_2\"), or train without packing"
        )
    return True


def log_p(logits: Tensor, ids: Tensor) -> Tensor:
    """Of each token but the first, nats."""
    return torch.log_softmax(logits[:, :-1].float(), -1).gather(-1, ids[:, 1:, None])[..., 0]
