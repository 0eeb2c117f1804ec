"""Models, batches and comparisons that tests of hooks share."""

from __future__ import annotations

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


def differentiated(pressure: titer.torch.Pressure, probes: list[Row]) -> list[Row]:
    """The contrasts that hooks differentiate: half of each component's, as in a run."""
    names = {one.id for contrasts in pressure._margins.differentiated.values() for one in contrasts}
    assert len(names) == len(probes) / 2
    return [probe for probe in probes if probe["id"] in names]


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


class Encoded:
    """Encoded rows for a Trainer, which takes whatever has a length and places."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = [{key: value[0] for key, value in batch.items()} for batch in batches(rows, 1)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> dict[str, typing.Any]:
        return self.rows[at]


def trainer(rows: list[Row], folder: Path, callbacks: list[typing.Any], **given: typing.Any) -> typing.Any:
    """transformers' Trainer on the organism."""
    usual = {"per_device_train_batch_size": 6, "max_steps": 2, "learning_rate": 1e-4, "report_to": [], "save_strategy": "no", "use_cpu": True}
    return transformers.Trainer(
        model=organism(),
        args=transformers.TrainingArguments(output_dir=str(folder), **(usual | given)),
        train_dataset=Encoded(rows),
        eval_dataset=Encoded(rows) if "eval_strategy" in given else None,
        data_collator=transformers.DataCollatorForSeq2Seq(tokenizer(), padding=True),
        processing_class=tokenizer(),
        callbacks=callbacks,
    )


def one_step(model: typing.Any, world: World, size: int = 48, **given: typing.Any) -> titer.torch.Pressure:
    model.train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    with titer.torch.Pressure(model, tokenizer(), optimiser, world.probes, rows=world.rows, every=1, **given) as pressure:
        for batch in batches(world.rows, size):
            model(**batch).loss.backward()
        optimiser.step()
    return pressure


def hooked(model: typing.Any) -> int:
    """How many of titer's hooks are on a model."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    hooks = [hook for module in model.modules() for kind in kinds for hook in getattr(module, kind).values()]
    return sum(hook.__module__.startswith("titer") for hook in hooks)
