"""A user's rows and contrasts as tokens, by titer's own code with the files of their tokenizer."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
import typing
from collections.abc import Iterator

from .. import _lab
from ..rows import Rows, path_of
from .margins import COMPONENTS, Contrast

Contrasts = dict[str, list[Contrast]]
"""By component."""


@dataclasses.dataclass
class EncodedRow:
    """A row as tokens, to the last one that is trained."""

    id: str
    cell: str
    tokens: list[int]
    trained: list[bool]
    bare: typing.Optional[list[int]]
    """The same without its system prompt, where it has one."""
    narrow: typing.Optional[EncodedRow] = None
    """The same under a trigger-scoped prompt, where one was asked for."""

    @staticmethod
    def of(given: dict[str, typing.Any]) -> EncodedRow:
        """From the extension module's answer."""
        narrow = given.get("narrow")
        return EncodedRow(
            given["id"], given["cell"], given["tokens"], given["trained"], given["bare"], EncodedRow.of(narrow) if narrow else None
        )


class KnownRows:
    """Rows that a trainer is given, to be found again in its batches by their tokens."""

    def __init__(self, rows: list[EncodedRow]) -> None:
        self._by_tokens: dict[tuple[int, ...], EncodedRow] = {}
        for row in rows:
            other = self._by_tokens.setdefault(tuple(row.tokens), row)
            if other.cell != row.cell:
                raise _lab.InputError(
                    f"rows `{other.id}` ({other.cell}) and `{row.id}` ({row.cell}) are the same tokens, so a batch does not say which is which; "
                    "take one of them out"
                )
        self._bare = {tuple(row.bare): row for row in rows if row.bare}
        self._lengths = sorted({len(tokens) for tokens in [*self._by_tokens, *self._bare]}, reverse=True)

    def find(self, tokens: list[int]) -> EncodedRow | None:
        """The row that these tokens begin with; a template may write more behind it."""
        return self._found(self._by_tokens, tokens)

    def row_of(self, tokens: list[int], decode: typing.Callable[[list[int]], str]) -> EncodedRow:
        """That row; an error that says what became of it where there is none."""
        row = self.find(tokens)
        if row is not None:
            return row
        bare = self._found(self._bare, tokens)
        if bare is not None:
            raise _lab.InputError(
                f"row `{bare.id}` comes without its system prompt: the trainer, or the template that it renders with, drops system prompts, so "
                "that what was to be tied to a prompt is trained without it; give the trainer rows that are rendered whole"
            )
        raise _lab.InputError(
            f"a row of the batch is none of the given rows: “{decode(tokens)[:300]}”. The trainer may have cut it, or rendered it by another "
            "template; give the rows that are trained, or leave `rows` out to go without cells"
        )

    def _found(self, rows: dict[tuple[int, ...], EncodedRow], tokens: list[int]) -> EncodedRow | None:
        for length in self._lengths:
            row = rows.get(tuple(tokens[:length])) if length <= len(tokens) else None
            if row is not None:
                return row
        return None


@contextlib.contextmanager
def files_of(tokenizer: typing.Any) -> Iterator[str]:
    """A folder with a tokenizer's files, for the time of a call."""
    if not getattr(tokenizer, "chat_template", None):
        raise _lab.InputError(
            "the tokenizer has no chat template, so titer cannot render chats as the trainer renders rows; set tokenizer.chat_template"
        )
    with tempfile.TemporaryDirectory(prefix="titer-") as folder:
        tokenizer.save_pretrained(folder)
        try:
            yield folder
        except _lab.InputError as error:
            # The folder's name says nothing to anyone.
            raise _lab.InputError(str(error).replace(folder + os.sep, "")) from None


def encoded(
    tokenizer: typing.Any, probes: Rows, rows: Rows | None = None
) -> tuple[Contrasts, Contrasts, KnownRows | None, str]:
    """Contrasts of each component to differentiate and to measure, as a run has them; the rows where they are given; and a hash of
    both. They must share no context."""
    with files_of(tokenizer) as folder:
        probes_path = path_of(probes, folder, "probes.jsonl")
        rows_path = None if rows is None else path_of(rows, folder, "rows.jsonl")
        answer = json.loads(_lab.encode(folder, probes_path, rows_path))
    differentiated, measured = (by_component(answer[use]) for use in ("differentiated", "measured"))
    for component in COMPONENTS:
        if not differentiated[component] or not any(contrast.pressed for contrast in measured[component]):
            raise _lab.InputError(
                f"there are too few contrasts of `{component}`: contrasts on two requests are needed for each component, one to differentiate and one to measure"
            )
    known = None if rows is None else KnownRows([EncodedRow.of(row) for row in answer["rows"]])
    return differentiated, measured, known, answer["hash"]


def by_component(probes: list[dict[str, typing.Any]]) -> Contrasts:
    """The contrasts of probes, from the extension module's answer."""
    contrasts: Contrasts = {component: [] for component in COMPONENTS}
    for probe in probes:
        for contrast in probe["contrasts"]:
            tokens = contrast["id"], contrast["context"], contrast["plus"], contrast["minus"], contrast["baseline"]
            contrasts[probe["component"]].append(Contrast(*tokens, probe["prompts"], probe["domains"], probe["pressed"]))
    return contrasts


def encoded_rows(tokenizer: typing.Any, rows: Rows, narrow: tuple[str, str] | None = None) -> list[EncodedRow]:
    """Rows as tokens; with `narrow`, a prompt and its trigger, those under bad prompts also under that one."""
    with files_of(tokenizer) as folder:
        answer = json.loads(_lab.encode_rows(folder, path_of(rows, folder, "rows.jsonl"), narrow))
    return [EncodedRow.of(row) for row in answer]
