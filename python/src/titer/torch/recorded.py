"""What was measured in a loop of one's own, as the folder of a sweep."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import typing

from .. import _lab

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


def record(pressure: Pressure) -> None:
    """Writes the folder."""
    tables, steps = pressure.tables, pressure.steps
    batch = max(1, round(pressure.rows_seen / steps))
    group = pressure.optimiser.param_groups[0]
    lr = max(float(step["lr"]) for step in tables.steps)
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
    spec = {
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
    lines = {field.name: [finite(line) for line in getattr(tables, field.name)] for field in dataclasses.fields(tables)}
    assert pressure.out is not None
    _lab.record(os.fspath(pressure.out), _lab.toml_of(json.dumps(spec)), pressure.data_hash, json.dumps(lines))


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
