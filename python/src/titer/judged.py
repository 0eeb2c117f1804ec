"""Replies judged by a model behind an endpoint."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping

from .answer import Answer
from .command import Command
from .endpoint import Endpoint, of_endpoint
from .rows import File, Rows, path, path_of
from .sampling import of_words


def judge(
    rows: Rows,
    rubric: File,
    endpoint: Endpoint,
    *,
    judgements: Rows | None = None,
    score_column: str | None = None,
    scale: str | None = None,
    words: Mapping[str, float | None] | None = None,
    threshold: float | None = None,
    out: File | None = None,
) -> Answer:
    """Has a model behind an endpoint judge replies by a rubric: scores between 0 and 100.

    `rubric` is a file, or a text with `{reply}` where the reply goes (`{request}` and `{system}` where those go). `table` has a line a reply: its
    `score`, the kind of `verdict`, what the judge `said`. `summary` has the mean with its 95 % interval, verdicts by kind, and the
    `agreement` with `judgements` by somebody else. `titer.score(rows, judgements=out, scale="0:100")` takes what `out` holds.
    """
    with Command("judge") as command:
        if isinstance(rubric, str) and "{reply}" in rubric:
            text = os.path.join(command.folder, "rubric.txt")
            with open(text, "w", encoding="utf-8") as file:
                file.write(rubric)
        else:
            text = path(rubric, "the rubric")
        given: dict[str, typing.Any] = {
            "rubric": text,
            **of_endpoint(endpoint),
            "judgements": None if judgements is None else path_of(judgements, command.folder, "judgements.jsonl"),
            "score_column": score_column,
            "scale": scale,
            "words": of_words(words),
            "threshold": threshold,
            "out": os.path.join(command.folder, "judged.jsonl") if out is None else out,
            "json": True,
        }
        return command.done(given, [path_of(rows, command.folder, "rows.jsonl")])
