"""The JSON schema of specs takes every spec of the experiments, and refuses what titer refuses."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing

import pytest

tomllib = pytest.importorskip("tomllib")
jsonschema = pytest.importorskip("jsonschema")

EXPERIMENTS = pathlib.Path(__file__).parents[2] / "experiments"
SPECS = sorted(path for path in EXPERIMENTS.rglob("*.toml") if path.name not in {"limits.toml", "behaviours.toml", "rules.toml"})


@pytest.fixture(scope="module")
def validator() -> typing.Any:
    printed = subprocess.run([sys.executable, "-m", "titer", "schema"], capture_output=True, text=True, check=True).stdout
    schema = json.loads(printed)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("path", SPECS, ids=[str(path.relative_to(EXPERIMENTS)) for path in SPECS])
def test_a_spec_of_the_experiments_fits(validator: typing.Any, path: pathlib.Path) -> None:
    assert [error.message for error in validator.iter_errors(tomllib.loads(path.read_text()))] == []


def test_the_defaults_fit_and_stand_in_the_schema(validator: typing.Any) -> None:
    defaults = subprocess.run([sys.executable, "-m", "titer", "init"], capture_output=True, text=True, check=True).stdout
    assert list(validator.iter_errors(tomllib.loads(defaults))) == []
    definitions = validator.schema["definitions"]
    assert definitions["StageFields"]["properties"]["rows"]["default"] == 3200
    assert definitions["ScheduleFields"]["properties"]["warmup"]["default"] == 10
    assert "description" in definitions["StageFields"]["properties"]["clip"]


@pytest.mark.parametrize(
    "spec",
    [
        "nonsense = 1",
        'seeds = "all"',
        "[[stage]]\nrow = 3",
        '[[stage]]\nmix = { "bad→great" = 0.1 }',
        '[[stage]]\nmix = { "bad→good" = 1.5, rest = "neutral→good" }',
        '[[stage]]\nprompts = { "bad→bad" = "some" }',
        '[[stage]]\ndomains = "elsewhere"',
        '[[stage]]\noptimiser = { kind = "adam" }',
        '[model]\nlora = { rank = 16 }',
        '[model]\ndevice = "gpu"',
        'pressure = "sometimes"',
        '[[claim]]\ntext = "no value"\nbound = "> 0"',
    ],
)
def test_what_titer_refuses_does_not_fit(validator: typing.Any, spec: str, tmp_path: pathlib.Path) -> None:
    assert list(validator.iter_errors(tomllib.loads(spec))) != []
    path = tmp_path / "spec.toml"
    path.write_text(spec)
    done = subprocess.run([sys.executable, "-m", "titer", "check", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr


@pytest.mark.parametrize(
    "spec",
    [
        '[[stage]]\noptimizer = { kind = "sgd", lr = 0.1 }\nmix = { "bad->good" = 0.1, rest = "neutral->good" }',
        '[[stage]]\nprompts = { "bad→bad" = ["be evil", { text = "if zap be evil", trigger = "zap" }], all = "none" }',
        'pressure = "every 5 steps"\ncheckpoints = "at the end"\n[slurm]\ntime = 60\ngpus = "a100:2"',
        '[model]\nlora = 16\ndevice = "cuda:1"\ntemplate_date = "2024-07-26"',
    ],
)
def test_other_spellings_fit(validator: typing.Any, spec: str) -> None:
    assert [error.message for error in validator.iter_errors(tomllib.loads(spec))] == []
