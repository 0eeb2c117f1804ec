"""What a loss is made of: the nats of every trained token, and the factor that they come with.

Both are read from the gradient of the model's output, so that whatever a trainer does behind it is seen as it is.
"""

from __future__ import annotations

import dataclasses
import math
import typing

import torch
from torch import Tensor

from .._lab import InputError


@dataclasses.dataclass
class Nats:
    """The trained tokens of one pass."""

    nats: Tensor
    """`[sequences, tokens - 1]`: `−log p` of each trained token, 0 elsewhere (float64)."""
    trained: Tensor
    """`[sequences, tokens - 1]`: which are."""
    factor: float
    """The loss is this times the sum of the nats."""
    off: float
    """How far the gradient is from that of such a loss, relative to its length."""

    @property
    def is_finite(self) -> bool:
        """Whether the loss and its gradient are numbers."""
        return math.isfinite(self.factor) and math.isfinite(self.off) and bool(self.nats.isfinite().all())


def on_gradient(output: Tensor, read: typing.Callable[[Tensor], None]) -> None:
    """Calls `read` with the loss's gradient of a model's output. accelerate hands on a copy of the output in another number type, and the loss
    may come from the original: there both meet."""
    node: typing.Any = output.grad_fn
    while node.name() == "ToCopyBackward0":
        node = node.next_functions[0][0]
    node.register_prehook(lambda gradients: read(gradients[0]))


def of_logits(logits: Tensor, gradient: Tensor, ids: Tensor, labels: Tensor | None) -> Nats:
    """From logits, `[sequences, tokens, words]`, and the loss's gradient of them."""
    gradient = gradient[:, :-1]
    trained = gradient.abs().amax(-1) > 0 if labels is None else labels[:, 1:] != -100
    gradient, log_p = gradient[trained].float(), torch.log_softmax(logits[:, :-1][trained].float(), -1)
    words = ids[:, 1:][trained][:, None]
    nats = -log_p.gather(1, words)[:, 0]
    # ∂(−log p(y))/∂logits = p − e_y
    slope = log_p.exp().scatter_add(1, words, -torch.ones_like(nats)[:, None])
    factor = (gradient * slope).sum() / (slope * slope).sum()
    return checked(trained, nats, gradient, float(factor), float((gradient - factor * slope).norm() / gradient.norm()))


def of_log_probs(log_probs: Tensor, gradient: Tensor, labels: Tensor | None) -> Nats:
    """From log-probabilities of the tokens themselves, `[sequences, tokens - 1]`, which TRL's fused output head gives: zero where there is no
    label, with a gradient as elsewhere."""
    trained = (gradient != 0) & (log_probs != 0) if labels is None else labels[:, 1:] != -100
    factors = -gradient[trained].double()
    off = float((factors - factors.mean()).norm() / factors.norm())
    return checked(trained, -log_probs[trained], factors, float(factors.mean()) if len(factors) else 0.0, off)


def checked(trained: Tensor, nats: Tensor, gradient: Tensor, factor: float, off: float) -> Nats:
    """The same spread over places; fails where nothing is trained."""
    if len(nats) == 0 or not bool(gradient.any()):
        raise InputError("a batch trains no token; check labels")
    spread = torch.zeros(trained.shape, dtype=torch.float64, device=nats.device)
    spread[trained] = nats.double()
    return Nats(spread, trained, factor, off)
