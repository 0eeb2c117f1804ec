"""Specs as dicts, as dataclasses and as files are the same specs."""

from __future__ import annotations

import dataclasses
import re
import typing

import pytest

import titer
from titer import fields

PLACES: list[tuple[type, typing.Callable[[object], dict[str, typing.Any]]]] = [
    (fields.Spec, lambda here: typing.cast("dict[str, typing.Any]", here)),
    (fields.Model, lambda here: {"model": here}),
    (fields.Lora, lambda here: {"model": {"lora": here}}),
    (fields.Data, lambda here: {"data": here}),
    (fields.Cells, lambda here: {"data": {"rows": "r", "cells": [here]}}),
    (fields.Probes, lambda here: {"probes": here}),
    (fields.Stage, lambda here: {"stage": [here]}),
    (fields.Optimiser, lambda here: {"stage": [{"optimiser": here}]}),
    (fields.Schedule, lambda here: {"stage": [{"schedule": here}]}),
    (fields.Guards, lambda here: {"stage": [{"guards": here}]}),
    (fields.Anchor, lambda here: {"stage": [{"guards": {"anchor": here}}]}),
    (fields.Control, lambda here: {"stage": [{"guards": {"steer": here}}]}),
    (fields.Drawn, lambda here: {"stage": [{"drawn": here}]}),
    (fields.Vector, lambda here: {"stage": [{"vector": here}]}),
    (fields.Helper, lambda here: {"stage": [{"helper": here}]}),
    (fields.Claim, lambda here: {"claim": [here]}),
    (fields.Leak, lambda here: {"leak": here}),
    (fields.Slurm, lambda here: {"slurm": here}),
]


@pytest.mark.parametrize(("kind", "place"), PLACES, ids=[kind.__name__ for kind, _ in PLACES])
def test_completion_offers_the_keys_that_titer_knows(kind: type, place: typing.Callable[[object], dict[str, typing.Any]]) -> None:
    with pytest.raises(titer.InputError, match="unknown field `nonsense`, expected") as raised:
        titer.check(place({"nonsense": 1}))
    [line] = [line for line in str(raised.value).splitlines() if "expected" in line]
    assert set(re.findall(r"`(\w+)`", line.split("expected")[1])) == set(typing.get_type_hints(kind))


@dataclasses.dataclass
class Phase:
    """A stage as somebody's own dataclass."""

    name: str
    rows: int
    mix: dict[str, typing.Any]
    clip: float | None = None


@dataclasses.dataclass
class Experiment:
    title: str
    seeds: list[int]
    stage: list[Phase]
    sweep: dict[str, list[float]]


def test_a_dataclass_and_dicts_by_keyword_are_the_same_spec() -> None:
    mix: dict[str, typing.Any] = {"rest": "neutral→good"}
    sweep = {"train.mix.bad→good": [0.0, 0.5]}
    as_dict = titer.Spec(title="Small", seeds=[0], stage=[titer.Stage(name="train", rows=64, mix=mix)], sweep=sweep)
    as_class = Experiment("Small", [0], [Phase("train", 64, mix)], sweep)
    [first], [second] = titer.check(as_dict).summary, titer.check(as_class).summary
    assert first == second and first["runs"] == 2
