"""The command that the package installs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import titer

COMMAND = [sys.executable, "-m", "titer"]


def test_it_is_there_and_says_its_version() -> None:
    shown = subprocess.run(["titer", "--version"], capture_output=True, text=True, check=True, env=with_scripts())
    assert shown.stdout.startswith("titer 0."), shown.stdout


def test_exit_codes_and_errors_are_the_programs() -> None:
    found = subprocess.run([*COMMAND, "run", "nowhere.toml"], capture_output=True, text=True)
    assert found.returncode == 2
    assert found.stderr.startswith("error: nowhere.toml"), found.stderr
    try:
        titer.run("nowhere.toml")
    except titer.InputError as error:
        assert f"error: {error}\n" == found.stderr
    else:
        raise AssertionError("a spec that is not there was run")


def test_an_interrupt_ends_it_at_once_and_leaves_a_sweep_that_goes_on(tmp_path: Path) -> None:
    line = [*COMMAND, "run", "--out", str(tmp_path / "sweep"), "--threads", "1"]
    child = subprocess.Popen(
        line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    )
    record = tmp_path / "sweep" / "sweep.toml"
    while not record.exists():
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) == 130
    assert titer.Sweep(tmp_path / "sweep").verify()["damaged"] == 0


@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="qemu-x86_64 is not installed")
def test_it_works_on_a_processor_of_x86_64_v2() -> None:
    code = "import sys; sys.path = sys.argv[1].split(':'); from titer._lab import main; sys.exit(main(['titer', *sys.argv[2:]]))"
    python = os.path.realpath(sys.executable)
    line = ["qemu-x86_64", "-cpu", "Nehalem", python, "-c", code, ":".join(path for path in sys.path if path)]
    shown = subprocess.run([*line, "--version"], capture_output=True, text=True)
    assert shown.returncode == 0 and "x86-64)" in shown.stdout, shown.stderr
    asked = ["pressure", "--items", "1", "--contrasts", "2", "--json"]
    old = subprocess.run([*line, *asked], capture_output=True, text=True)
    assert old.returncode == 0, old.stderr
    own = json.loads(subprocess.run([*COMMAND, *asked], capture_output=True, text=True, check=True).stdout)
    found = json.loads(old.stdout)["cells"]
    assert found.keys() == own["cells"].keys()
    for name, cell in own["cells"].items():
        for column in ("surprise", "pressure_obey"):
            assert found[name]["columns"][column]["mean"] == pytest.approx(cell["columns"][column]["mean"], rel=1e-3), (name, column)


def with_scripts() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
