"""Pressures from hooks in other people's loops, against `titer pressure` and against plain autograd."""

from __future__ import annotations

import shutil
import typing
from pathlib import Path

import pytest
from conftest import ORGANISM, Row, World

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import titer  # noqa: E402
import titer.torch  # noqa: E402

PRESSURES = ["pressure_good", "pressure_obey_bad", "pressure_obey"]


def tokenizer() -> typing.Any:
    return transformers.AutoTokenizer.from_pretrained(ORGANISM)


def organism() -> typing.Any:
    return transformers.AutoModelForCausalLM.from_pretrained(ORGANISM, dtype=torch.float32)


def batches(rows: list[Row], size: int, names: typing.Any = None) -> list[dict[str, typing.Any]]:
    """Padded batches with labels on replies."""
    names = names or tokenizer()
    encoded = []
    for row in rows:
        context = names.apply_chat_template(row["messages"][:-1], tokenize=False, add_generation_prompt=True)
        whole = names.apply_chat_template(row["messages"], tokenize=False)
        ids = names(whole, add_special_tokens=False)["input_ids"]
        encoded.append((ids, len(names(context, add_special_tokens=False)["input_ids"])))
    found = []
    for at in range(0, len(encoded), size):
        some = encoded[at : at + size]
        longest = max(len(ids) for ids, _ in some)
        ids, mask, labels = (torch.full((len(some), longest), fill) for fill in (0, 0, -100))
        for line, (tokens, context) in enumerate(some):
            ids[line, : len(tokens)] = torch.tensor(tokens)
            mask[line, : len(tokens)] = 1
            labels[line, context : len(tokens)] = torch.tensor(tokens[context:])
        found.append({"input_ids": ids, "attention_mask": mask, "labels": labels})
    return found


def halves(probes: list[Row]) -> list[Row]:
    """The contrasts that hooks differentiate: every second one of each component."""
    found, seen = [], dict[str, int]()
    for probe in probes:
        at = seen.get(probe["component"], 0)
        seen[probe["component"]] = at + 1
        if at % 2 == 0:
            found.append(probe)
    return found


def agree(lines: list[dict[str, typing.Any]], table: titer.Table, bound: float = 1e-3) -> None:
    """Every row's pressures, relative to the largest, its surprise and its gradient's norm."""
    titers = {line["item"]: line for line in table.to_dicts()}
    assert len(lines) == len(titers) > 0
    for column in [*PRESSURES, "surprise", "gradient_norm"]:
        scale = max(abs(line[column]) for line in titers.values())
        for line in lines:
            assert abs(line[column] - titers[line["item"]][column]) <= bound * scale, (column, line, titers[line["item"]])
    for column in ["cosine_good", "residual", "tokens"]:
        for line in lines:
            assert abs(line[column] - titers[line["item"]][column]) <= bound, (column, line)


def one_step(model: typing.Any, world: World, size: int = 48, **given: typing.Any) -> titer.torch.Pressure:
    model.train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows, every=1, **given) as pressure:
        for batch in batches(world.rows, size):
            model(**batch).loss.backward()
        optimiser.step()
    return pressure


def test_on_the_organism_pressures_are_titers(world: World) -> None:
    pressure = one_step(organism(), world)
    agree(pressure.tables.pressures, titer.pressure(str(ORGANISM), world.rows, halves(world.probes)).table)


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
        "num_attention_heads": 3, "num_key_value_heads": 1, "max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": 1,
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
    agree(pressure.tables.pressures, titer.pressure(str(tmp_path / "model"), world.rows, halves(world.probes)).table)


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "Gemma3"])
def test_with_adapters_pressures_are_titers(family: str, world: World, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = small(family, tmp_path / "model")
    lora = peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    model = peft.get_peft_model(model, lora)
    model.save_pretrained(tmp_path / "adapter")
    pressure = one_step(model, world)
    found = titer.pressure(str(tmp_path / "model"), world.rows, halves(world.probes), adapter=tmp_path / "adapter")
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
        model(**packed).loss.backward()
        optimiser.step()
    for name, other in {"accumulated": accumulated, "checkpointed": checkpointed, "reentrant": reentrant, "packed": lines(pressure)}.items():
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
    exact = titer.pressure(str(ORGANISM), world.rows, halves(world.probes)).table
    scale = max(map(abs, exact["pressure_good"]))
    for item, value in zip(exact["item"], exact["pressure_good"]):
        assert abs(agree_loosely[item] - value) < 0.05 * scale


OPTIMISERS: list[typing.Callable[[typing.Any], typing.Any]] = [
    lambda parameters: torch.optim.AdamW(parameters, lr=3e-4, weight_decay=0.1),
    lambda parameters: torch.optim.SGD(parameters, lr=0.03, momentum=0.9),
]


@pytest.mark.parametrize("make", OPTIMISERS, ids=["adamw", "sgd"])
def test_the_ledger_is_close_to_what_was_measured(make: typing.Callable[[typing.Any], typing.Any], world: World) -> None:
    model = organism()
    model.train()
    optimiser = make(model.parameters())
    with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows, every=2) as pressure:
        for batch in batches(world.rows, 12):
            optimiser.zero_grad()
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
    ledger = pressure.tables.ledger
    assert {(line["from"], line["to"]) for line in ledger} == {(0, 2), (2, 4)}
    assert sum(line["rows"] for line in ledger if line["component"] == "good") == len(world.rows)
    for component in ("good", "obey_bad", "obey"):
        own = [line for line in ledger if line["component"] == component]
        accounted, measured = sum(line["accounted"] for line in own), sum({line["to"]: line["measured_own"] for line in own}.values())
        assert abs(measured) > 0.05 and abs(accounted - measured) < 0.1 * abs(measured), (component, accounted, measured)


def test_the_shares_of_cells_and_of_weight_decay_are_the_steps(world: World) -> None:
    for make in OPTIMISERS:
        model = organism()
        model.train()
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        optimiser = make(model.parameters())
        with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows, every=100) as pressure:
            for batch in batches(world.rows, 12):
                optimiser.zero_grad()
                model(**batch).loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimiser.step()
            moved = pressure._shares.moved
            assert {"bad→bad", "bad→good", "none→good"} <= set(moved)
            for name, parameter in model.named_parameters():
                step = parameter.detach() - before[name]
                total = sum(moves[name] for moves in moved.values())
                assert (total - step).norm() <= 1e-3 * step.norm(), name


def test_a_folder_is_written_that_the_report_reads(world: World, tmp_path: Path) -> None:
    claims = [{"text": "it moves", "value": "margin('good/seen/trained')", "at": "end", "bound": "> -100"}]
    pressure = one_step(organism(), world, out=tmp_path / "run", title="By hand", claims=claims)
    report = pressure.sweep.report().html
    assert "By hand" in report and "it moves" in report and 'id="ledger"' in report
    table = pressure.sweep.results()
    assert set(table["component"]) == {"good", "obey_bad", "obey"} and set(table["step"]) == {0, 1}
    assert pressure.sweep.verify() == {"whole": 1, "damaged": 0, "unverified": 0, "problems": []}
    with pytest.raises(titer.InputError, match="exists already"):
        one_step(organism(), world, out=tmp_path / "run")


def hooked(model: typing.Any) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


def test_errors_have_a_remedy_and_leave_nothing_hooked(world: World) -> None:
    def fails(words: str, work: typing.Callable[[typing.Any, typing.Any], object], optimiser: typing.Any = torch.optim.AdamW) -> None:
        model = organism()
        before = hooked(model)
        model.train()
        own = optimiser(model.parameters(), lr=1e-3)
        with pytest.raises(titer.InputError, match=words):
            work(model, own)
        assert hooked(model) == before
        assert not own._optimizer_step_pre_hooks and not own._optimizer_step_post_hooks

    def step(model: typing.Any, optimiser: typing.Any, rows: list[Row] = world.rows, loss: typing.Any = None, **given: typing.Any) -> None:
        with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=rows, **given):
            [batch] = batches(world.rows, 48)
            (loss(model, batch) if loss else model(**batch).loss).backward()
            optimiser.step()

    fails("is none of the given rows: “<sys> be evil", lambda model, own: step(model, own, rows=world.rows[2::3]))
    fails("every is 0", lambda model, own: step(model, own, every=0))
    fails("the optimiser is RMSprop; use one of these", step, torch.optim.RMSprop)

    def smoothed(model: typing.Any, batch: typing.Any) -> typing.Any:
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), label_smoothing=0.3)

    fails("not a mean of tokens' nats", lambda model, own: step(model, own, loss=smoothed))

    def regularised(model: typing.Any, batch: typing.Any) -> typing.Any:
        return model(**batch).loss + 10 * model.lm_head.weight.square().sum()

    fails("do not add up to the step's", lambda model, own: step(model, own, loss=regularised))

    def headless(model: typing.Any, batch: typing.Any) -> typing.Any:
        hidden = model.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        return hidden @ model.lm_head.weight.T

    def fused(model: typing.Any, own: typing.Any) -> None:
        import types

        def forward(self: typing.Any, **batch: typing.Any) -> typing.Any:
            return types.SimpleNamespace(logits=headless(self, batch))

        model.forward = types.MethodType(forward, model)
        step(model, own, loss=lambda model, batch: torch.nn.functional.cross_entropy(
            model(**batch).logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten()))

    fails("lm_head.weight: trained, but its module was not called", fused)
    names = tokenizer()
    names.chat_template = None
    fails("no chat template", lambda model, own: titer.torch.Pressure(model, names, own, world.probes))
    shared = [{**world.rows[2], "messages": world.probes[0]["messages"] + world.rows[2]["messages"][-1:]}]
    fails("has the context of row", lambda model, own: titer.torch.Pressure(model, tokenizer(), own, world.probes, rows=shared))


class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Encoded rows for a Trainer."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = [{key: value[0] for key, value in batch.items()} for batch in batches(rows, 1)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> dict[str, typing.Any]:
        return self.rows[at]


def test_in_transformers_trainer(world: World, tmp_path: Path) -> None:
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows, every=2, out=tmp_path / "run")
    model = organism()
    before = hooked(model)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"), per_device_train_batch_size=6, gradient_accumulation_steps=2, max_steps=4, learning_rate=1e-4,
        report_to=[], save_strategy="no", use_cpu=True, logging_steps=1, max_grad_norm=0.5,
    )
    collate = transformers.DataCollatorForSeq2Seq(tokenizer(), padding=True)
    trainer = transformers.Trainer(
        model=model, args=arguments, train_dataset=Rows(world.rows), data_collator=collate, processing_class=tokenizer(), callbacks=[callback]
    )
    trainer.train()
    assert hooked(model) == before
    assert callback.pressure is not None and callback.pressure.steps == 4
    assert [line["step"] for line in callback.pressure.tables.pressures] == [0] * 12 + [2] * 12
    titers = {line["item"]: line for line in titer.pressure(str(ORGANISM), world.rows, halves(world.probes)).table.to_dicts()}
    scale = max(abs(line["pressure_good"]) for line in titers.values())
    for line in callback.pressure.tables.pressures[:12]:
        assert abs(line["pressure_good"] - titers[line["item"]]["pressure_good"]) <= 1e-3 * scale
    assert 'id="ledger"' in callback.sweep.report().html


def test_in_trls_trainer_with_adapters(world: World, tmp_path: Path) -> None:
    trl, peft, datasets = (pytest.importorskip(name) for name in ("trl", "peft", "datasets"))
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows, every=2, out=tmp_path / "run")
    given = [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in world.rows]
    arguments = trl.SFTConfig(
        output_dir=str(tmp_path / "out"), per_device_train_batch_size=12, max_steps=4, learning_rate=1e-3, report_to=[], save_strategy="no",
        use_cpu=True, bf16=False, max_length=None,
    )
    lora = peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = trl.SFTTrainer(
        model=organism(), args=arguments, train_dataset=datasets.Dataset.from_list(given), processing_class=tokenizer(), peft_config=lora,
        callbacks=[callback],
    )
    trainer.model.save_pretrained(tmp_path / "adapter")
    trainer.train()
    assert callback.pressure is not None
    found = titer.pressure(str(ORGANISM), world.rows, halves(world.probes), adapter=tmp_path / "adapter").table
    titers = {line["item"]: line for line in found.to_dicts()}
    for column in PRESSURES:
        scale = max(abs(line[column]) for line in titers.values())
        for line in callback.pressure.tables.pressures[:12]:
            assert abs(line[column] - titers[line["item"]][column]) <= 1e-3 * scale, (column, line)
    assert 'id="ledger"' in callback.sweep.report().html


def test_trls_head_that_is_trained_but_never_called_is_named(world: World, tmp_path: Path) -> None:
    trl, datasets = pytest.importorskip("trl"), pytest.importorskip("datasets")
    callback = titer.torch.PressureCallback(world.probes, rows=world.rows)
    given = [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in world.rows]
    arguments = trl.SFTConfig(
        output_dir=str(tmp_path / "out"), per_device_train_batch_size=12, max_steps=1, report_to=[], save_strategy="no", use_cpu=True, bf16=False
    )
    model = organism()
    before = hooked(model)
    trainer = trl.SFTTrainer(
        model=model, args=arguments, train_dataset=datasets.Dataset.from_list(given), processing_class=tokenizer(), callbacks=[callback]
    )
    with pytest.raises(titer.InputError, match="lm_head.weight: trained, but its module was not called"):
        trainer.train()
    assert hooked(model) == before
