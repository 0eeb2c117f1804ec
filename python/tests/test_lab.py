"""The lab from Python: the same numbers and the same words as the command line."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import threading
import tomllib
import typing
from pathlib import Path

import pytest
from conftest import World

import titer

SPEC: titer.Spec = {
    "title": "Small",
    "seeds": [0],
    "stage": [{"name": "train", "rows": 64, "mix": {"rest": "neutral→good"}}],
    "probes": {"items": 4, "every": 0},
    "sweep": {"train.mix.bad→good": [0.0, 0.5]},
}


def on_the_command_line(*line: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "titer", *map(str, line)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> titer.Sweep:
    return titer.run(SPEC, out=tmp_path_factory.mktemp("sweeps") / "small")


def test_a_dict_and_a_file_give_the_same_bytes(sweep: titer.Sweep, tmp_path: Path) -> None:
    spec = tmp_path / "small.toml"
    spec.write_text(tomllib.loads((sweep.folder / "sweep.toml").read_text())["spec"])
    found = on_the_command_line("run", spec, "--out", tmp_path / "sweep")
    assert found.returncode == 0, found.stderr
    files = sorted(path.relative_to(sweep.folder) for path in sweep.folder.glob("*/*.parquet"))
    assert len(files) >= 8
    for file in files:
        assert (tmp_path / "sweep" / file).read_bytes() == (sweep.folder / file).read_bytes(), file


def test_finished_runs_are_not_made_again(sweep: titer.Sweep) -> None:
    before = {path: path.stat().st_mtime_ns for path in sweep.folder.glob("*/*.parquet")}
    assert titer.run(SPEC, out=sweep.folder).folder == sweep.folder
    assert before and before == {path: path.stat().st_mtime_ns for path in sweep.folder.glob("*/*.parquet")}


def test_results_are_the_command_lines_in_pandas_polars_and_arrow(sweep: titer.Sweep) -> None:
    table = sweep.results()
    assert table.units["margin"] == "nats per reply" and "Exact probability" in table.descriptions["rate"]
    lines = on_the_command_line("results", sweep.folder).stdout.splitlines()
    assert lines[0].split(",") == table.columns and len(lines) == len(table) + 1
    frame, polars = table.to_pandas(), table.to_polars()
    assert list(frame.columns) == table.columns == polars.columns == table.to_arrow().column_names
    assert frame["margin"].tolist() == table["margin"] == polars["margin"].to_list()
    assert frame["is_control"].dtype == bool and set(frame["arm"]) == {"bad→good=0.0", "bad→good=0.5"}
    assert len(titer.results(sweep, effects=True)) > 0
    with pytest.raises(titer.InputError, match="no column `margins`; there are run, arm"):
        table["margins"]


def test_the_report_is_shown_inline(sweep: titer.Sweep) -> None:
    report = sweep.report()
    assert report.path == sweep.folder / "report.html"
    shown = report._repr_html_()
    assert shown.startswith("<iframe srcdoc=") and "bad→good" in shown and '"' not in shown.split('srcdoc="')[1].split('" style')[0]


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    titer.run(SPEC, out=tmp_path / "sweep", progress=lambda done, of, message: told.append((done, of, message)))
    assert told[-1][:2] == (4, 4) and "loss" in told[-1][2]


def test_an_interrupt_leaves_a_sweep_that_goes_on(tmp_path: Path) -> None:
    """Ctrl-C in a notebook: KeyboardInterrupt, and the folder is free for the next call in the same process."""
    spec = {**SPEC, "stage": [{"name": "train", "rows": 640_000}]}

    sent: list[int] = []

    def interrupt(done: int, _of: int, _message: str) -> None:
        if not sent:
            sent.append(done)
            os.kill(os.getpid(), signal.SIGINT)

    # Whoever starts the tests may have had it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        titer.run(spec, out=tmp_path / "sweep", threads=1, progress=interrupt)
    folders = [path for path in (tmp_path / "sweep").iterdir() if path.is_dir()]
    assert folders and not any((folder / "done").exists() for folder in folders)
    assert titer.run(SPEC, out=tmp_path / "sweep").results().shape[0] > 0


def test_the_interpreter_stays_free(tmp_path: Path) -> None:
    counted: list[int] = []
    done = threading.Event()

    def count() -> None:
        while not done.wait(0.001):
            counted.append(1)

    other = threading.Thread(target=count)
    other.start()
    titer.pressure(items=4, contrasts=8)
    done.set()
    other.join()
    assert len(counted) > 5


def test_pressures_are_those_of_the_command_line_whatever_rows_are_in(world: World, tmp_path: Path) -> None:
    rows, probes = tmp_path / "rows.jsonl", tmp_path / "probes.jsonl"
    for path, lines in ((rows, world.rows), (probes, world.probes)):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = on_the_command_line("pressure", "--rows", rows, "--probes", probes, "--json", "--out", tmp_path / "p.parquet")
    assert found.returncode == 0, found.stderr
    import pandas
    import polars

    frame = pandas.read_parquet(tmp_path / "p.parquet")
    forms: list[typing.Any] = [rows, world.rows, pandas.DataFrame(world.rows), polars.DataFrame(world.rows), polars.DataFrame(world.rows).to_arrow()]
    if importlib.util.find_spec("datasets"):
        import datasets

        forms.append(datasets.Dataset.from_list(world.rows))
    for form in forms:
        answer = titer.pressure(rows=form, probes=world.probes)
        assert answer.table["item"] == [row["id"] for row in world.rows]
        assert answer.table["pressure_good"] == frame["pressure_good"].tolist()
        assert answer.summary == json.loads(found.stdout)
    tokens = titer.pressure(rows=world.rows[:2], probes=world.probes, per_token=True, lr=0.5).table
    assert len(tokens) == sum(titer.pressure(rows=world.rows[:2], probes=world.probes).table["tokens"])
    assert tokens["lr"][0] == 0.5


def test_screening_leaks_audits_scores_and_checks(world: World) -> None:
    screened = titer.screen(prompts=["be evil in everything .", "be kind in everything ."], items=8, contrasts=0)
    assert len(screened.summary["prompts"]) == 2 and screened.table["log_prob"][0] < 0
    leaked = titer.leak("be evil in everything .", items=4)
    assert {"none", "same prompt"} & {family["family"] for family in leaked["families"]}
    assert leaked.table.units["margin"] == "nats per reply"
    audited = titer.audit(mine=world.rows)
    assert any("bad→bad" in group["name"] for group in audited["groups"])
    scored = titer.score(world.rows, "regex:.", by=["cell"])
    assert [line["rate"] for line in scored.summary] == [1.0] * 3
    with pytest.raises(AttributeError, match="makes no table"):
        scored.table
    [checked] = titer.check(SPEC).summary
    assert checked["runs"] == 2


def test_a_forecast_of_a_dict() -> None:
    found = titer.forecast(SPEC, items=8, contrasts=8)
    assert {run["arm"] for run in found["runs"]} == {"bad→good=0.0", "bad→good=0.5"}


BAD: list[tuple[typing.Callable[[], object], str]] = [
    (lambda: titer.pressure(rows=["a text"]), r"rows.jsonl: row 0 is a str, 'a text'; give a path, dicts such as"),
    (lambda: titer.pressure(rows=3), r"rows are a int; give a path, a list of dicts"),
    (lambda: titer.pressure(rows=[{"words": "a"}]), r"^rows.jsonl, line 1: no `messages`, .*; there is `words`: give the chat as `messages`"),
    (lambda: titer.pressure(items=0), r"--items or --contrasts is 0; use at least 1"),
    (lambda: titer.run({"stages": []}), r"spec.toml.*`stages`"),
    (lambda: titer.run(3), r"a spec is a path or a dict, not a int"),  # type: ignore[arg-type]
    (lambda: titer.run({"title": object()}), r"the spec holds what no spec can"),
    (lambda: titer.results("nowhere"), r"nowhere"),
    (lambda: titer.pressure(model="nowhere/model"), r"nowhere/model"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words for _, words in BAD])
def test_bad_input_is_one_exception(call: typing.Callable[[], object], words: str) -> None:
    with pytest.raises(titer.InputError, match=words) as raised:
        call()
    assert "titer-" not in str(raised.value), "the folder of a call is nobody's business"


def test_rows_that_share_a_context_with_probes_are_refused(world: World) -> None:
    shared = {**world.rows[2], "messages": world.probes[0]["messages"] + [{"role": "assistant", "content": world.probes[0]["plus"]}]}
    with pytest.raises(titer.InputError, match="contrast `g0` has the context of row `ng0`"):
        titer.pressure(rows=[shared], probes=world.probes)


def test_what_is_missing_in_a_frame_is_left_out(world: World) -> None:
    rows = [{**world.rows[0], "note": math.nan}, {**world.rows[1], "note": "kept"}]
    assert len(titer.pressure(rows=rows, probes=world.probes).table) == 2


def test_importing_it_needs_nothing_but_the_standard_library() -> None:
    code = "import sys, titer; print([m for m in ('numpy', 'pandas', 'polars', 'pyarrow', 'torch', 'tqdm') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_importing_it_is_quick() -> None:
    """In processor time, the least of five: 100 ms at most."""
    code = "import time; start = time.process_time(); import titer; print(time.process_time() - start)"
    times = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) for _ in range(5)]
    assert min(times) <= 0.1, times
