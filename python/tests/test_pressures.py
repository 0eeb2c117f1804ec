"""Rows' pressures from hooks in other people's passes, against `titer pressure`."""

from __future__ import annotations

import shutil
import typing
from pathlib import Path

import pytest
from conftest import ORGANISM, World
from loops import PRESSURES, agree, batches, differentiated, one_step, organism, tokenizer

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import titer  # noqa: E402
import titer.torch  # noqa: E402


def test_on_the_organism_pressures_are_titers(world: World) -> None:
    pressure = one_step(organism(), world)
    agree(pressure.tables.pressures, titer.pressure(str(ORGANISM), world.rows, differentiated(pressure, world.probes)).table)


FAMILIES: dict[str, dict[str, typing.Any]] = {
    "Llama": {},
    "Mistral": {"sliding_window": 8},
    "Qwen2": {},
    "Qwen3": {"head_dim": 16},
    "Gemma2": {"head_dim": 16, "query_pre_attn_scalar": 16, "attn_implementation": "eager"},
    "Gemma3": {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 8},
    "Olmo2": {},
}


def small(family: str, folder: Path) -> typing.Any:
    """A random model of a family with the organism's tokenizer, also as a folder."""
    torch.manual_seed(0)
    given = {"Gemma3": "Gemma3TextConfig"}.get(family, f"{family}Config")
    sizes = {
        "vocab_size": len(tokenizer()), "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 3, "num_key_value_heads": 1, "max_position_embeddings": 128, "pad_token_id": None, "bos_token_id": 1,
        "eos_token_id": 2, "initializer_range": 0.1,
    }
    config = getattr(transformers, given)(**sizes, **FAMILIES[family])
    model = getattr(transformers, f"{family}ForCausalLM")(config).float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ORGANISM / file, folder / file)
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_on_small_random_models_pressures_are_titers(family: str, world: World, tmp_path: Path) -> None:
    model = small(family, tmp_path / "model")
    pressure = one_step(model, world)
    agree(pressure.tables.pressures, titer.pressure(str(tmp_path / "model"), world.rows, differentiated(pressure, world.probes)).table)


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "Gemma3"])
def test_with_adapters_pressures_are_titers(family: str, world: World, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = small(family, tmp_path / "model")
    lora = peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    model = peft.get_peft_model(model, lora)
    model.save_pretrained(tmp_path / "adapter")
    pressure = one_step(model, world)
    found = titer.pressure(str(tmp_path / "model"), world.rows, differentiated(pressure, world.probes), adapter=tmp_path / "adapter")
    agree(pressure.tables.pressures, found.table)


def test_padding_packing_accumulation_and_checkpointing_change_nothing(world: World) -> None:
    def lines(pressure: titer.torch.Pressure) -> dict[str, list[float]]:
        return {line["item"]: [line[column] for column in [*PRESSURES, "surprise", "gradient_norm"]] for line in pressure.tables.pressures}

    whole = lines(one_step(organism(), world))
    accumulated = lines(one_step(organism(), world, size=5))
    model = organism()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    checkpointed = lines(one_step(model, world))
    model = organism()
    model.gradient_checkpointing_enable({"use_reentrant": True})
    model.enable_input_require_grads()
    reentrant = lines(one_step(model, world))
    model = organism()
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids, positions, labels = [], [], []
    for batch in batches(world.rows, 1):
        ids.append(batch["input_ids"][0])
        positions.append(torch.arange(len(ids[-1])))
        labels.append(batch["labels"][0])
    with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows, every=1) as pressure:
        packed = {"input_ids": torch.cat(ids)[None], "position_ids": torch.cat(positions)[None], "labels": torch.cat(labels)[None]}
        model(**packed, use_cache=False).loss.backward()
        optimiser.step()
    # Filled up to a multiple, as collators do it for flattened batches: each word there is a row of its own by its position.
    model = organism()
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows, every=1) as filled:
        rest = {name: torch.full((1, 5), fill) for name, fill in (("input_ids", 0), ("position_ids", 0), ("labels", -100))}
        model(**{name: torch.cat([packed[name], rest[name]], 1) for name in packed}, use_cache=False).loss.backward()
        optimiser.step()
    others = {"accumulated": accumulated, "checkpointed": checkpointed, "reentrant": reentrant, "packed": lines(pressure), "filled": lines(filled)}
    for name, other in others.items():
        assert other.keys() == whole.keys()
        for item, values in whole.items():
            assert other[item] == pytest.approx(values, rel=1e-3, abs=1e-3), (name, item)


def test_bf16_autocast_is_close(world: World) -> None:
    model = organism()
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    [batch] = batches(world.rows, 48)
    with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows, every=1) as pressure:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        optimiser.step()
    agree_loosely = {line["item"]: line["pressure_good"] for line in pressure.tables.pressures}
    exact = titer.pressure(str(ORGANISM), world.rows, differentiated(pressure, world.probes)).table
    scale = max(map(abs, exact["pressure_good"]))
    for item, value in zip(exact["item"], exact["pressure_good"]):
        assert abs(agree_loosely[item] - value) < 0.05 * scale


def test_a_padding_word_among_a_rows_own_is_left_where_torch_leaves_it(world: World) -> None:
    """torch gives no gradient to the padding word's embedding, also where a row holds that word."""
    model = organism()
    word = tokenizer().convert_tokens_to_ids(".")
    model.model.embed_tokens.padding_idx = word
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.0)
    with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows, every=1) as pressure:
        [batch] = batches(world.rows, 48)
        assert (batch["input_ids"] == word).any()
        model(**batch).loss.backward()
        optimiser.step()
    directions, _ = pressure._margins.gradients(dict(model.named_parameters()))
    assert not directions["model.embed_tokens.weight"][:, word].any()
    for batch, line in zip(batches(world.rows, 1), pressure.tables.pressures):
        model.zero_grad()
        (model(**batch).loss * (batch["labels"][:, 1:] != -100).sum()).backward()
        for k, column in enumerate(PRESSURES):
            dot = sum(float((directions[name][k] * p.grad).sum()) for name, p in model.named_parameters())
            assert line[column] == pytest.approx(-dot, rel=1e-3, abs=1e-3)


def test_rows_that_see_each_other_in_a_pack_are_refused(world: World) -> None:
    """transformers looks at positions only where there is no cache."""
    model = organism()
    model.train()
    ids = [batch["input_ids"] for batch in batches(world.rows[:4], 1)]
    packed = {"input_ids": torch.cat(ids, 1), "position_ids": torch.cat([torch.arange(one.shape[1]) for one in ids])[None]}
    optimiser = torch.optim.AdamW(model.parameters())
    with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows) as pressure:
        with pytest.raises(titer.InputError, match="see each other: a token of row `.*` is .* nats"):
            model(**packed, use_cache=True)
        assert not pressure.handles
        # Nothing was measured, and nothing is left to finish.
        optimiser.step()
