"""Specs as dicts: the keys are those of a spec's file."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import typing
from collections.abc import Mapping

from ._lab import InputError, toml_of
from .fields import Spec
from .rows import half, odd_number

if typing.TYPE_CHECKING:
    from .command import Command


class Dataclass(typing.Protocol):
    """A dataclass of one's own."""

    __dataclass_fields__: typing.ClassVar[dict[str, typing.Any]]


AnySpec = typing.Union[str, "os.PathLike[str]", Spec, Mapping[str, typing.Any], Dataclass]
"""A spec's path, or the spec as a dict; it and its parts may be dataclasses of one's own with the same names."""


def path_of(spec: AnySpec, command: Command) -> str:
    """The path of a spec for a command line; of a dict, the name that stands for its text."""
    if isinstance(spec, (str, os.PathLike)):
        return os.fspath(spec)
    given = without_none(spec)
    if not isinstance(given, Mapping):
        raise InputError(f"a spec is a path or a dict, not a {type(spec).__name__}")
    text = toml(given)
    path, number = f"{name_of(given)}.toml", 1
    while command.specs.get(path, text) != text:
        # Another one of this title.
        number += 1
        path = f"{name_of(given)}-{number}.toml"
    command.specs[path] = text
    return path


def toml(spec: Mapping[str, typing.Any]) -> str:
    """The text of a spec's file."""
    try:
        return toml_of(json.dumps(spec, ensure_ascii=False, allow_nan=False, default=plain))
    except UnicodeEncodeError as error:
        raise InputError(f"the spec: {half(error)}") from None
    except ValueError as error:
        raise InputError(f"the spec holds what no spec can: {odd_number(spec) or error}") from None
    except TypeError as error:
        raise InputError(f"the spec holds what no spec can: {error}") from None


def plain(value: typing.Any) -> typing.Any:
    """What JSON does not know, as what it knows: paths, numpy's numbers and arrays."""
    return value.tolist() if hasattr(value, "tolist") else os.fspath(value)


def name_of(spec: Mapping[str, typing.Any]) -> str:
    """What a sweep's folder is called: by the spec's title."""
    return re.sub(r"\W+", "-", str(spec.get("title") or "spec").lower()).strip("-")[:40].strip("-") or "spec"


def without_none(value: typing.Any) -> typing.Any:
    """The same without keys that are `None`, dataclasses as dicts."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): without_none(part) for key, part in value.items() if part is not None}
    if isinstance(value, (list, tuple, range)):
        return [without_none(part) for part in value]
    return value
