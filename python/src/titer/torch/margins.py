"""The components on contrasts: margins, rates and gradients of a user's model.

`f_k = mean over contrasts of (log p⁺ − log p⁻)` for `good`, `obey_bad` and `obey`, in nats per reply. Contrasts are tokenized by titer's own
code with the tokenizer's files, so that they are the tokens that `titer pressure` scores.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from .batch import refuse_length
from .quiet import quiet

COMPONENTS = ("good", "obey_bad", "obey")

CHUNK = 16
"""Sequences of a pass."""


@dataclasses.dataclass
class Contrast:
    """One context with its replies, as tokens."""

    id: str
    context: list[int]
    plus: list[int]
    minus: list[int]
    baseline: list[int] | None
    """The same request under a neutral prompt, for the gap."""
    prompts: str = "seen"
    domains: str = "trained"
    pressed: bool = True
    """Whether pressures are taken on the margin of its kind; others are only measured."""


class Margins:
    """Contrasts of each component: some to differentiate, others to measure."""

    def __init__(self, model: nn.Module, differentiated: dict[str, list[Contrast]], measured: dict[str, list[Contrast]]) -> None:
        self.model, self.differentiated, self.measured = model, differentiated, measured

    def gradients(self, parameters: dict[str, nn.Parameter]) -> tuple[dict[str, Tensor], list[float]]:
        """`∇f_k` by parameter, `[3, *shape]` in float32, and `f_k`, on the contrasts that are differentiated."""
        by_parameter = {name: torch.zeros(3, *p.shape, device=p.device) for name, p in parameters.items()}
        values = []
        for k, component in enumerate(COMPONENTS):
            margins, gradients = differentiated(self.model, self.differentiated[component], parameters)
            values.append(sum(margins) / len(margins))
            for name, gradient in gradients.items():
                by_parameter[name][k] = gradient
        return by_parameter, values

    def records(self, stage: str, step: int) -> tuple[list[dict[str, typing.Any]], list[float]]:
        """A line of `probes.parquet` for each contrast that is measured, and the mean margin of each component, of contrasts that pressures are taken on the like of."""
        lines: list[dict[str, typing.Any]] = []
        means = []
        with quiet(self.model), torch.no_grad():
            for component in COMPONENTS:
                margins = []
                for chunk in chunks(self.measured[component], CHUNK // 2):
                    log_probs = reply_log_probs(self.model, sequences(chunk)).tolist()
                    bases = [contrast for contrast in chunk if contrast.baseline is not None]
                    base = reply_log_probs(self.model, sequences(bases, baseline=True)).tolist() if bases else []
                    baselines = {contrast.id: base[2 * at] - base[2 * at + 1] for at, contrast in enumerate(bases)}
                    for at, contrast in enumerate(chunk):
                        plus, minus = log_probs[2 * at], log_probs[2 * at + 1]
                        if contrast.pressed:
                            margins.append(plus - minus)
                        of_bad = component == "obey_bad" and contrast.id in baselines
                        lines.append({
                            "stage": stage,
                            "step": step,
                            "component": component,
                            "prompts": contrast.prompts,
                            "domains": contrast.domains,
                            "item": contrast.id,
                            "margin": plus - minus,
                            "margin_per_token": plus / len(contrast.plus) - minus / len(contrast.minus),
                            "gap": plus - minus - baselines[contrast.id] if of_bad else math.nan,
                            "rate": math.exp(plus),
                            "other": max(0.0, 1.0 - math.exp(plus) - math.exp(minus)),
                        })
                means.append(sum(margins) / len(margins))
        return lines, means


def margins(model: nn.Module, contrasts: Sequence[Contrast]) -> list[float]:
    """The margin of each contrast, nats."""
    values: list[float] = []
    with quiet(model), torch.no_grad():
        for chunk in chunks(contrasts, CHUNK // 2):
            log_probs = reply_log_probs(model, sequences(chunk))
            values += (log_probs[0::2] - log_probs[1::2]).tolist()
    return values


def differentiated(
    model: nn.Module, contrasts: Sequence[Contrast], parameters: dict[str, nn.Parameter]
) -> tuple[list[float], dict[str, Tensor]]:
    """The margin of each contrast, nats, and the gradient of their mean by parameter, in float32."""
    margins: list[float] = []
    mean: dict[str, Tensor] = {}
    with quiet(model):
        for chunk in chunks(contrasts, CHUNK // 2):
            log_probs = reply_log_probs(model, sequences(chunk))
            each = log_probs[0::2] - log_probs[1::2]
            gradients = torch.autograd.grad(each.sum() / len(contrasts), list(parameters.values()), allow_unused=True)
            for name, gradient in zip(parameters, gradients):
                if gradient is not None:
                    mean[name] = mean[name] + gradient.float() if name in mean else gradient.float()
            margins += each.tolist()
    return margins, mean


def chunks(contrasts: Sequence[Contrast], size: int) -> Iterator[Sequence[Contrast]]:
    """Some at a time."""
    for at in range(0, len(contrasts), size):
        yield contrasts[at : at + size]


def sequences(contrasts: Sequence[Contrast], baseline: bool = False) -> list[tuple[list[int], int]]:
    """Plus and minus of each contrast, as tokens with how many of them are context."""
    replies = []
    for contrast in contrasts:
        context = contrast.context if not baseline or contrast.baseline is None else contrast.baseline
        replies += [(context + contrast.plus, len(context)), (context + contrast.minus, len(context))]
    return replies


def reply_log_probs(model: nn.Module, sequences: Sequence[tuple[list[int], int]]) -> Tensor:
    """The log-probability of each reply, nats, `[sequences]` in float32."""
    device = next(model.parameters()).device
    longest = max(len(tokens) for tokens, _ in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros(len(sequences), longest, dtype=torch.long)
    replies = torch.zeros(len(sequences), longest - 1)
    for at, (tokens, context) in enumerate(sequences):
        ids[at, : len(tokens)] = torch.tensor(tokens)
        mask[at, : len(tokens)] = 1
        replies[at, context - 1 : len(tokens) - 1] = 1
    ids, mask, replies = ids.to(device), mask.to(device), replies.to(device)
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    refuse_length(logits, ids, "logits")
    log_probs = torch.log_softmax(logits[:, :-1].float(), -1).gather(-1, ids[:, 1:, None])[..., 0]
    return (log_probs * replies).sum(1)
