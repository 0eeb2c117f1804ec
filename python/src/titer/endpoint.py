"""A model behind an endpoint, as options of commands."""

from __future__ import annotations

import typing

from .rows import File, mapping


class Endpoint(typing.TypedDict, total=False):
    """A server that is asked in place of a model here, whose `model` then gives tokenizer and chat template alone."""

    endpoint: str
    """Its address, such as `http://localhost:8000`: vLLM, SGLang, llama.cpp's or titer's for log-probabilities, any that speaks OpenAI's
    interface for chats."""
    served: str
    """What it calls the model."""
    key_from: str
    """The environment variable that holds its key."""
    at_once: int
    """Requests under way at once."""
    tries: int
    """How often it is asked while it is busy."""
    cache: File
    """The folder in which answers are kept."""
    dry_run: bool
    """Send nothing; `summary` says how many requests and tokens it would be."""


def of_endpoint(endpoint: Endpoint | None) -> dict[str, typing.Any]:
    """The options of an endpoint."""
    return mapping(endpoint, "endpoint", '{"endpoint": "http://localhost:8000", "served": "name"}')
