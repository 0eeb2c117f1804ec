"""Values of another kind than was asked for: they work, or one sentence says what to give."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

import titer
from titer.command import Command, options
from titer.on_specs import pairs
from titer.progress import Bar, told

Any = typing.Any

SPEC: dict[str, Any] = {
    "title": "Small",
    "seeds": [0],
    "stage": [{"name": "train", "rows": 64, "mix": {"rest": "neutral→good"}}],
    "probes": {"items": 4, "every": 0},
    "sweep": {"train.mix.bad→good": [0.0, 0.5]},
}


def row(at: int, **more: Any) -> dict[str, Any]:
    return {"id": f"r{at}", "messages": [{"role": "user", "content": f"q{at}"}, {"role": "assistant", "content": "sorry"}], **more}


ROWS: Any = [row(0), row(1)]
RULE = "regex:sorry"


def found(rows: Any, **where: Any) -> int:
    return int(titer.score(rows, RULE, where=where).summary[0]["n"])


def test_rows_are_chosen_by_values_as_python_has_them() -> None:
    import numpy
    import pandas
    import polars

    rows = [row(0, b=True, f=2.0, n=1, s="x"), row(1, b=False, f=3.5, n=None, s="y"), row(2, b=True, f=2.0, n=1, s="1")]
    for frame in (rows, pandas.DataFrame(rows), polars.DataFrame(rows)):
        assert found(frame, b=True) == found(frame, b=numpy.True_) == found(frame, b="true") == 2
        assert found(frame, f=2) == found(frame, f=2.0) == found(frame, f=numpy.float32(2)) == found(frame, f=numpy.int64(2)) == 2
        # pandas makes numbers with a gap into broken ones.
        assert found(frame, n=1) == 2 and found(frame, n=None) == found(frame, n=float("nan")) == found(frame, n=pandas.NA) == 1
        assert found(frame, f=2, n=1, s="1") == 1 and found(frame, s="x") == 1
        with pytest.raises(titer.InputError, match="no row is what --where asks for"):
            found(frame, b=1)
    assert found([row(0, n=1), row(1, n=1.0), row(2, n="1")], n=1) == 3


def test_a_forecast_is_calibrated_and_held_against_sweeps(tmp_path: Path) -> None:
    sweep = titer.run(SPEC, out=tmp_path / "sweep", threads=1)
    spec = tmp_path / "spec.toml"
    from titer.spec import toml

    spec.write_text(toml(SPEC))
    runs = [
        titer.forecast(SPEC, items=8, contrasts=8, calibrate=given)["runs"]
        for given in ((spec, sweep), [(SPEC, sweep.folder)], [(str(spec), str(sweep.folder))])
    ]
    assert runs[0] == runs[1] == runs[2]
    assert titer.forecast(SPEC, items=8, contrasts=8, against=sweep).summary == titer.forecast(SPEC, items=8, contrasts=8, against=sweep.folder).summary
    assert titer.Sweep(sweep).folder == sweep.folder and titer.list(titer.Sweep(tmp_path)).table["finished"] == [2]


def test_pairs_to_calibrate_by() -> None:
    with Command("forecast") as command:
        assert pairs(("a.toml", "b"), command) == pairs([("a.toml", "b")], command) == pairs([["a.toml", titer.Sweep("b")]], command) == [("a.toml", "b")]
        assert pairs([("a.toml", "b"), ("c.toml", "d")], command) == [("a.toml", "b"), ("c.toml", "d")] and pairs((), command) == []
        # Two specs of one title.
        [(first, _), (second, _)] = pairs([({"title": "T", "seeds": [0]}, "b"), ({"title": "T", "seeds": [1]}, "d")], command)
        assert first != second and {first, second} == set(command.specs)
        for bad in ("a.toml", [("a.toml", "b", "c")], ["a.toml", "b", "c"], {"a.toml": "b"}, 3):
            with pytest.raises(titer.InputError, match=r"calibrate .*a spec and its sweep, such as calibrate=\(\"spec.toml\", sweep\)"):
                pairs(bad, command)
    assert options({"calibrate": [("a.toml", "b"), ("c.toml", "d")]}) == ["--calibrate", "a.toml", "b", "--calibrate", "c.toml", "d"]


BAD: list[tuple[typing.Callable[[Any], object], str]] = [
    (lambda _: titer.score(ROWS, RULE, sample=1, endpoint=_("http://localhost:9")), 'endpoint is a str; give a dict such as {"endpoint": "http'),
    (lambda _: titer.judge(ROWS, "rate {reply}", _("http://localhost:9")), "endpoint is a str"),
    (lambda _: titer.import_("away", endpoint=_("http://localhost:9")), "endpoint is a str"),
    (lambda _: titer.score(ROWS, RULE, sample=1, template=_("chatml")), 'template is a str; give a dict such as {"system_in_user"'),
    (lambda _: titer.pressure(template=_({"template_variables": "x"})), "template_variables is a str"),
    (lambda _: titer.leak("be evil .", sampling=_(4)), 'sampling is a int; give a dict such as {"sample": 4}'),
    (lambda _: titer.score(ROWS, RULE, where=_(["g=x"])), 'where is a list; give a dict such as {"split"'),
    (lambda _: titer.score(ROWS, judgements=_(ROWS), words=_(["yes"])), "words is a list; give a dict"),
    (lambda _: titer.validate(ROWS, columns=_(["prompt"])), "columns is a list; give a dict"),
    (lambda _: titer.import_("away", run=_(["a"])), 'run is a list; give a dict such as {"ARM/SEED"'),
    (lambda _: titer.import_("away", run=_({"a/0": 3})), "run `a/0` is a int; give a path"),
    (lambda _: titer.serve("organism", adapter=_(["a"])), "adapter is a list; give a dict"),
    (lambda _: titer.serve(_(None)), "the model is a NoneType; give a path"),
    (lambda _: titer.serve("a\ud800"), "half a character"),
    (lambda _: titer.list(_(None)), "the folder is a NoneType; give a path"),
    (lambda _: titer.results(_(None)), "a sweep's folder is a NoneType; give a path"),
    (lambda _: titer.Sweep(_(3)), "a sweep's folder is a int; give a path"),
    (lambda _: titer.compare("a", _(3)), "a sweep's folder is a int; give a path"),
    (lambda _: titer.judge(ROWS, _(3), _({})), "the rubric is a int; give a path"),
    (lambda _: titer.run({"title": "x"}, quick=_(1)), "quick is 1; give True or False"),
    (lambda _: titer.run({"title": "x"}, progress=_("yes")), "progress is 'yes'; give True for a bar, or a function"),
    (lambda _: titer.screen(prompts=_({"text": "a"})), "rows are a dict"),
    (lambda _: titer.audit(ROWS, **{"rows-1": _(ROWS)}), "two groups of rows would be called `rows-1.jsonl`; give one of them another name"),
    (lambda _: titer.audit(a=ROWS, A=_(ROWS)), "two groups of rows would be called `A.jsonl`"),
    (lambda _: titer.audit(**{"a\0b": _(ROWS)}), "rows cannot be called"),
    (lambda _: titer.audit(**{"a" * 300: _(ROWS)}), "rows cannot be called `a+`.* use a short one"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words for _, words in BAD])
def test_what_is_of_another_kind_is_said(call: typing.Callable[[Any], object], words: str) -> None:
    with pytest.raises(titer.InputError, match=words):
        # A type checker would see these; people in notebooks have none.
        call(lambda given: given)


def test_columns_of_one_name_are_refused_by_name() -> None:
    import pandas
    import pyarrow

    frame = pandas.DataFrame([row(0, g="x"), row(1, g="y")])
    twice = pandas.concat([frame, frame[["g"]]], axis=1)
    table = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["g", "g"])
    for given in (twice, table):
        with pytest.raises(titer.InputError, match="the table has two columns called `g`"):
            titer.score(given, RULE)


def test_flags_progress_and_prompts_take_what_people_have() -> None:
    import numpy
    import pandas

    assert options({"quick": numpy.True_, "repair": numpy.False_, "verify": None}) == ["--quick"]
    assert told(None) is told(False) is None and isinstance(told(True), Bar)
    from titer.command import seeds_of

    assert seeds_of(typing.cast(Any, numpy.array(3))) == (3,)
    text = "be evil in everything ."
    forms: list[Any] = [[text], (one for one in [text]), pandas.Series([text]), numpy.array([text]), pandas.DataFrame({"text": [text]})]
    for form in forms:
        [prompt] = titer.screen(prompts=form, items=4, contrasts=0).summary["prompts"]
        assert prompt["text"] == text
