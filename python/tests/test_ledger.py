"""The ledger of other people's loops: whose step it was, and what came of it."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from conftest import World
from loops import batches, one_step, organism, tokenizer

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import titer  # noqa: E402
import titer.torch  # noqa: E402


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
            moved = pressure._shares.take()
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
    assert pressure.sweep.verify() == {"whole": 1, "damaged": 0, "unverified": 0, "unread": 0, "problems": []}
    with pytest.raises(titer.InputError, match="exists already"):
        one_step(organism(), world, out=tmp_path / "run")
