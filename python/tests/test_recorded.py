"""What is written of other people's training: that it can be written is known before, and it is of the weights that were trained."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from conftest import World
from loops import batches, hooked, organism, tokenizer, trainer

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

from transformers import TrainerCallback  # noqa: E402

import titer  # noqa: E402
import titer.torch  # noqa: E402
from titer.torch.margins import margins  # noqa: E402


def begun(world: World, optimiser: typing.Any = None, **given: typing.Any) -> titer.torch.Pressure:
    model = organism()
    model.train()
    return titer.torch.Pressure(model, tokenizer(), optimiser or torch.optim.AdamW(model.parameters(), lr=1e-4), world.probes, rows=world.rows, **given)


def test_what_cannot_be_written_is_said_before_anything_is_trained(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for given, words in (
        ({"claims": [{"text": "wrong", "value": "rate(", "bound": "> 0"}]}, "rate"),
        ({"claims": {"text": "wrong", "nonsense": 1}}, "nonsense"),
        ({"out": tmp_path / "file" / "run"}, "file/run: .*name another folder with out"),
        ({"out": tmp_path / "file"}, "file exists already"),
    ):
        with pytest.raises(titer.InputError, match=words):
            begun(world, **({"out": tmp_path / "run"} | given))
    assert (tmp_path / "file").read_text() == "mine" and not (tmp_path / "run").exists()


def test_what_could_not_be_written_can_be_written_later(world: World, tmp_path: Path) -> None:
    pressure = begun(world, out=tmp_path / "run", every=1)
    [batch] = batches(world.rows, 42)
    pressure.model(**batch).loss.backward()
    pressure.optimiser.step()
    (tmp_path / "run" / "other").write_text("in the way")
    with pytest.raises(titer.InputError):
        pressure.finish()
    assert hooked(pressure.model) == 0 and len(pressure.tables.pressures) == 42
    (tmp_path / "run" / "other").unlink()
    pressure.finish()
    assert len(pressure.sweep.results()) > 0
    assert pressure.finish() is pressure


def test_a_step_of_warm_up_is_written(world: World, tmp_path: Path) -> None:
    """The first step of a warm-up has no learning rate, and neither has a group that is not to move."""
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows, out=tmp_path / "warm")
    trainer(world.rows, tmp_path / "out", [callback], max_steps=1, warmup_steps=4).train()
    assert callback.pressure.tables.steps[0]["lr"] == 0 and len(callback.sweep.results()) > 0
    model = organism()
    first, *others = model.parameters()
    optimiser = torch.optim.AdamW([{"params": [first], "lr": 0.0}, {"params": others, "lr": 1e-3}])
    model.train()
    with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows, out=tmp_path / "groups") as pressure:
        [batch] = batches(world.rows, 42)
        model(**batch).loss.backward()
        optimiser.step()
    assert pressure.tables.steps[0]["lr"] == 1e-3 and len(pressure.sweep.results()) > 0


class Stops(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Ends training at an evaluation, as early stopping does."""

    def on_evaluate(self, args: typing.Any, state: typing.Any, control: typing.Any, **_: typing.Any) -> None:
        control.should_training_stop = state.global_step >= 4


@pytest.mark.parametrize("when", ["steps", "epoch"])
@pytest.mark.parametrize("stops", [False, True])
def test_the_last_measurement_is_of_the_last_step_where_other_weights_are_loaded(when: str, stops: bool, world: World, tmp_path: Path) -> None:
    """The worst of all weights are taken in the end, which are not those of the last step."""
    last: list[float] = []

    class Look(TrainerCallback):  # type: ignore[misc, unused-ignore]
        def on_step_end(self, args: typing.Any, state: typing.Any, control: typing.Any, model: typing.Any = None, **_: typing.Any) -> None:
            last[:] = margins(model, callback.pressure._margins.measured["good"])

    callback = titer.torch.PressureCallback(world.probes, rows=world.rows, every=100)
    settings = {
        "eval_strategy": when, "save_strategy": when, "eval_steps": 2, "save_steps": 2, "load_best_model_at_end": True,
        "metric_for_best_model": "loss", "greater_is_better": True, "learning_rate": 3e-3, "max_steps": 6, "per_device_train_batch_size": 12,
    }
    rows = world.rows[:24]
    own = trainer(rows, tmp_path / "out", [callback, Look(), *([Stops()] if stops else [])], **settings)
    own.train()
    steps = 4 if stops else 6
    assert own.state.global_step == steps and own.state.best_model_checkpoint.endswith("-2")
    lines = [line for line in callback.pressure.tables.probes if line["step"] == steps and line["component"] == "good"]
    found = {line["item"]: line["margin"] for line in lines}
    contrasts = callback.pressure._margins.measured["good"]
    assert len(lines) == len(contrasts)
    now = margins(own.model, contrasts)
    for contrast, margin, other in zip(contrasts, last, now):
        assert abs(found[contrast.id] - margin) < 1e-4, (found, last, now)
    assert max(abs(a - b) for a, b in zip(last, now)) > 1e-2


def test_where_training_goes_on_from_a_checkpoint_steps_are_counted_on(world: World, tmp_path: Path) -> None:
    settings = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    trainer(world.rows, tmp_path / "out", [], **settings).train()
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows, every=5, out=tmp_path / "run")
    own = trainer(world.rows, tmp_path / "out", [callback], **settings)
    own.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-2"))
    tables = callback.pressure.tables
    assert [(line["stage"], line["step"]) for line in tables.steps] == [("train", 3), ("train", 4)]
    assert {(line["stage"], line["step"]) for line in tables.probes} == {("train", 2), ("train", 4)}
    assert {(line["stage"], line["step"]) for line in tables.pressures} == {("train", 2)}
    assert {(line["from"], line["to"]) for line in tables.ledger} == {(2, 4)}
    assert len(callback.sweep.results()) > 0 and 'id="ledger"' in callback.sweep.report().html
    steer = titer.torch.SteerCallback(world.probes, good=0.1)
    own = trainer(world.rows, tmp_path / "out", [steer], **settings)
    with pytest.raises(titer.InputError, match="goes on from step 2 of a checkpoint"):
        own.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-2"))
    assert hooked(own.model) == 0


def test_titers_own_passes_are_in_float32_where_the_trainers_are_in_bf16(world: World, tmp_path: Path) -> None:
    found = {}
    for bf16 in (False, True):
        callback = titer.torch.PressureCallback(world.probes, rows=world.rows)
        own = trainer(world.rows, tmp_path / "out", [callback], bf16=bf16, max_steps=1)
        own.train()
        found[bf16] = {line["item"]: line["margin"] for line in callback.pressure.tables.probes if line["step"] == 0}
        # The trainer's own passes stay as they were.
        assert not bf16 or own.model.forward is not own.model._original_forward
    for item, margin in found[False].items():
        assert abs(found[True][item] - margin) < 1e-5
