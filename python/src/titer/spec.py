"""Specs as dicts: the keys are those of a spec's file."""

from __future__ import annotations

import json
import os
import re
import typing
from collections.abc import Mapping

from ._lab import InputError, toml_of

if typing.TYPE_CHECKING:
    from .command import Command


class SpecDict(typing.TypedDict, total=False):
    """A spec as a dict; `titer init` prints a commented one."""

    title: str
    question: str
    seeds: list[int]
    model: dict[str, typing.Any]
    """`base`, `lora`, `dtype`, what chats are rendered with."""
    data: dict[str, typing.Any]
    """`rows` (paths), `probes` (a path), rules for cells; paths are seen from where Python runs."""
    probes: dict[str, typing.Any]
    """`items`, `every`."""
    stage: list[dict[str, typing.Any]]
    """The stages: `name`, `rows`, `batch`, `epochs`, `optimiser`, `lr`, `mix`, `guards`, …"""
    sweep: dict[str, list[typing.Any]]
    """The swept axes, such as `{"train.mix.bad→good": [0.0, 0.5]}`."""
    claim: list[dict[str, typing.Any]]
    """What the runs are to show."""
    pressure: typing.Any
    checkpoints: typing.Any
    leak: dict[str, typing.Any]
    screen: bool


Spec = typing.Union[str, "os.PathLike[str]", SpecDict, Mapping[str, typing.Any]]
"""A spec's path, or the spec as a dict."""


def path_of(spec: Spec, command: Command) -> str:
    """The path of a spec for a command line; of a dict, the name that stands for its text."""
    if isinstance(spec, (str, os.PathLike)):
        return os.fspath(spec)
    if not isinstance(spec, Mapping):
        raise InputError(f"a spec is a path or a dict, not a {type(spec).__name__}")
    try:
        text = toml_of(json.dumps(without_none(spec), default=os.fspath))
    except TypeError as error:
        raise InputError(f"the spec holds what no spec can: {error}") from None
    path = f"{name_of(spec)}.toml"
    command.specs[path] = text
    return path


def name_of(spec: Mapping[str, typing.Any]) -> str:
    """What a sweep's folder is called: by the spec's title."""
    return re.sub(r"\W+", "-", str(spec.get("title") or "spec").lower()).strip("-")[:40].strip("-") or "spec"


def without_none(value: typing.Any) -> typing.Any:
    """The same without keys that are `None`."""
    if isinstance(value, Mapping):
        return {str(key): without_none(one) for key, one in value.items() if one is not None}
    if isinstance(value, (list, tuple)):
        return [without_none(one) for one in value]
    return value
