"""What was measured in a loop of one's own, as the folder of a sweep."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import typing

from .. import _lab
from ..spec import toml

if typing.TYPE_CHECKING:
    from .pressure import Pressure


@dataclasses.dataclass
class Tables:
    """The tables of a run, line by line; columns as in titer's own."""

    probes: list[dict[str, typing.Any]] = dataclasses.field(default_factory=list)
    cells: list[dict[str, typing.Any]] = dataclasses.field(default_factory=list)
    steps: list[dict[str, typing.Any]] = dataclasses.field(default_factory=list)
    pressures: list[dict[str, typing.Any]] = dataclasses.field(default_factory=list)
    ledger: list[dict[str, typing.Any]] = dataclasses.field(default_factory=list)

    def press(self, lines: list[dict[str, typing.Any]]) -> None:
        """Adds rows' pressures, and their surprise where they have a cell."""
        self.pressures += lines
        kept = ("stage", "step", "cell", "item", "tokens", "surprise")
        self.cells += [{key: line[key] for key in kept} for line in lines if line["cell"]]


def prepare(pressure: Pressure) -> None:
    """Fails where there will be nothing to write, or nowhere; makes the folder."""
    if pressure.out is None:
        return
    _lab.check_record(toml(spec_of(pressure)))
    try:
        os.makedirs(pressure.out, exist_ok=True)
    except OSError as error:
        raise _lab.InputError(f"{os.fspath(pressure.out)}: {error.strerror or error}; name another folder with out") from None


def record(pressure: Pressure) -> None:
    """Writes the folder."""
    tables = pressure.tables
    if rate_of(pressure) is None:
        raise _lab.InputError("every step had a learning rate of 0, so nothing was trained and nothing is written; what was measured is in `tables`")
    lines = {field.name: [finite(line) for line in getattr(tables, field.name)] for field in dataclasses.fields(tables)}
    assert pressure.out is not None
    _lab.record(os.fspath(pressure.out), toml(spec_of(pressure)), pressure.data_hash, json.dumps(lines))


def rate_of(pressure: Pressure) -> float | None:
    """The learning rate: the largest that a step had in any group; where none had one, such as while it warms up, that which this leads to."""
    groups = [group for group, _, _ in pressure._layout.groups]
    had = max((float(step["lr"]) for step in pressure.tables.steps), default=0.0)
    wanted = (max(float(group.get(name) or 0.0) for group in groups) for name in ("lr", "initial_lr"))
    default = float(pressure.optimiser.defaults.get("lr") or 0.0)
    return next(filter(None, (had, *wanted, default)), None)


def spec_of(pressure: Pressure) -> dict[str, typing.Any]:
    """The spec of what has been trained; before the first step, of one like it."""
    tables, steps = pressure.tables, max(pressure.steps - pressure.steps_before, 1)
    batch = max(1, round(pressure.rows_seen / steps))
    group = pressure._layout.groups[0][0]
    # Before the first step it may not be known.
    lr = rate_of(pressure) or 1.0
    counts: dict[str, int] = {}
    for line in tables.pressures:
        counts[line["cell"]] = counts.get(line["cell"], 0) + 1
    known = {cell: count for cell, count in counts.items() if cell}
    whole = sum(known.values())
    stage: dict[str, typing.Any] = {
        "name": pressure.stage,
        "rows": batch * steps,
        "batch": batch,
        "optimiser": optimiser(pressure, group, lr),
        "schedule": {"warmup": 0},
        "clip": 0.0,
    }
    if known:
        *firsts, last = sorted(known, key=lambda cell: known[cell])
        shares = {cell: known[cell] / whole for cell in firsts if round(known[cell] / whole * batch * steps) > 0}
        stage["mix"] = {**shares, "rest": last}
    name = str(getattr(getattr(pressure.model, "config", None), "_name_or_path", "") or type(pressure.model).__name__)
    return {
        "title": pressure.about["title"],
        "question": pressure.about["question"],
        "seeds": [pressure.seed],
        "pressure": f"every {pressure.every} steps",
        "without_controls": ["no-prompt", "placebo", "paraphrases"],
        "model": {"base": name},
        "data": {"rows": ["rows.jsonl"], "probes": "probes.jsonl"},
        "probes": {"items": len(pressure._margins.measured["good"]), "every": pressure.every},
        "stage": [stage],
        **({"claim": pressure.about["claim"]} if pressure.about["claim"] else {}),
    }


def optimiser(pressure: Pressure, group: dict[str, typing.Any], lr: float) -> dict[str, typing.Any]:
    """The optimiser as a spec has it."""
    if pressure._shares.kind == "sgd":
        return {"kind": "sgd", "lr": lr, "momentum": float(group["momentum"])}
    beta1, beta2 = group["betas"]
    return {
        "kind": "adamw",
        "lr": lr,
        "beta1": beta1,
        "beta2": beta2,
        "eps": group["eps"],
        "weight_decay": float(group["weight_decay"]),
    }


def finite(line: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """What is not a number is none in JSON."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in line.items()}
