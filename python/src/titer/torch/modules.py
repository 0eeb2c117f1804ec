"""What titer knows of modules: which have gradients that can be told by row, and what they multiply with."""

from __future__ import annotations

import inspect
import typing

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .._lab import InputError


def refuse(place: str, module: nn.Module, leaf: str, parameter: nn.Parameter) -> None:
    """Fails on a module whose gradient would not be told by row."""
    kind = type(module).__name__
    if type(parameter).__name__ in ("DTensor", "FlatParameter") or hasattr(parameter, "ds_id"):
        raise InputError(
            f"{place}.{leaf} is sharded (FSDP, DeepSpeed): no process sees whole gradients there; train on one device, without sharding"
        )
    linear = isinstance(module, (nn.Linear, nn.Embedding)) and leaf == "weight"
    if not (linear or leaf == "bias" or parameter.dim() == 1 and leaf == "weight" and takes_one(module)):
        raise InputError(
            f"{place}: titer knows linear layers, embeddings and norms, and not a trained `{kind}` with a `{leaf}` of {parameter.dim()} "
            "dimensions; freeze it (requires_grad_(False)), or put plain adapters on linear layers only (without DoRA)"
        )


def takes_one(module: nn.Module) -> bool:
    """Whether a module makes its output of one input, as norms do."""
    kinds = inspect.Parameter
    given = [one for one in inspect.signature(module.forward).parameters.values() if one.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
    needed = [one for one in given if one.default is kinds.empty]
    return len(needed) == 1 and needed[0].kind is not kinds.KEYWORD_ONLY


def embedding_scale(module: nn.Embedding) -> float:
    """What an embedding multiplies its words with: Gemma's are scaled."""
    with torch.no_grad():
        word = int(module.weight.float().norm(dim=1).argmax())
        given = module.weight[word].float()
        scaled = module(torch.tensor([word], device=module.weight.device))[0].float()
        square = (given * given).sum()
        return float((scaled * given).sum() / square) if float(square) > 0 else 1.0


def slopes(module: nn.Module, x: Tensor) -> Tensor:
    """`∂y/∂w` of a module that is linear in its weight and takes each coordinate by itself: its answer to ones less that to zeros."""
    weight = typing.cast(Tensor, module.weight)
    hooks, module._forward_hooks = module._forward_hooks, type(module._forward_hooks)()
    try:
        answers = [functional_call(module, {"weight": make(weight)}, (x,)) for make in (torch.ones_like, torch.zeros_like)]
    finally:
        module._forward_hooks = hooks
    return typing.cast(Tensor, answers[0] - answers[1])
