"""Chat rows, contrasts and prompts from wherever they are: a path as it is, anything else as a file for the time of a call."""

from __future__ import annotations

import json
import math
import os
import typing
from collections.abc import Iterable, Mapping

from ._lab import InputError

File = typing.Union[str, "os.PathLike[str]"]
"""A path."""

if typing.TYPE_CHECKING:
    import datasets
    import pandas
    import polars

    Rows = typing.Union[str, os.PathLike[str], Iterable[Mapping[str, typing.Any]], pandas.DataFrame, polars.DataFrame, datasets.Dataset]
else:
    Rows = typing.Any


def path(given: typing.Any, what: str) -> str:
    """A path as text; `what` says what it is of where it is none."""
    if isinstance(given, (str, os.PathLike)):
        return os.fsdecode(os.fspath(given))
    raise InputError(f"{what} is a {type(given).__name__}; give a path")


def mapping(given: typing.Any, name: str, example: str) -> dict[str, typing.Any]:
    """A dict of options, empty where there is none."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"{name} is a {type(given).__name__}; give a dict such as {example}")
    return dict(given)


def path_of(rows: Rows, folder: str, name: str) -> str:
    """The path of a file with these rows: theirs, or one written into `folder` and called `name`."""
    if isinstance(rows, (str, os.PathLike)):
        return path(rows, "rows")
    written = os.path.join(folder, name)
    with open(written, "w", encoding="utf-8") as file:
        for at, row in enumerate(dicts(rows)):
            if not isinstance(row, Mapping):
                raise InputError(
                    f"{name}: row {at} is a {type(row).__name__}, {repr(row)[:60]}; give a path, dicts such as "
                    '{"messages": [...]}, a DataFrame or a datasets.Dataset'
                )
            # What a table has no value for, a row has not.
            row = {key: value for key, value in row.items() if not is_missing(value)}
            try:
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False, default=plain) + "\n")
            except UnicodeEncodeError as error:
                raise InputError(f"{name}: row {at}: {half(error)}") from None
            except (ValueError, RecursionError) as error:
                raise InputError(f"{name}: row {at} holds what JSON cannot: {odd_number(row) or error}") from None
            except TypeError as error:
                raise InputError(f"{name}: row {at} holds what JSON cannot: {error}") from None
    return written


def is_missing(value: typing.Any) -> bool:
    """Whether a table says by this that it has no value: `None`, pandas' `NA` and `NaT`, and what is not a number, of any type."""
    if value is None or type(value).__name__ in NOTHING:
        return True
    if isinstance(value, (str, bytes)) or hasattr(value, "__len__"):
        return False
    try:
        # Only what is not a number is not itself.
        return bool(value != value)
    except (TypeError, ValueError, ArithmeticError):
        return False


NOTHING = ("NAType", "NaTType")
"""What pandas has where there is no value."""


def odd_number(value: typing.Any, at: str = "") -> str | None:
    """The first number in it that is not finite, and where it stands."""
    if isinstance(value, Mapping):
        parts = ((f"{at}.{key}" if at else str(key), part) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        parts = ((f"{at}[{place}]", part) for place, part in enumerate(value))
    else:
        if hasattr(value, "tolist"):
            plainly = value.tolist()
            return odd_number(plainly, at) if type(plainly) is not type(value) else None
        return f"`{at}` is {value}, which is no number" if isinstance(value, float) and not math.isfinite(value) else None
    return next(filter(None, (odd_number(part, place) for place, part in parts)), None)


def half(error: UnicodeEncodeError) -> str:
    """What is wrong with a text that is not whole."""
    return f"the text {error.object[max(error.start - 20, 0):error.end + 20]!r} has half a character (a lone surrogate) in it; repair the text"


def dicts(rows: typing.Any) -> Iterable[typing.Any]:
    """Rows as dicts: of a datasets.Dataset, of pandas and polars, of pyarrow, of a list."""
    # pyarrow's tables call their columns so, pandas' otherwise.
    columns = list(getattr(rows, "column_names" if hasattr(rows, "to_pylist") else "columns", ()))
    twice = [name for at, name in enumerate(columns) if name in columns[:at]]
    if twice:
        raise InputError(f"the table has two columns called `{twice[0]}`, of which a row could hold one; rename one, or drop it")
    for method, arguments in (("to_list", ()), ("to_dicts", ()), ("to_pylist", ()), ("to_dict", ("records",))):
        if hasattr(rows, method) and not isinstance(rows, Mapping):
            return typing.cast(Iterable[typing.Any], getattr(rows, method)(*arguments))
    if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        raise InputError(
            f"rows are a {type(rows).__name__}; give a path, a list of dicts such as {{\"messages\": [...]}}, a DataFrame or a "
            "datasets.Dataset"
        )
    return rows


def prompts_path(prompts: typing.Any, folder: str) -> str:
    """The path of a file with candidate prompts: texts, or dicts with `text`, `name` and `trigger`."""
    if not isinstance(prompts, (str, os.PathLike, Mapping)) and isinstance(prompts, Iterable):
        prompts = [{"text": str(prompt)} if isinstance(prompt, str) else prompt for prompt in dicts(prompts)]
    return path_of(prompts, folder, "prompts.jsonl")


def plain(value: typing.Any) -> typing.Any:
    """What JSON does not know, as what it knows: numpy's numbers and arrays, days and times."""
    if type(value).__name__ in NOTHING:
        return None
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise InputError(f"a row holds a {type(value).__name__}, which is neither text, number nor list; turn it into one")
