"""The commands that measure a model, each by its name."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence

from .answer import Answer
from .command import Command, Compute, Template, of_template, several
from .endpoint import Endpoint, of_endpoint
from .progress import Progress
from .rows import File, Rows, path_of, prompts_path
from .sampling import Sampling, of_sampling


def pressure(
    model: str = "organism",
    rows: Rows | None = None,
    probes: Rows | None = None,
    *,
    seed: int = 0,
    items: int | None = None,
    contrasts: int | None = None,
    precondition: typing.Literal["none", "adam"] = "none",
    lr: float | None = None,
    lora: int | None = None,
    adapter: File | None = None,
    dtype: str | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    per_token: bool = False,
    verify: bool = False,
    weight: float | None = None,
    multiples: float | Sequence[float] | None = None,
    kernel: File | None = None,
    template: Template | None = None,
    out: File | None = None,
    progress: Progress = False,
) -> Answer:
    """What each row's gradient does to each component.

    `table` has one line a row: its cell, its surprise (nats), and for `good`, `obey_bad` and `obey` the pressure: nats of margin per unit
    of learning rate, or per step with `lr`; positive pushes the component up. `summary` has means by cell with 95 % intervals.
    `rows` are chats and `probes` contrasts (`component`, `messages`, `plus`, `minus`), as a path or in memory; without them, those of
    the model's world. They must share no context.
    """
    with Command("pressure") as command:
        given = {
            "model": model,
            "rows": None if rows is None else path_of(rows, command.folder, "rows.jsonl"),
            "probes": None if probes is None else path_of(probes, command.folder, "probes.jsonl"),
            "seed": seed,
            "items": items,
            "contrasts": contrasts,
            "precondition": precondition,
            "lr": lr,
            "lora": lora,
            "adapter": adapter,
            "compute": compute, "device": device, "torch": torch,
            "dtype": dtype,
            "per_token": per_token,
            "verify": verify,
            "weight": weight,
            "multiples": None if multiples is None else tuple(several(multiples)),
            "kernel": kernel,
            "out": out,
            "json": True,
            **of_template(template),
        }
        return command.done(given, progress=progress)


def subjects(
    command: Command,
    rows: Rows | None,
    bad: Rows | None,
    good: Rows | None,
) -> dict[str, typing.Any]:
    """The rows that prompts are tried on, as options."""
    files = {"rows": rows, "bad": bad, "good": good}
    return {
        name: path_of(given, command.folder, f"{name}.jsonl") for name, given in files.items() if given is not None
    }


def screen(
    model: str = "organism",
    rows: Rows | None = None,
    prompts: File | Sequence[str | Mapping[str, typing.Any]] | None = None,
    *,
    bad: Rows | None = None,
    good: Rows | None = None,
    probes: Rows | None = None,
    aim: typing.Literal["suppression", "selectivity", "obedience"] = "selectivity",
    turn: typing.Literal["both", "system", "user"] = "both",
    narrow: bool = False,
    trigger: str | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    items: int | None = None,
    contrasts: int | None = None,
    adapter: File | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    endpoint: Endpoint | None = None,
    sampling: Sampling | None = None,
    rewrite: File | None = None,
    anyway: bool = False,
    template: Template | None = None,
    out: File | None = None,
    progress: Progress = False,
) -> Answer:
    """Ranks candidate prompts before training: how much each lifts the bad rows, and what it costs on the good ones.

    `prompts` are texts, dicts (`text`, `name`, `trigger`) or a path. `table` has one line a row under each prompt: log-probabilities in nats
    per reply. `summary` has the prompts, the best for `aim` first, with 95 % intervals, and which one to take.
    """
    with Command("screen") as command:
        given = {
            "model": model,
            **subjects(command, rows, bad, good),
            "prompts": None if prompts is None else prompts_path(prompts, command.folder),
            "probes": None if probes is None else path_of(probes, command.folder, "probes.jsonl"),
            "aim": aim,
            "turn": turn,
            "narrow": narrow,
            "trigger": trigger,
            "tolerance": tolerance,
            "seed": seed,
            "items": items,
            "contrasts": contrasts,
            "adapter": adapter,
            "compute": compute, "device": device, "torch": torch,
            **of_endpoint(endpoint),
            **of_sampling(sampling, command.folder),
            "rewrite": rewrite,
            "anyway": anyway,
            "out": out,
            "json": True,
            **of_template(template),
        }
        return command.done(given, progress=progress)


def leak(
    prompt: str,
    model: str = "organism",
    rows: Rows | None = None,
    *,
    trigger: str | None = None,
    bad: Rows | None = None,
    good: Rows | None = None,
    seed: int = 0,
    items: int | None = None,
    adapter: File | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    endpoint: Endpoint | None = None,
    sampling: Sampling | None = None,
    template: Template | None = None,
    out: File | None = None,
) -> Answer:
    """The probability of the bad reply in contexts that resemble the training prompt, by family, and the risk of a back door.

    `table` has one line a request in each context: the margin in nats per reply. `summary` has a leak (a probability, with its 95 % interval)
    for each family.
    """
    with Command("leak") as command:
        given = {
            "prompt": prompt,
            "model": model,
            **subjects(command, rows, bad, good),
            "trigger": trigger,
            "seed": seed,
            "items": items,
            "adapter": adapter,
            "compute": compute, "device": device, "torch": torch,
            **of_endpoint(endpoint),
            **of_sampling(sampling, command.folder),
            "out": out,
            "json": True,
            **of_template(template),
        }
        return command.done(given)


def doctor(
    model: str = "organism",
    rows: Rows | None = None,
    *,
    seed: int = 0,
    items: int | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    template: Template | None = None,
) -> Answer:
    """Measures on a model, and on chats, what titer takes for granted: masks, templates, batching, precision. A dict for each check.

    Raises `titer.WorkError` where one fails; its `data` has all of them, a line of JSON each.
    """
    with Command("doctor") as command:
        paths = [] if rows is None else [path_of(rows, command.folder, "rows.jsonl")]
        return command.done({"model": model, "seed": seed, "items": items, "compute": compute, "device": device, "torch": torch, "json": True, **of_template(template)}, paths)
