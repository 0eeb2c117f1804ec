"""Chat rows, contrasts and prompts from wherever they are: a path as it is, anything else as a file for the time of a call."""

from __future__ import annotations

import json
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


def path_of(rows: Rows, folder: str, name: str) -> str:
    """The path of a file with these rows: theirs, or one written into `folder` and called `name`."""
    if isinstance(rows, (str, os.PathLike)):
        return os.fspath(rows)
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        for at, row in enumerate(dicts(rows)):
            if not isinstance(row, Mapping):
                raise InputError(
                    f"{name}: row {at} is a {type(row).__name__}, {repr(row)[:60]}; give a path, dicts such as "
                    '{"messages": [...]}, a DataFrame or a datasets.Dataset'
                )
            # What a table has no value for, a row has not.
            row = {key: value for key, value in row.items() if value is not None and not (isinstance(value, float) and value != value)}
            file.write(json.dumps(row, ensure_ascii=False, default=plain) + "\n")
    return path


def dicts(rows: typing.Any) -> Iterable[typing.Any]:
    """Rows as dicts: of a datasets.Dataset, of pandas and polars, of pyarrow, of a list."""
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
    if isinstance(prompts, (list, tuple)):
        prompts = [{"text": prompt} if isinstance(prompt, str) else prompt for prompt in prompts]
    return path_of(prompts, folder, "prompts.jsonl")


def plain(value: typing.Any) -> typing.Any:
    """What JSON does not know, as what it knows: numpy's numbers and arrays, days and times."""
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise InputError(f"a row holds a {type(value).__name__}, which is neither text, number nor list; turn it into one")
