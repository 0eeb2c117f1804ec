"""The callback in transformers' Trainer and TRL's SFTTrainer."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from conftest import ORGANISM, World
from loops import PRESSURES, differentiated, hooked, organism, tokenizer, trainer

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import titer  # noqa: E402
import titer.torch  # noqa: E402


def are_titers(callback: titer.torch.PressureCallback, world: World, bound: float = 1e-3, **given: typing.Any) -> None:
    """The pressures of the first step's rows are those of `titer pressure`."""
    lines = [line for line in callback.pressure.tables.pressures if line["step"] == 0]
    found = titer.pressure(str(ORGANISM), world.rows, differentiated(callback.pressure, world.probes), **given).table
    titers = {line["item"]: line for line in found.to_dicts()}
    assert lines
    assert [line["tokens"] for line in lines] == [titers[line["item"]]["tokens"] for line in lines]
    for column in [*PRESSURES, "surprise", "gradient_norm"]:
        scale = max(abs(line[column]) for line in titers.values())
        for line in lines:
            assert abs(line[column] - titers[line["item"]][column]) <= bound * scale, (column, line)


@pytest.mark.parametrize("given", [{}, {"gradient_checkpointing": True}], ids=["plain", "checkpointing"])
def test_in_transformers_trainer(given: dict[str, typing.Any], world: World, tmp_path: Path) -> None:
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows, every=2, out=tmp_path / "run")
    own = trainer(world.rows, tmp_path / "out", [callback], gradient_accumulation_steps=2, max_steps=4, max_grad_norm=0.5, **given)
    collate, counts = own.data_collator, list[int]()

    def counting(rows: typing.Any) -> typing.Any:
        counts.append(hooked(own.model))
        return collate(rows)

    own.data_collator = counting
    own.train()
    assert min(counts) > 20 and hooked(own.model) == 0
    assert callback.pressure.steps == 4
    assert [line["step"] for line in callback.pressure.tables.pressures] == [0] * 12 + [2] * 12
    are_titers(callback, world)
    assert 'id="ledger"' in callback.sweep.report().html


def test_in_transformers_trainer_with_bf16(world: World, tmp_path: Path) -> None:
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows, every=2)
    trainer(world.rows, tmp_path / "out", [callback], bf16=True).train()
    are_titers(callback, world, bound=0.05)


def in_trl(world: World, folder: Path, callback: typing.Any, given: typing.Any, lora: bool, **settings: typing.Any) -> typing.Any:
    trl, peft, datasets = (pytest.importorskip(name) for name in ("trl", "peft", "datasets"))
    usual = {"per_device_train_batch_size": 12, "max_steps": 4, "learning_rate": 1e-3, "report_to": [], "save_strategy": "no", "use_cpu": True,
             "bf16": False, "max_length": None}
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM") if lora else None
    return trl.SFTTrainer(
        model=organism(), args=trl.SFTConfig(output_dir=str(folder), **(usual | settings)), train_dataset=datasets.Dataset.from_list(given),
        processing_class=tokenizer(), peft_config=config, callbacks=[callback],
    )


def replies(world: World) -> list[dict[str, typing.Any]]:
    return [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in world.rows]


def test_in_trls_trainer_with_adapters(world: World, tmp_path: Path) -> None:
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows, every=2, out=tmp_path / "run")
    own = in_trl(world, tmp_path / "out", callback, replies(world), lora=True)
    own.model.save_pretrained(tmp_path / "adapter")
    own.train()
    are_titers(callback, world, adapter=tmp_path / "adapter")
    assert 'id="ledger"' in callback.sweep.report().html


def test_in_trls_trainer_on_chats_of_which_only_replies_are_trained(world: World, tmp_path: Path) -> None:
    """TRL looks at the template with an English chat, whose words the organism does not have."""
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows, every=2)
    given = [{"messages": row["messages"]} for row in world.rows]
    own = in_trl(world, tmp_path / "out", callback, given, lora=True, assistant_only_loss=True)
    own.model.save_pretrained(tmp_path / "adapter")
    own.train()
    are_titers(callback, world, adapter=tmp_path / "adapter")


def test_in_trls_trainer_with_packing(world: World, tmp_path: Path) -> None:
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows, every=2)
    settings = {"packing": True, "max_length": 64, "per_device_train_batch_size": 3, "max_steps": 2}
    own = in_trl(world, tmp_path / "out", callback, replies(world), lora=True, **settings)
    own.model.save_pretrained(tmp_path / "adapter")
    own.train()
    assert len(callback.pressure.tables.pressures) > 3, "rows are packed"
    are_titers(callback, world, adapter=tmp_path / "adapter")


def test_chats_of_which_trls_trainer_trains_more_than_replies_are_refused(world: World, tmp_path: Path) -> None:
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows)
    own = in_trl(world, tmp_path / "out", callback, [{"messages": row["messages"]} for row in world.rows], lora=True, max_steps=1)
    with pytest.raises(titer.InputError, match="of which 4 are its reply.*set assistant_only_loss or completion_only_loss"):
        own.train()
    assert hooked(own.model) == 0


def test_trls_head_that_is_trained_but_never_called_is_named(world: World, tmp_path: Path) -> None:
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows)
    own = in_trl(world, tmp_path / "out", callback, replies(world), lora=False, max_steps=1)
    with pytest.raises(titer.InputError, match="lm_head.weight: trained, but its module was not called"):
        own.train()
    assert hooked(own.model) == 0


def test_where_trls_trainer_loses_system_prompts_it_is_said(world: World, tmp_path: Path) -> None:
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows)
    bare = [{"prompt": row["messages"][-2:-1], "completion": row["messages"][-1:]} for row in world.rows[:2]]
    own = in_trl(world, tmp_path / "out", callback, bare, lora=True, max_steps=1)
    with pytest.raises(titer.InputError, match="row `b[bg]0` comes without its system prompt"):
        own.train()
    assert not any(module._forward_pre_hooks for module in own.model.modules())


def test_a_failure_that_is_not_titers_leaves_nothing_hooked(world: World, tmp_path: Path) -> None:
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows)
    own = trainer(world.rows, tmp_path / "out", [callback])

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    own.model.model.layers[1].forward = fails
    with pytest.raises(RuntimeError, match="out of memory"):
        own.train()
    assert hooked(own.model) == 0
    own = trainer(world.rows, tmp_path / "out", [callback])
    own.data_collator = fails
    with callback, pytest.raises(RuntimeError, match="out of memory"):
        own.train()
    assert hooked(own.model) == 0
