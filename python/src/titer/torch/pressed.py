"""A line of the table of pressures for each row of a pass, as `titer pressure` has them."""

from __future__ import annotations

import typing

import torch
from torch import Tensor

from .._lab import InputError
from .batch import Place
from .captures import Contracted
from .margins import COMPONENTS
from .nats import Nats


def pressed(places: list[Place], nats: Nats, contracted: Contracted, gram: Tensor) -> list[dict[str, typing.Any]]:
    """What each row pushes, in nats of margin per unit of learning rate; positive pushes up. `gram` is `C Cᵀ`."""
    effects = (-contracted.dots / nats.factor).cpu()
    norms = (contracted.squares.sqrt() / abs(nats.factor)).cpu()
    unique = torch.linalg.solve(gram, effects.T).T
    lengths = gram.diagonal().sqrt()
    lines = []
    for at, place in enumerate(places):
        surprise, tokens = float(nats.nats[place.predicted].sum()), int(nats.trained[place.predicted].sum())
        if tokens == 0:
            raise InputError(f"row `{place.item}` trains no token; check labels, and that rows are not cut before their reply")
        norm, effect = float(norms[at]), effects[at]
        within = float((unique[at] * effect).sum())
        line: dict[str, typing.Any] = {
            "cell": place.cell,
            "item": place.item,
            "position": -1,
            "token": "",
            "tokens": tokens,
            "surprise": surprise,
            "surprise_per_token": surprise / tokens,
            "gradient_norm": norm,
        }
        line |= {f"pressure_{name}": float(effect[k]) for k, name in enumerate(COMPONENTS)}
        line |= {f"cosine_{name}": float(effect[k] / (norm * lengths[k])) for k, name in enumerate(COMPONENTS)}
        line |= {f"unique_{name}": float(unique[at, k]) for k, name in enumerate(COMPONENTS)}
        line["residual"] = min(1.0, max(0.0, 1.0 - within / norm**2))
        lines.append(line)
    return lines
