"""The commands over models, rows and specs, each by its name."""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Mapping, Sequence

from .answer import Answer
from .command import Command, Template, of_template
from .progress import Progress
from .rows import Rows, path_of, prompts_path
from .spec import AnySpec
from .spec import path_of as spec_path

File = typing.Union[str, "os.PathLike[str]"]


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
    per_token: bool = False,
    verify: bool = False,
    weight: float | None = None,
    multiples: Sequence[float] | None = None,
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
            "base": model,
            "rows": None if rows is None else path_of(rows, command.folder, "rows.jsonl"),
            "probes": None if probes is None else path_of(probes, command.folder, "probes.jsonl"),
            "seed": seed,
            "items": items,
            "contrasts": contrasts,
            "precondition": precondition,
            "lr": lr,
            "lora": lora,
            "adapter": adapter,
            "dtype": dtype,
            "per_token": per_token,
            "verify": verify,
            "weight": weight,
            "multiples": None if multiples is None else tuple(multiples),
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
            "base": model,
            **subjects(command, rows, bad, good),
            "prompts": None if prompts is None else prompts_path(prompts, command.folder),
            "probes": None if probes is None else path_of(probes, command.folder, "probes.jsonl"),
            "for": aim,
            "turn": turn,
            "narrow": narrow,
            "trigger": trigger,
            "tolerance": tolerance,
            "seed": seed,
            "items": items,
            "contrasts": contrasts,
            "adapter": adapter,
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
    sample: int | None = None,
    limit: int | None = None,
    rule: str | None = None,
    replies: File | None = None,
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
            "base": model,
            **subjects(command, rows, bad, good),
            "trigger": trigger,
            "seed": seed,
            "items": items,
            "adapter": adapter,
            "sample": sample,
            "limit": limit,
            "rule": rule,
            "replies": replies,
            "out": out,
            "json": True,
            **of_template(template),
        }
        return command.done(given)


def audit(*rows: Rows, model: str | None = None, template: Template | None = None, **named: Rows) -> Answer:
    """What is in chats, and what differs between groups of them besides what should.

    Each argument is a path or rows in memory; rows by keyword are called so: `titer.audit(plain=…, prompted=…)`. `summary` has `groups` and
    `pairs`; with `model`, also by how much a context raises the log-probability of a reply, in nats.
    """
    with Command("audit") as command:
        paths = [path_of(one, command.folder, f"rows-{at}.jsonl") for at, one in enumerate(rows, 1)]
        paths += [path_of(one, command.folder, f"{name}.jsonl") for name, one in named.items()]
        return command.done({"base": model, "json": True, **of_template(template)}, paths)


def score(
    rows: Rows,
    rule: str | Sequence[str] = (),
    *,
    rules: File | None = None,
    judgements: Rows | None = None,
    score_column: str | None = None,
    scale: str | None = None,
    words: Mapping[str, float | None] | None = None,
    key: Sequence[str] | None = None,
    where: Mapping[str, str] | None = None,
    by: Sequence[str] | None = None,
    cluster: str | None = None,
    out: File | None = None,
) -> Answer:
    """Rates of what replies show, by rules or by judgements made elsewhere.

    `rule` is one or several, such as `regex:PATTERN`, `answer:KEY`, `upper` or `language:fr`. `summary` has a dict for each group and rule: `rate`
    with its 95 % interval (`low`, `high`), `n` replies in `clusters` requests, and how many were `unscored`, and why.
    """
    with Command("score") as command:
        words = words or {}
        given = {
            "rule": [rule] if isinstance(rule, str) else list(rule),
            "rules": rules,
            "judgements": None if judgements is None else path_of(judgements, command.folder, "judgements.jsonl"),
            "score_column": score_column,
            "scale": scale,
            "words": tuple(word if of is None else f"{word}={of}" for word, of in words.items()) or None,
            "key": None if key is None else tuple(key),
            "where": [f"{name}={value}" for name, value in (where or {}).items()],
            "by": None if by is None else tuple(by),
            "cluster": cluster,
            "out": out,
            "json": True,
        }
        return command.done(given, [path_of(rows, command.folder, "rows.jsonl")])


def forecast(
    spec: AnySpec | None = None,
    *,
    model: str | None = None,
    seeds: Sequence[int] | None = None,
    kernel: File | None = None,
    against: File | None = None,
    refresh: int | None = None,
    rows: int | None = None,
    contrasts: int | None = None,
    html: File | None = None,
    out: File | None = None,
    progress: Progress = False,
) -> Answer:
    """What the arms of a spec will do, without training them: rates with intervals, and the dose at which inoculation breaks.

    `against` holds it against the finished runs of a sweep's folder, beside baselines. `html` writes an interactive page in place of a summary.
    """
    with Command("forecast") as command:
        paths = [] if spec is None else [spec_path(spec, command)]
        given = {
            "base": model,
            "seeds": None if seeds is None else tuple(seeds),
            "kernel": kernel,
            "against": against,
            "refresh": refresh,
            "rows": rows,
            "contrasts": contrasts,
            "html": html,
            "out": out,
            "json": html is None,
        }
        return command.done(given, paths, progress)


def plan(
    limits: AnySpec,
    out: File,
    *,
    model: str | None = None,
    kernel: File | None = None,
    tries: int | None = None,
    progress: Progress = False,
) -> Answer:
    """Finds a mix that meets limits, and writes it as the spec `out` with its forecast beside it.

    `limits` is a spec without a mix, with `rows` (what there is) and `limits` (what must hold).
    """
    with Command("plan") as command:
        path = spec_path(limits, command)
        given = {"out": out, "base": model, "kernel": kernel, "tries": tries, "json": True}
        return command.done(given, [path], progress)


def check(*what: AnySpec | Rows) -> Answer:
    """What is in specs and files of chats, without effects: arms, steps and rows of each cell; a dict for each."""
    with Command("check") as command:

        def path(at: int, one: typing.Any) -> str:
            if isinstance(one, (Mapping, str, os.PathLike)) or dataclasses.is_dataclass(one):
                return spec_path(typing.cast(AnySpec, one), command)
            return path_of(one, command.folder, f"rows-{at}.jsonl")

        return command.done({"json": True}, [path(at, one) for at, one in enumerate(what, 1)])


def doctor(
    model: str,
    rows: Rows | None = None,
    *,
    seed: int = 0,
    items: int | None = None,
    template: Template | None = None,
) -> Answer:
    """Measures on a model, and on chats, what titer takes for granted: masks, templates, batching, precision. A dict for each check.

    Raises `titer.WorkError` where one fails; its `data` has all of them, a line of JSON each.
    """
    with Command("doctor") as command:
        paths = [model] + ([] if rows is None else [path_of(rows, command.folder, "rows.jsonl")])
        return command.done({"seed": seed, "items": items, "json": True, **of_template(template)}, paths)


def validate(
    arms: Rows,
    *,
    screening: File | Mapping[str, File] | None = None,
    prompt: str | None = None,
    setting: str | None = None,
    suppression: str | None = None,
    kept: str | None = None,
    target: str | None = None,
    turn: str | None = None,
) -> Answer:
    """Which number from before training predicts outcomes of arms that were trained elsewhere, one arm a row.

    `screening` is what `titer.screen(out=…)` wrote of their prompts, or one file for each setting. Other keywords name columns.
    """
    with Command("validate") as command:
        if screening is None:
            files = []
        elif isinstance(screening, Mapping):
            files = [f"{setting}={os.fspath(file)}" for setting, file in screening.items()]
        else:
            files = [os.fspath(screening)]
        given = {
            "screening": files,
            "prompt": prompt,
            "setting": setting,
            "suppression": suppression,
            "kept": kept,
            "target": target,
            "turn": turn,
            "json": True,
        }
        return command.done(given, [path_of(arms, command.folder, "arms.jsonl")])
