"""Every option of a command is a keyword of its function, and the other way round."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

import titer
from titer.command import Template
from titer.endpoint import Endpoint
from titer.sampling import Sampling

ARGUMENTS = {
    "doctor": {"rows"}, "audit": {"rows", "named"}, "score": {"rows"}, "validate": {"arms"}, "forecast": {"spec"}, "plan": {"limits"},
    "run": {"spec"}, "export": {"spec"}, "import_": {"export"}, "judge": {"rows"}, "serve": {"model"}, "compare": {"a", "b"}, "list": {"folder"},
}
"""Parameters that are a command's arguments, by name or place."""

HERE_ALONE = {"progress"}
THERE_ALONE = {"help", "json", "html", "columns", "top", "threads", "on", "slots", "account", "at_once", "cpus", "gpus", "line", "memory", "partition", "time", "constraint"}
"""Options about terminals and clusters."""

CALLED = {"template_variables": "template_variable", "for_": "for"}
"""Keywords that are called otherwise on the command line."""

DICTS = {"template": Template, "sampling": Sampling, "endpoint": Endpoint}
"""Keywords that hold several options."""


@pytest.mark.parametrize("verb", ["pressure", "screen", "leak", "doctor", "audit", "score", "validate", "forecast", "plan", "run", "export", "import_", "judge", "serve", "compare", "list"])
def test_keywords_are_the_options(verb: str) -> None:
    shown = subprocess.run([sys.executable, "-m", "titer", verb.strip("_"), "--help"], capture_output=True, text=True, check=True).stdout
    options = {name.replace("-", "_") for name in re.findall(r"^\s+(?:-\w, )?--([a-z-]+)", shown, re.M)}
    keywords = set(inspect.signature(getattr(titer, verb)).parameters) - ARGUMENTS.get(verb, set())
    for name, kind in DICTS.items():
        if name in keywords:
            keywords = keywords - {name} | set(kind.__annotations__)
    if verb == "validate":
        keywords = keywords - {"columns"} | {"column"}  # a dict in Python; there it is the option of one column
    assert {CALLED.get(name, name) for name in keywords - HERE_ALONE} - THERE_ALONE == options - THERE_ALONE
