"""Drawn replies and their scores, as options of commands."""

from __future__ import annotations

import typing
from collections.abc import Mapping

from .command import names
from .rows import File, Rows, mapping, path_of


class Sampling(typing.TypedDict, total=False):
    """Replies that are drawn in every context too, and what scores them."""

    sample: int
    """How many replies."""
    limit: int
    """Tokens of a reply at most."""
    temperature: float
    """What they are drawn at; 1 where left out, and 0 takes the likeliest."""
    replies: File
    """Where to write them, as chat rows (`.jsonl`)."""
    rule: str
    """As `titer.score` has it; whether a reply is the request's bad one where left out."""
    judgements: Rows
    """Judgements made elsewhere (`id`, `score`) of the replies that were written, in place of a rule."""
    score_column: str
    """Their column that holds the score."""
    scale: str
    """The numbers that stand for 0 and for 1, such as `0:100`."""
    words: Mapping[str, typing.Optional[float]]
    """Words in place of numbers with what they stand for; `None` for no verdict."""


def of_sampling(sampling: Sampling | None, folder: str) -> dict[str, typing.Any]:
    """The options of drawn replies."""
    given = mapping(sampling, "sampling", '{"sample": 4}')
    if "judgements" in given:
        given["judgements"] = path_of(given["judgements"], folder, "judgements.jsonl")
    return given | {"words": of_words(given.get("words"))}


def of_words(words: Mapping[str, float | None] | None) -> list[str] | None:
    """Words with what they stand for, an option each."""
    return names(word if number is None else f"{word}={number}" for word, number in mapping(words, "words", '{"yes": 1, "no": 0}').items())
