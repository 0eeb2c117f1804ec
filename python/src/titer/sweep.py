"""Sweeps: trained and measured, or opened where they lie."""

from __future__ import annotations

import os
import typing
from pathlib import Path

from .command import Command, Compute, seeds_of
from .progress import Progress
from .report import Report
from .rows import path
from .spec import AnySpec, path_of
from .table import Table


class Sweep:
    """A sweep's folder: `titer.Sweep("runs/q1")` opens one that is there."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(path(folder, "a sweep's folder"))

    def __fspath__(self) -> str:
        """Where it lies, so that it can stand wherever its folder can."""
        return str(self.folder)

    def results(self, effects: bool = False) -> Table:
        """The results of finished runs, one line for each run of an arm, moment and probe: margin and gap in nats per reply, rates as
        probabilities, means over contrasts. With `effects`, one line for each arm, moment and probe: its difference from the control,
        paired by seed, with 95 % intervals."""
        return results(self.folder, effects)

    def report(self, out: str | os.PathLike[str] | None = None) -> Report:
        """Writes the report (`report.html` in the folder, or `out`) and gives it to be shown inline."""
        with Command("report") as command:
            command.done({"out": out}, [str(self.folder)])
        return Report(out if out is not None else self.folder / "report.html")

    def verify(self) -> dict[str, typing.Any]:
        """Whether the finished runs are as they were written: counts of `whole`, `damaged` and `unverified` ones.

        Raises `titer.WorkError` where one is not; its `data` says which."""
        with Command("verify") as command:
            summary: dict[str, typing.Any] = command.done({"json": True}, [str(self.folder)]).summary
        return summary

    def __repr__(self) -> str:
        return f"<titer.Sweep {self.folder}>"


def run(
    spec: AnySpec | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    model: str | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    seeds: typing.Sequence[int] | str | None = None,
    quick: bool = False,
    repair: bool = False,
    threads: int | None = None,
    progress: Progress = False,
) -> Sweep:
    """Trains and measures every arm of a spec (a path or a dict; none is the quick start), and writes the report.

    Finished runs are not made again, so the same call goes on where it was stopped. Ctrl-C ends it between two steps with
    `KeyboardInterrupt`, waiting for that ten seconds at most; finished runs are kept. `out` is the sweep's folder, `runs/<name of the spec>` where none is named; `model` and
    `seeds` stand in place of the spec's; `quick` cuts it to two seeds and 16 contrasts a probe. The same bytes as `titer run` writes.
    """
    with Command("run") as command:
        paths = [] if spec is None else [path_of(spec, command)]
        given = {
            "out": out,
            "model": model,
            "compute": compute, "device": device, "torch": torch,
            "seeds": seeds_of(seeds),
            "quick": quick,
            "repair": repair,
            "threads": threads,
            "json": True,
        }
        answer = command.done(given, paths, progress)
    return Sweep(answer["folder"])


def results(folder: str | os.PathLike[str] | Sweep, effects: bool = False) -> Table:
    """The results in a sweep's folder as one table, see `Sweep.results`."""
    with Command("results") as command:
        return command.done({"effects": effects}, [path(folder, "a sweep's folder")]).table
