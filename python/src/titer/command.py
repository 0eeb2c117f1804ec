"""Calling a command: keywords as options, files for what is in memory, an answer."""

from __future__ import annotations

import numbers
import os
import tempfile
import typing
from collections.abc import Iterable, Mapping

from . import _lab
from .answer import Answer
from .progress import Bar, Progress, told
from .rows import half, mapping
from .table import Table


Compute = typing.Literal["f32", "bf16"]
"""What frozen weights that their file holds as bf16 are multiplied in; f32 where left out, or what the spec says."""


class Template(typing.TypedDict, total=False):
    """What chats are rendered with; the same keys as in a spec's `[model]`."""

    system_in_user: bool
    """Put system prompts at the start of the first user turn, for chat templates that take none."""
    skip_split_tokens: bool
    """Where a token is half header and half reply, train and score from the next one on."""
    template_date: str
    """The day that a template which prints the date takes for today."""
    template_variables: dict[str, typing.Any]
    """What the template may read besides the chat, such as `{"enable_thinking": False}`."""


def of_template(template: Template | None) -> dict[str, typing.Any]:
    """The options of a template."""
    import json

    given = mapping(template, "template", '{"system_in_user": True}')
    variables = mapping(given.pop("template_variables", None), "template_variables", '{"enable_thinking": False}')
    given["template_variable"] = [f"{name}={json.dumps(value)}" for name, value in variables.items()]
    return given


FLAGS = (
    "quick", "repair", "per_token", "verify", "narrow", "anyway", "dry_run", "effects", "json", "system_in_user", "skip_split_tokens",
)
"""Options that have no value."""


def as_bool(given: typing.Any) -> bool | None:
    """Python's and numpy's `True` and `False`; none of anything else."""
    return bool(given) if type(given).__name__ in ("bool", "bool_") else None


def options(given: Mapping[str, typing.Any]) -> list[str]:
    """Keywords as the command line has them: `True` is a flag, a list a repeated option, a tuple values with commas between them, a tuple in a list values of
    one option that takes several;
    what is `None` or `False` is left out."""
    line: list[str] = []
    for key, value in given.items():
        option = "--" + key.strip("_").replace("_", "-")
        flag = as_bool(value)
        if key in FLAGS and value is not None and flag is None:
            raise _lab.InputError(f"{key} is {value!r}; give True or False")
        value = value if flag is None else flag
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if value is None or value is False:
            continue
        if value is True:
            line.append(option)
        elif isinstance(value, list):
            for element in value:
                # An option of several values has them behind it.
                line += [option, *element] if isinstance(element, tuple) else [f"{option}={element}"]
        elif isinstance(value, tuple):
            line.append(f"{option}={','.join(map(str, value))}")
        else:
            line.append(f"{option}={value}")
    return line


def several(given: typing.Any) -> list[typing.Any]:
    """What was given as a list: a text, like any other single value, is a list of one."""
    if isinstance(given, (str, os.PathLike)) or not isinstance(given, Iterable):
        return [given]
    # numpy's numbers without a place are arrays of no length.
    if getattr(given, "ndim", 1) == 0:
        return [typing.cast(typing.Any, given).item()]
    return list(given)


def names(given: str | Iterable[str] | None) -> list[str] | None:
    """Names as values of an option that takes several with commas between them: one a time, with the commas that are theirs."""
    return None if given is None else [str(name).replace(",", "\\,") for name in several(given)]


def seeds_of(given: str | int | Iterable[int] | None) -> tuple[str | int, ...] | None:
    """Seeds as one option: numbers, or a text such as `0-3`."""
    return None if given is None else tuple(several(given))


class Command:
    """One call of a command; as a context, it has a folder for files that are in memory so far."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.specs: dict[str, str] = {}

    def __enter__(self) -> Command:
        self._folder = tempfile.TemporaryDirectory(prefix="titer-")
        self.folder = self._folder.name
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def done(
        self,
        given: Mapping[str, typing.Any],
        paths: Iterable[str] = (),
        progress: Progress = False,
    ) -> Answer:
        """Does it."""
        tell = told(progress)
        line = ["titer", self.verb, *options(given), "--", *paths]
        try:
            data, talk, tables = _lab.call(line, self.specs, tell)
        except UnicodeEncodeError as error:
            raise _lab.InputError(half(error)) from None
        except _lab.TiterError as error:
            shown = type(error)(self._shown(str(error)))
            shown.data = [self._shown(line) for line in getattr(error, "data", [])]
            raise shown from None
        finally:
            if isinstance(tell, Bar):
                tell.close()
        return Answer(self.verb, [self._shown(line) for line in data], [self._shown(note) for note in talk], [Table(table) for table in tables])

    def _shown(self, text: str) -> str:
        """The same without the name of the folder, which says nothing to anyone and is gone soon."""
        return text.replace(self.folder + os.sep, "")
