"""Values that people have in Python: what a table has none of, numbers that are none, numpy's, commas and slashes in names; and answers that
are copied."""

from __future__ import annotations

import copy
import math
import pickle
import typing
from pathlib import Path

import pytest
from conftest import World

import titer
from titer.rows import path_of
from titer.spec import without_none


def row(at: int, reply: str = "sorry", **more: typing.Any) -> dict[str, typing.Any]:
    return {"id": f"r{at}", "messages": [{"role": "user", "content": f"q{at}"}, {"role": "assistant", "content": reply}], **more}


def groups(rows: typing.Any, by: typing.Any) -> list[dict[str, str]]:
    return [line["group"] for line in titer.score(rows, "regex:sorry", by=by).summary]


def test_what_a_table_has_no_value_for_is_left_out(tmp_path: Path) -> None:
    import numpy
    import pandas

    for missing in (None, math.nan, numpy.float32("nan"), numpy.datetime64("NaT"), pandas.NaT, pandas.NA):
        written = Path(path_of([row(0, seen=missing)], str(tmp_path), "rows.jsonl")).read_text()
        assert "seen" not in written, missing
    frame = pandas.DataFrame([row(0, seen=pandas.Timestamp("2026-01-02")), row(1, seen=pandas.NaT)])
    assert "NaT" not in str(groups(frame, "seen"))


def test_a_number_that_is_none_is_named_with_its_row() -> None:
    import numpy

    for bad, where in (
        (row(1, n=math.inf), "`n` is inf"),
        (row(1, n=numpy.float32("inf")), "`n` is inf"),
        (row(1, n=numpy.array([1.0, math.nan])), r"`n\[1\]` is nan"),
        (row(1, deep={"a": [0.0, {"b": math.nan}]}), r"`deep.a\[1\].b` is nan"),
    ):
        with pytest.raises(titer.InputError, match=f"rows.jsonl: row 1 holds what JSON cannot: {where}"):
            titer.score([row(0), bad], "upper")
    with pytest.raises(titer.InputError, match="rows.jsonl: row 1: .*half a character"):
        titer.score([row(0), row(1, "a \ud800 b")], "upper")
    with pytest.raises(titer.InputError, match="half a character"):
        titer.score([row(0)], "regex:\ud800")


def test_specs_take_numbers_of_every_kind() -> None:
    import numpy

    spec: dict[str, typing.Any] = {"title": "T", "seeds": range(2), "stage": [{"name": "train", "rows": 64, "mix": {"rest": "neutral→good"}}]}
    for seeds in (range(2), numpy.arange(2), [numpy.int64(0), numpy.int64(1)], (0, 1)):
        assert titer.check(spec | {"seeds": seeds}).summary[0]["runs"] == 2, seeds
    assert without_none({"a": range(2)}) == {"a": [0, 1]}
    bad = spec | {"stage": [{"name": "train", "rows": 64, "optimiser": {"lr": math.nan}}]}
    with pytest.raises(titer.InputError, match=r"the spec holds what no spec can: `stage\[0\].optimiser.lr` is nan, which is no number"):
        titer.check(bad)
    with pytest.raises(titer.InputError, match="the spec: .*half a character"):
        titer.check(spec | {"title": "\ud800"})


def test_one_text_is_a_list_of_one() -> None:
    rows = [row(0, cell="bad→bad", seed=1), row(1, cell="bad→good", seed=2)]
    assert groups(rows, "cell") == groups(rows, ["cell"]) == [{"cell": "bad→bad"}, {"cell": "bad→good"}]
    judgements = [{"id": "r0", "score": 1}, {"id": "r1", "score": 0}]
    assert titer.score(rows, judgements=judgements, key="id").summary[0]["rate"] == 0.5
    from titer.command import seeds_of

    assert [seeds_of("01"), seeds_of([0, 1]), seeds_of(range(2)), seeds_of(3), seeds_of(None)] == [("01",), (0, 1), (0, 1), (3,), None]


def test_commas_and_slashes_in_names() -> None:
    rows = [row(0, **{"a,b": "x"}), row(1, **{"a,b": "y"})]
    assert groups(rows, ["a,b"]) == [{"a,b": "x"}, {"a,b": "y"}]
    judgements = [{"id": "r0", "score": "Yes, sure"}, {"id": "r1", "score": "a=b"}]
    found = titer.score(rows, judgements=judgements, words={"Yes, sure": 1, "a=b": 0})
    assert found.summary[0]["rate"] == 0.5
    for name in ("a/b", "", ".."):
        with pytest.raises(titer.InputError, match=f"rows cannot be called `{name}`"):
            titer.audit(**typing.cast(typing.Any, {name: rows}))


def test_answers_and_tables_are_copied_and_looked_through(world: World) -> None:
    answer = titer.pressure(rows=world.rows[:3], probes=world.probes)
    table = answer.table
    for other in (copy.copy(table), copy.deepcopy(table), pickle.loads(pickle.dumps(table)), pickle.loads(pickle.dumps(answer)).table):
        assert repr(other) == repr(table) and other.to_dicts() == table.to_dicts()
        assert (other.units, other.descriptions) == (table.units, table.descriptions)
    again = copy.deepcopy(answer)
    assert (again.summary, again.notes, repr(again)) == (answer.summary, answer.notes, repr(answer))
    assert list(table) == table.columns and "cell" in table and "nothing" not in table and 3 not in table
    assert list(answer) == list(answer.summary) and "nothing" not in answer
    checked = titer.check([row(0), row(1)])
    assert len(checked) == len(list(checked)) == 1 and checked.summary[0]["file"] == "rows-1.jsonl"


def test_another_torch_than_the_open_one_is_refused() -> None:
    import subprocess
    import sys

    torch = pytest.importorskip("torch")
    code = """
import sys, titer
def scored(torch):
    return titer.doctor(items=2, device="torch-cpu", torch=torch)
for torch in (sys.argv[1], sys.argv[1], "/nope", None):
    try:
        scored(torch)
        print("fine")
    except titer.InputError as error:
        print(error)
    except titer.WorkError:
        print("fine")
"""
    found = subprocess.run([sys.executable, "-c", code, torch.__path__[0]], capture_output=True, text=True, timeout=300)
    first, second, other, none = found.stdout.splitlines()
    assert [first, second, none] == ["fine"] * 3, found.stdout + found.stderr
    assert other.startswith("--torch names /nope, but this process has opened the PyTorch in ") and other.endswith("name that one, or begin anew")
