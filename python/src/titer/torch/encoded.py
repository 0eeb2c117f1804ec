"""A user's rows and contrasts as tokens, by titer's own code with the files of their tokenizer."""

from __future__ import annotations

import json
import os
import tempfile
import typing

from .. import _lab
from ..rows import Rows, path_of
from .margins import COMPONENTS, Contrast


class KnownRows:
    """Rows that a trainer is given, to be found again in its batches by their tokens."""

    def __init__(self, rows: list[dict[str, typing.Any]]) -> None:
        self._by_tokens = {tuple(row["tokens"]): (row["id"], row["cell"]) for row in rows}
        self._lengths = sorted({len(tokens) for tokens in self._by_tokens}, reverse=True)

    def find(self, tokens: list[int]) -> tuple[str, str] | None:
        """The id and the cell of a row that these tokens begin with; a template may write more behind it."""
        for length in self._lengths:
            found = self._by_tokens.get(tuple(tokens[:length])) if length <= len(tokens) else None
            if found is not None:
                return found
        return None


def encoded(tokenizer: typing.Any, probes: Rows, rows: Rows | None) -> tuple[dict[str, list[Contrast]], KnownRows | None, str]:
    """Contrasts of each component, the rows where they are given, and a hash of both. They must share no context."""
    if not getattr(tokenizer, "chat_template", None):
        raise _lab.InputError(
            "the tokenizer has no chat template, so titer cannot render contrasts as the trainer renders rows; set tokenizer.chat_template"
        )
    with tempfile.TemporaryDirectory(prefix="titer-") as folder:
        tokenizer.save_pretrained(folder)
        probes_path = path_of(probes, folder, "probes.jsonl")
        rows_path = None if rows is None else path_of(rows, folder, "rows.jsonl")
        try:
            found = json.loads(_lab.encode(folder, probes_path, rows_path))
        except _lab.InputError as error:
            raise _lab.InputError(str(error).replace(folder + os.sep, "")) from None
    contrasts = {
        component: [
            Contrast(one["id"], one["context"], one["plus"], one["minus"], one["baseline"]) for one in found["contrasts"][component]
        ]
        for component in COMPONENTS
    }
    few = [component for component in COMPONENTS if len(contrasts[component]) < 2]
    if few:
        raise _lab.InputError(
            f"there is one contrast of `{few[0]}`: a ledger needs two of each component, one to differentiate and one to measure"
        )
    return contrasts, None if rows is None else KnownRows(found["rows"]), found["hash"]
