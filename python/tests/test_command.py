"""The command that the package installs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def with_scripts() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
