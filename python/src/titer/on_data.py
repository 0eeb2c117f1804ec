"""The commands that look at chats, replies and outcomes, each by its name."""

from __future__ import annotations

import json
import numbers
import os
import typing
from collections.abc import Mapping, Sequence

from .answer import Answer
from .command import Command, Compute, Template, as_bool, names, of_template, several
from .endpoint import Endpoint, of_endpoint
from ._lab import InputError
from .rows import File, Rows, dicts, is_missing, mapping, path, path_of, plain
from .sampling import of_words


def audit(
    *rows: Rows,
    model: str | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    endpoint: Endpoint | None = None,
    template: Template | None = None,
    **named: Rows,
) -> Answer:
    """What is in chats, and what differs between groups of them besides what should.

    Each argument is a path or rows in memory; rows by keyword are called so: `titer.audit(plain=…, prompted=…)`. `summary` has `groups` and
    `pairs`; with `model`, also by how much a context raises the log-probability of a reply, in nats.
    """
    for name in named:
        if os.path.basename(name) != name or name in ("", ".", "..") or not name.isprintable() or len(name.encode(errors="replace")) > 200:
            raise InputError(f"rows cannot be called `{name[:60]}`, since a name is that of a file; use a short one without a slash")
    # Groups are called by their files, and some systems take large letters for small ones.
    called = [f"rows-{at}.jsonl" for at, given in enumerate(rows, 1) if not isinstance(given, (str, os.PathLike))]
    called += [f"{name}.jsonl" for name, given in named.items() if not isinstance(given, (str, os.PathLike))]
    small = [name.casefold() for name in called]
    twice = [name for at, name in enumerate(called) if name.casefold() in small[:at]]
    if twice:
        raise InputError(f"two groups of rows would be called `{twice[0]}`; give one of them another name")
    with Command("audit") as command:
        paths = [path_of(given, command.folder, f"rows-{at}.jsonl") for at, given in enumerate(rows, 1)]
        paths += [path_of(given, command.folder, f"{name}.jsonl") for name, given in named.items()]
        given = {"model": model, "compute": compute, "device": device, "torch": torch, **of_endpoint(endpoint), "json": True, **of_template(template)}
        return command.done(given, paths)


def score(
    rows: Rows,
    rule: str | Sequence[str] = (),
    *,
    rules: File | None = None,
    sample: int | None = None,
    limit: int | None = None,
    temperature: float | None = None,
    replies: File | None = None,
    model: str | None = None,
    seed: int | None = None,
    adapter: File | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    endpoint: Endpoint | None = None,
    template: Template | None = None,
    judgements: Rows | None = None,
    score_column: str | None = None,
    scale: str | None = None,
    words: Mapping[str, float | None] | None = None,
    key: str | Sequence[str] | None = None,
    where: Mapping[str, str | float | bool | None] | None = None,
    by: str | Sequence[str] | None = None,
    cluster: str | None = None,
    out: File | None = None,
) -> Answer:
    """Rates of what replies show, by rules or by judgements made elsewhere.

    `rule`, `key` and `by` are one or several: a rule is `regex:PATTERN`, `answer:KEY`, `upper` or `language:fr`, say. `summary` has a dict for each group and rule: `rate`
    with its 95 % interval (`low`, `high`), `n` replies in `clusters` requests, and how many were `unscored`, and why.

    `where` takes rows by their values, `None` those that have none; in rows in memory numbers are compared as numbers, in files as they are written.
    With `sample`, so many replies are drawn to each chat, from `model` or `endpoint`, and those are scored; `replies` keeps them.
    """
    rows, only = chosen(rows, mapping(where, "where", '{"split": "test"}'))
    with Command("score") as command:
        given = {
            "rule": several(rule),
            "rules": rules,
            "sample": sample,
            "limit": limit,
            "temperature": temperature,
            "replies": replies,
            "model": model,
            "seed": seed,
            "adapter": adapter,
            "compute": compute, "device": device, "torch": torch,
            **of_endpoint(endpoint),
            **of_template(template),
            "judgements": None if judgements is None else path_of(judgements, command.folder, "judgements.jsonl"),
            "score_column": score_column,
            "scale": scale,
            "words": of_words(words),
            "key": names(key),
            "where": only,
            "by": names(by),
            "cluster": cluster,
            "out": out,
            "json": True,
        }
        return command.done(given, [path_of(rows, command.folder, "rows.jsonl")])


def chosen(rows: Rows, where: Mapping[str, typing.Any]) -> tuple[Rows, list[str]]:
    """Rows, and which of them are asked for, as an option each. Numbers of rows in memory are written as those that they are held against."""

    def as_number(value: typing.Any) -> typing.Any:
        return value if isinstance(value, numbers.Real) and as_bool(value) is None else None

    asked = {name: value for name, value in where.items() if as_number(value) is not None and not is_missing(value)}
    if asked and not isinstance(rows, (str, os.PathLike)):
        def one(row: typing.Any) -> typing.Any:
            equal = {name: value for name, value in asked.items() if as_number(row.get(name)) == value} if isinstance(row, Mapping) else {}
            return {**row, **equal} if equal else row

        rows = [one(row) for row in dicts(rows)]
    return rows, [f"{name}={written(value)}" for name, value in where.items()]


def written(value: typing.Any) -> str:
    """A value as rows have it."""
    if isinstance(value, str):
        return value
    try:
        return "" if is_missing(value) else json.dumps(value, ensure_ascii=False, default=plain).strip('"')
    except (TypeError, ValueError) as error:
        raise InputError(f"where: {error}") from None


Column = typing.Literal["prompt", "setting", "suppression", "kept", "target", "turn"]
"""The columns of a table of outcomes, by what they hold."""


def validate(
    arms: Rows,
    *,
    screening: File | Mapping[str, File] | None = None,
    columns: Mapping[Column, str] | None = None,
) -> Answer:
    """Which number from before training predicts outcomes of arms that were trained elsewhere, one arm a row.

    `screening` is what `titer.screen(out=…)` wrote of their prompts, or one file for each setting. `columns` says what columns are called that are
    not by their own names, such as `{"prompt": "wording"}`.
    """
    with Command("validate") as command:
        if screening is None:
            files = []
        elif isinstance(screening, Mapping):
            files = [f"{setting}={path(file, f'screening of `{setting}`')}" for setting, file in screening.items()]
        else:
            files = [path(screening, "screening")]
        given = {
            "screening": files,
            "column": [f"{name}={column}" for name, column in mapping(columns, "columns", '{"prompt": "wording"}').items()],
            "json": True,
        }
        return command.done(given, [path_of(arms, command.folder, "arms.jsonl")])
