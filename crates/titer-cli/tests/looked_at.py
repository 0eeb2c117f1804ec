"""Reads what `titer export --for inspect` and `--for tensorboard` wrote, by the programs that it is for, and prints it as JSON.

    python looked_at.py LOGS EVENTS
"""

import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.update(NO_COLOR="1", TF_CPP_MIN_LOG_LEVEL="3")
logging.disable(logging.WARNING)

from inspect_ai.analysis import evals_df, samples_df
from inspect_ai.log import list_eval_logs, read_eval_log
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

logs, events = map(pathlib.Path, sys.argv[1:])
found = [read_eval_log(log) for log in sorted(list_eval_logs(str(logs)), key=lambda log: log.name)]
samples = samples_df(str(logs), quiet=True)
evals = evals_df(str(logs), quiet=True)


def seen(log):
    return {
        "probe": log.eval.metadata["probe"],
        "model": log.eval.model,
        "status": log.status,
        "arm": log.eval.metadata["arm"],
        "means": {score.name: score.metrics["mean"].value for score in log.results.scores},
        "samples": [
            {
                "item": sample.id,
                "input": sample.input if isinstance(sample.input, str) else [[turn.role, turn.text] for turn in sample.input],
                "target": sample.target,
                "reply": sample.output.completion,
                "rate": sample.scores["rate"].value,
                "margin": sample.scores["margin"].value,
                "before": sample.scores["margin_before"].value,
            }
            for sample in log.samples
        ],
    }


inspect = pathlib.Path(sys.executable).with_name("inspect")


def bundled():
    """How many logs a page for a browser lists that `inspect view bundle` makes of them."""
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "page"
        subprocess.run([inspect, "view", "bundle", "--log-dir", logs, "--output-dir", page], check=True, stdout=sys.stderr)
        assert (page / "index.html").exists()
        return len(json.loads((page / "logs" / "listing.json").read_text()))


dumped = subprocess.run([inspect, "log", "dump", next(logs.rglob("*.json"))], check=True, stdout=subprocess.PIPE).stdout
scalars = {}
for file in sorted(events.rglob("events.out.tfevents.*")):
    read = EventAccumulator(str(file))
    read.Reload()
    tags = read.Tags()["scalars"]
    scalars[str(file.parent.relative_to(events))] = {tag: [[event.step, event.value] for event in read.Scalars(tag)] for tag in tags}

print(json.dumps({
    "logs": [seen(log) for log in found],
    "rows": len(samples),
    "unique": int(samples["sample_id"].nunique()),
    "rate": float(samples["score_rate"].mean()),
    "evals": len(evals),
    "tasks": sorted(set(evals["task_name"])),
    "bundled": bundled(),
    "dumped": json.loads(dumped)["status"],
    "scalars": scalars,
}))
