"""The commands that look over several sweeps, each by its name."""

from __future__ import annotations

import os
import typing

from .answer import Answer
from .command import Command
from .rows import path
from .sweep import Sweep

AnySweep = typing.Union[str, "os.PathLike[str]", Sweep]
"""A sweep, or its folder."""


def compare(a: AnySweep, b: AnySweep, *, quantity: typing.Literal["rate", "margin", "gap"] | None = None) -> Answer:
    """Two sweeps side by side: the arms that both have, after training.

    `table` has a line for each arm and component: the level in `a` and in `b`, `difference` (the second less the first, paired by seed and item), and
    the effects against each one's own control; probabilities or nats per reply, with the ends of their 95 % intervals. `summary` has the
    same as dicts.
    """
    with Command("compare") as command:
        return command.done({"quantity": quantity, "json": True}, [folder_of(a), folder_of(b)])


def list(folder: AnySweep = "runs") -> Answer:
    """The sweeps in a folder: `table` has a line for each, with how many of its runs are finished, running, failed and waiting; `summary` the same as
    dicts."""
    with Command("list") as command:
        return command.done({"json": True}, [path(folder, "the folder")])


def folder_of(sweep: AnySweep) -> str:
    """The folder of a sweep."""
    return path(sweep, "a sweep's folder")
