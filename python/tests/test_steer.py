"""Steering other people's optimisers, against `titer run` with the guard `steer`."""

from __future__ import annotations

import json
import tomllib
import typing
from pathlib import Path

import pytest
from conftest import ORGANISM, World
from loops import batches, hooked, organism, tokenizer, trainer

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import titer  # noqa: E402
import titer.torch  # noqa: E402

STEPS = 8
WANTED: typing.Any = {"good": 1.0, "obey_bad": {"min": -0.1}, "obey": 0.0, "contrasts": 3, "every": 2}
# A large eps: where a gradient is next to nothing Adam makes a step of its rounding, and then steps differ without any steering too (by up to
# 3e-4 on .2 % of the weights at 1e-8).
OPTIMISERS: dict[str, titer.Optimiser] = {
    "adamw": {"kind": "adamw", "lr": 3e-4, "beta1": 0.9, "beta2": 0.98, "eps": 1e-4, "weight_decay": 0.1},
    "sgd": {"kind": "sgd", "lr": 0.03, "momentum": 0.9},
}


def by_titer(kind: str, world: World, folder: Path, batch: int, guards: titer.Guards) -> titer.Sweep:
    """Full batches of `bad→bad`, so that the order of rows does not matter."""
    # An arm's control wants rows of that name.
    rows = [row | {"cell": row["cell"].replace("none", "neutral")} for row in world.rows]
    for name, lines in (("rows", rows), ("probes", world.probes)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    spec: titer.Spec = {
        "title": f"Steered {batch}",
        "seeds": [0],
        "checkpoints": "at the end",
        "model": {"base": str(ORGANISM)},
        "data": {"rows": [str(folder / "rows.jsonl")], "probes": str(folder / "probes.jsonl")},
        "probes": {"items": 64, "every": 0},
        "stage": [{
            "name": "train", "rows": batch * STEPS, "batch": batch, "mix": {"rest": "bad→bad"}, "optimiser": OPTIMISERS[kind],
            "schedule": {"warmup": 0, "decay": "none"}, "clip": 0.0, "guards": guards,
        }],
        "without_controls": ["no-prompt", "placebo", "paraphrases"],
    }
    return titer.run(spec, out=folder / f"sweep-{batch}-{len(guards)}")


def run_of(sweep: titer.Sweep) -> Path:
    """The folder of the run on `bad→bad`."""
    [found] = [path.parent for path in sweep.folder.glob("*/plan.toml") if '"bad→bad"' in path.read_text()]
    return found


def optimiser_of(kind: str, model: typing.Any) -> typing.Any:
    """The same for torch: titer's weight decay is on matrices alone."""
    given = OPTIMISERS[kind]
    if kind == "sgd":
        return torch.optim.SGD(model.parameters(), lr=given["lr"], momentum=given["momentum"])
    free = [p for name, p in model.named_parameters() if "norm" in name or "embed" in name]
    held = [p for p in model.parameters() if not any(p is other for other in free)]
    groups = [{"params": held, "weight_decay": given["weight_decay"]}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=given["lr"], betas=(given["beta1"], given["beta2"]), eps=given["eps"])


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_steered_steps_are_titers(kind: str, world: World, tmp_path: Path) -> None:
    import pandas
    from safetensors.torch import load_file

    held_out = set(pandas.read_parquet(run_of(by_titer(kind, world, tmp_path, 1, {})) / "cells.parquet")["item"])
    rows = [row for row in world.rows if row["cell"] == "bad→bad" and row["id"] not in held_out]
    assert 4 <= len(rows) < 14
    folder = run_of(by_titer(kind, world, tmp_path, len(rows), {"steer": WANTED}))
    titers = load_file(folder / f"checkpoint-{STEPS}" / "model.safetensors")
    divisor = tomllib.loads((folder / "plan.toml").read_text())["stage"][0]["divisor"]

    model = organism()
    model.train()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = optimiser_of(kind, model)
    [batch] = batches(rows, len(rows))
    labels = batch.pop("labels")
    bound = 0
    with titer.torch.Steer(model, tokenizer(), optimiser, world.probes, steps=STEPS, **WANTED) as steer:
        for _ in range(STEPS):
            optimiser.zero_grad()
            log_p = torch.log_softmax(model(**batch).logits[:, :-1], -1)
            nats = -log_p.gather(-1, labels[:, 1:, None].clamp(min=0))[..., 0][labels[:, 1:] != -100].sum()
            (nats / (len(rows) * divisor)).backward()
            optimiser.step()
            bound += any(steer.multipliers)
    assert bound >= STEPS - 1, "the targets are out of the optimiser's own way"
    assert hooked(model) == 0 and not optimiser._optimizer_step_pre_hooks
    for name, parameter in model.named_parameters():
        apart = (parameter.detach() - titers[name]).abs().max()
        assert apart <= 1e-5, (name, float(apart), float((parameter.detach() - start[name]).abs().max()))


def test_in_transformers_trainer_it_reaches_its_targets_and_the_ledger_books_it(world: World, tmp_path: Path) -> None:
    pressure = titer.torch.PressureCallback(world.probes, rows=world.rows, every=8)
    wanted = {"good": 1.0, "obey_bad": 0.0, "obey": 0.0, "contrasts": 7}
    steer = titer.torch.SteerCallback(world.probes, pressure=pressure, **wanted)
    own = trainer(world.rows, tmp_path / "out", [pressure, steer], max_steps=40, per_device_train_batch_size=12, max_grad_norm=0.0)
    own.train()
    found = {line["component"]: 0.0 for line in pressure.pressure.tables.ledger}
    guards = dict(found)
    for line in pressure.pressure.tables.ledger:
        if line["source"] == "guards":
            guards[line["component"]] += line["accounted"]
            found[line["component"]] += line["measured_own"]
    assert any(abs(value) > 0.2 for value in guards.values()), guards
    for component, change in {"good": 1.0, "obey_bad": 0.0, "obey": 0.0}.items():
        assert abs(found[component] - change) < 0.3, found
    assert not own.optimizer.optimizer._optimizer_step_post_hooks


def test_what_cannot_be_steered_is_said(world: World) -> None:
    model = organism()
    optimiser = torch.optim.AdamW(model.parameters())

    def steer(**wanted: typing.Any) -> titer.torch.Steer:
        return titer.torch.Steer(model, tokenizer(), optimiser, world.probes, **({"steps": 1} | wanted))

    with pytest.raises(titer.InputError, match="no component has a target"):
        steer()
    with pytest.raises(titer.InputError, match="steps is 0"):
        steer(steps=0, good=1.0)
    with pytest.raises(titer.InputError, match="`good` is to change by at least 2 and at most 1 nats"):
        steer(good={"min": 2.0, "max": 1.0})
    with pytest.raises(titer.InputError, match="SteerCallback knows no `obey_badd`; there are good, obey_bad, obey"):
        titer.torch.SteerCallback(world.probes, obey_badd=1.0)
    with pytest.raises(titer.InputError, match="no component has a target"):
        titer.torch.SteerCallback(world.probes)
    model.train()
    with steer(good=0.1), pytest.raises(titer.InputError, match="within 1 steps, and this is another one"):
        for batch in batches(world.rows, 21):
            model(**batch).loss.backward()
            optimiser.step()
    assert not optimiser._optimizer_step_pre_hooks and not optimiser._optimizer_step_post_hooks


def test_a_guard_before_its_pressure_says_so(world: World, tmp_path: Path) -> None:
    pressure = titer.torch.PressureCallback(world.probes, rows=world.rows)
    guard = titer.torch.SteerCallback(world.probes, pressure=pressure, good=0.1)
    for _ in range(2):
        # The second time the pressure has a training behind it, which is not this one.
        own = trainer(world.rows, tmp_path / "out", [guard, pressure])
        with pytest.raises(titer.InputError, match="comes before its PressureCallback.*put that one first"):
            own.train()
        assert hooked(own.model) == 0
        trainer(world.rows, tmp_path / "out", [pressure]).train()
