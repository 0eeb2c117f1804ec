"""The commands that look ahead of a spec's runs, each by its name."""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Iterable, Mapping, Sequence

from ._lab import InputError
from .answer import Answer
from .command import Command, Compute, seeds_of
from .progress import Progress
from .on_sweeps import AnySweep
from .rows import File, Rows, path, path_of
from .spec import AnySpec
from .spec import path_of as spec_path


def check(*what: AnySpec | Rows) -> Answer:
    """What is in specs and files of chats, without effects: arms, steps and rows of each cell; a dict for each."""
    with Command("check") as command:

        def path(at: int, given: typing.Any) -> str:
            if isinstance(given, (Mapping, str, os.PathLike)) or dataclasses.is_dataclass(given):
                return spec_path(typing.cast(AnySpec, given), command)
            return path_of(given, command.folder, f"rows-{at}.jsonl")

        return command.done({"json": True}, [path(at, given) for at, given in enumerate(what, 1)])


Pair = typing.Tuple[AnySpec, AnySweep]
"""A spec and the sweep of its runs."""


def forecast(
    spec: AnySpec | None = None,
    *,
    model: str | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    seeds: Sequence[int] | str | None = None,
    kernel: File | None = None,
    against: AnySweep | None = None,
    calibrate: Pair | Sequence[Pair] = (),
    refresh: int | None = None,
    items: int | None = None,
    contrasts: int | None = None,
    html: File | None = None,
    out: File | None = None,
    progress: Progress = False,
) -> Answer:
    """What the arms of a spec will do, without training them: rates with intervals, and the dose at which inoculation breaks.

    `against` holds it against the finished runs of a sweep, beside baselines. `calibrate` are pairs of a spec and its sweep, whose finished runs say
    how far forecasts of the same model and rows were off there, and so set the intervals. `html` writes an interactive page in place of a summary.
    """
    with Command("forecast") as command:
        paths = [] if spec is None else [spec_path(spec, command)]
        given = {
            "model": model,
            "compute": compute, "device": device, "torch": torch,
            "seeds": seeds_of(seeds),
            "kernel": kernel,
            "against": against,
            "calibrate": pairs(calibrate, command),
            "refresh": refresh,
            "items": items,
            "contrasts": contrasts,
            "html": html,
            "out": out,
            "json": html is None,
        }
        return command.done(given, paths, progress)


def pairs(given: typing.Any, command: Command) -> list[tuple[str, str]]:
    """Specs with their sweeps as values of an option, from one pair or several."""
    fits = "a spec and its sweep, such as calibrate=(\"spec.toml\", sweep), or a list of such pairs"
    if isinstance(given, (str, os.PathLike, Mapping)) or not isinstance(given, Iterable):
        raise InputError(f"calibrate is a {type(given).__name__}; give {fits}")
    several = list(given)

    def is_pair(one: typing.Any) -> bool:
        return isinstance(one, (tuple, list)) and len(one) == 2

    if is_pair(several) and not all(is_pair(one) for one in several):
        several = [several]
    for one in several:
        if not is_pair(one):
            raise InputError(f"calibrate has {repr(one)[:60]}; give {fits}")
    return [(spec_path(spec, command), path(sweep, "the sweep to calibrate by")) for spec, sweep in several]


def plan(
    limits: AnySpec,
    out: File,
    *,
    model: str | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    kernel: File | None = None,
    mixes: int | None = None,
    progress: Progress = False,
) -> Answer:
    """Finds a mix that meets limits, and writes it as the spec `out` with its forecast beside it.

    `limits` is a spec without a mix, with `rows` (what there is) and `limits` (what must hold).
    """
    with Command("plan") as command:
        path = spec_path(limits, command)
        given = {"out": out, "model": model, "compute": compute, "device": device, "torch": torch, "kernel": kernel, "mixes": mixes, "json": True}
        return command.done(given, [path], progress)
