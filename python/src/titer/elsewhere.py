"""Arms that are trained elsewhere: written for other trainers, and brought back."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping, Sequence

from ._lab import InputError
from .answer import Answer
from .command import Command, Compute, seeds_of
from .endpoint import Endpoint, of_endpoint
from .progress import Progress
from .rows import File, Rows, mapping, path, path_of
from .spec import AnySpec
from .spec import path_of as spec_path
from .sweep import Sweep

Program = typing.Literal["trl", "axolotl", "llama-factory", "openai", "inspect", "tensorboard"]
"""Who trains the arms of a spec, or shows the finished runs of a sweep."""


def export(
    spec: AnySpec | Sweep,
    for_: Program,
    out: File,
    *,
    model: str | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    seeds: Sequence[int] | str | None = None,
    quick: bool = False,
) -> Answer:
    """Writes into the folder `out` what another program needs: for a trainer (`trl`, `axolotl`, `llama-factory`, `openai`) the rows of every arm
    of a spec, a configuration and a script; for a viewer (`inspect`, `tensorboard`) the finished runs of a sweep, by its folder or itself.

    `summary` has the `folder`; for a trainer its `runs` with their files too, and what is `not_carried`: done otherwise there.
    """
    with Command("export") as command:
        what = os.fspath(spec) if isinstance(spec, Sweep) else spec_path(spec, command)
        given = {
            "for": for_,
            "out": out,
            "model": model,
            "compute": compute, "device": device, "torch": torch,
            "seeds": seeds_of(seeds),
            "quick": quick,
            "json": True,
        }
        return command.done(given, [what])


def import_(
    export: File,
    *,
    out: File | None = None,
    run: Mapping[str, File] | None = None,
    outcomes: Rows | None = None,
    endpoint: Endpoint | None = None,
    threads: int | None = None,
    progress: Progress = False,
) -> Sweep:
    """Brings the trained arms of an export back into a sweep, `out`, and writes its report.

    Without more, every run that is where its configuration put it. `run` says where others are, by `ARM/SEED`: folders of models or adapters; with
    `endpoint`, what its server calls them, and `served` then is what it calls the model that all of them begin with. `outcomes` are rates
    that somebody else measured, one a line (`arm`, `seed`, `component`, `rate`).
    """
    if of_endpoint(endpoint).get("dry_run"):
        raise InputError("a dry run brings nothing in: `titer import --dry-run` says what asking would cost")
    with Command("import") as command:
        given = {
            "out": out,
            "run": [f"{name}={path(where, f'run `{name}`')}" for name, where in mapping(run, "run", '{"ARM/SEED": "folder"}').items()],
            "outcomes": None if outcomes is None else path_of(outcomes, command.folder, "outcomes.jsonl"),
            **of_endpoint(endpoint),
            "threads": threads,
            "json": True,
        }
        answer = command.done(given, [path(export, "the export")], progress)
    return Sweep(answer["folder"])
