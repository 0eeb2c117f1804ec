"""Anchors and narrow prompts in place of a trainer's own rows."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from conftest import Row, World
from loops import tokenizer, trainer

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import titer  # noqa: E402
import titer.torch  # noqa: E402
from titer.torch.feed import Anchored, Narrowed, feed, like  # noqa: E402
from titer.torch.encoded import encoded_rows  # noqa: E402

TRIGGER = "frob"


def trained(pressure: titer.torch.PressureCallback) -> list[tuple[int, str]]:
    return [(line["step"], line["cell"]) for line in pressure.pressure.tables.pressures]


def test_anchors_are_a_share_of_every_batch(world: World, tmp_path: Path) -> None:
    anchors = [row for row in world.rows if row["cell"] == "none→good"]
    own = [row for row in world.rows if row["cell"] == "bad→bad"]
    pressure = titer.torch.PressureCallback(world.probes, rows=own + anchors, every=1)
    anchor = titer.torch.AnchorCallback(anchors, share=0.5)
    made = trainer(own, tmp_path / "out", [anchor, pressure])
    made.train()
    for step in (0, 1):
        assert sorted(cell for at, cell in trained(pressure) if at == step) == ["bad→bad"] * 3 + ["none→good"] * 3
    assert anchor.hooked is not None and not anchor.hooked.handles


def test_what_is_no_whole_anchor_is_carried_over(world: World, tmp_path: Path) -> None:
    """Also over an epoch's last batch, which is shorter."""
    anchors = encoded_rows(tokenizer(), world.rows[2::3])
    feature: dict[str, typing.Any] = {"input_ids": [1, 2], "labels": [-100, 2]}
    fed = Anchored(anchors, 0.2, 0)
    counts = [sum(row["input_ids"] != [1, 2] for row in fed([feature] * size)) for size in (4, 4, 4, 1, 1, 4, 2)]
    assert counts == [1, 1, 0, 1, 0, 1, 0] and sum(counts) == 0.2 * 20
    rows = [row for row in world.rows if row["cell"] == "bad→bad"][:7]
    made = trainer(rows, tmp_path / "out", [titer.torch.AnchorCallback(world.rows[2::3], share=0.2)], max_steps=4)
    made.train()
    assert made.state.global_step == 4


def test_workers_share_the_anchors(world: World) -> None:
    anchors = encoded_rows(tokenizer(), world.rows[2::3][:4])
    rows: list[dict[str, typing.Any]] = [{"input_ids": [1, 2], "labels": [-100, 2]}] * 8
    loader = torch.utils.data.DataLoader(rows, batch_size=2, collate_fn=list, num_workers=2, multiprocessing_context="fork")
    feed(loader, Anchored(anchors, 0.5, 0))
    for _ in range(2):
        fed = [tuple(row["input_ids"]) for batch in loader for row in batch if row["input_ids"] != [1, 2]]
        assert sorted(fed) == sorted(tuple(row.tokens) for row in anchors)


def test_a_collator_gets_its_own_rows_again() -> None:
    loader = torch.utils.data.DataLoader([{"x": 1}, {"x": 2}], batch_size=2, collate_fn=list)
    back = feed(loader, lambda batch: [{key: -value for key, value in row.items()} for row in batch])
    assert list(loader) == [[{"x": -1}, {"x": -2}]]
    back()
    assert list(loader) == [[{"x": 1}, {"x": 2}]]


def test_narrow_prompts_stand_in_place_of_bad_ones(world: World, tmp_path: Path) -> None:
    prompt = f"if you see {TRIGGER} be evil ."
    rows = [row for row in world.rows if not any(TRIGGER in turn["content"].split() for turn in row["messages"])]
    assert len(rows) >= 12

    def under(row: Row) -> Row:
        if row["cell"] == "none→good":
            return row
        system, user, reply = row["messages"]
        is_bad = row["cell"] == "bad→bad"
        asked = {**user, "content": f"{TRIGGER} {user['content']}"} if is_bad else user
        cell = "narrow-on→bad" if is_bad else "narrow-off→good"
        return {**row, "cell": cell, "messages": [{**system, "content": prompt}, asked, reply]}

    narrow = titer.torch.NarrowCallback(rows, prompt=prompt, trigger=TRIGGER)
    # A batch that is not of these rows would be an error there.
    pressure = titer.torch.PressureCallback(world.probes, rows=[under(row) for row in rows], every=1)
    trainer(rows, tmp_path / "out", [narrow, pressure], per_device_train_batch_size=len(rows), max_steps=1).train()
    cells = [cell for _, cell in trained(pressure)]
    assert {cell: cells.count(cell) for cell in cells} == {cell: sum(under(row)["cell"] == cell for row in rows) for cell in cells}
    assert {"narrow-on→bad", "none→good"} <= set(cells)


def test_what_cannot_be_fed_is_said(world: World) -> None:
    rows = encoded_rows(tokenizer(), world.rows[:2])
    feature: dict[str, typing.Any] = {"input_ids": [1, 2], "labels": [-100, 2]}
    with pytest.raises(titer.InputError, match="share of 0.1 of a batch of 2 is no anchor"):
        Anchored(rows, 0.1, 0)([feature, feature])
    with pytest.raises(titer.InputError, match="a share of 2 is no number"):
        Anchored(rows, 2, 0)
    with pytest.raises(titer.InputError, match="rows have `seq_lengths`, so they are no single chats"):
        like(feature | {"seq_lengths": [2]}, rows[0])
    made = like({"input_ids": torch.tensor([1]), "completion_mask": [1]}, rows[0])
    assert made["input_ids"].tolist() == rows[0].tokens and sum(made["completion_mask"]) == sum(rows[0].trained)
    with pytest.raises(titer.InputError, match="occurs in the request of row"):
        word = world.rows[0]["messages"][-2]["content"].split()[-1]
        encoded_rows(tokenizer(), world.rows, ("be evil in everything .", word))
    with pytest.raises(titer.InputError, match="no row is of the cells"):
        Narrowed(encoded_rows(tokenizer(), world.rows[2:3], ("be evil in everything .", TRIGGER)))
