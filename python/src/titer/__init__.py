"""titer: what a fine-tune teaches besides the task, measured.

    import titer
    sweep = titer.run("spec.toml", progress=True)   # trains and measures; the same call resumes
    sweep.results().to_pandas()                      # one line a run, moment and probe
    sweep.report()                                   # shown inline in a notebook
    titer.pressure(model="organism").table           # what each row's gradient does to each component

Every function does what the command of its name does, by the same code: `titer.pressure(lr=0.1)` is `titer pressure --lr 0.1`, and
errors are exceptions with the command's text. `titer.torch` measures inside other people's training loops.
"""

import typing

from ._lab import InputError, TiterError, WorkError
from .answer import Answer
from .elsewhere import export, import_
from .fields import Claim, Data, Guards, Model, Optimiser, Schedule, Spec, Stage
from .judged import judge
from .on_data import audit, score, validate
from .on_models import doctor, leak, pressure, screen
from .on_specs import check, forecast, plan
from .on_sweeps import compare, list
from .report import Report
from .serving import Server, serve
from .sweep import Sweep, results, run
from .table import Table

__all__ = [
    "Answer",
    "Claim",
    "Data",
    "Guards",
    "InputError",
    "Model",
    "Optimiser",
    "Report",
    "Schedule",
    "Server",
    "Spec",
    "Stage",
    "Sweep",
    "Table",
    "TiterError",
    "WorkError",
    "audit",
    "check",
    "compare",
    "doctor",
    "export",
    "forecast",
    "import_",
    "judge",
    "leak",
    "list",
    "plan",
    "pressure",
    "results",
    "run",
    "score",
    "screen",
    "serve",
    "validate",
]


if typing.TYPE_CHECKING:
    from . import torch as torch


def __getattr__(name: str) -> typing.Any:
    # torch takes a second to import, and the lab needs none.
    if name == "torch":
        import importlib

        return importlib.import_module(".torch", __name__)
    raise AttributeError(f"module `titer` has no attribute `{name}`")
