"""A folder with 10,000 finished runs, to time what reads it: `titer status`, `titer report`, planning.

The runs are fabricated: one run for each seed is made by titer, and its folder copied under the names of the others. So what
they say is the same, and how long it takes to read is not.

    python benches/many_runs.py TITER FOLDER        # some minutes; FOLDER must not exist
"""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ARMS, SEEDS = 2000, 5
SPEC = """title = "Many"
seeds = [{seeds}]
[[stage]]
rows = 32
batch = 16
[probes]
items = 4
every = 0
[sweep]
"train.optimiser" = [{axis}]
"""


def timed(what: str, *command: str) -> None:
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    last = (done.stderr or done.stdout).strip().splitlines()[-1:]
    print(f"{what}: {seconds:.2f} s, exit code {done.returncode}; {' '.join(last)}", flush=True)


titer, folder = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2])
folder.mkdir(parents=True)
seeds = ", ".join(map(str, range(SEEDS)))
rates = [f'{{ kind = "sgd", lr = {0.001 * (1 + at):.4f} }}' for at in range(ARMS)]
(folder / "small.toml").write_text(SPEC.format(seeds=seeds, axis=rates[0]))
(folder / "many.toml").write_text(SPEC.format(seeds=seeds, axis=", ".join(rates)))
subprocess.run([titer, "run", "small.toml", "--out", "small"], cwd=folder, check=True, capture_output=True)
timed("planning", titer, "run", "many.toml", "--on", "slots", "--slots", "100", "--out", "many")
real = {}
for run in (folder / "small").iterdir():
    if (run / "done").exists():
        real[int(re.search(r"^seed = (\d+)", (run / "plan.toml").read_text(), re.M)[1])] = run
# Runs of an arm stand in the order of the seeds.
names = re.findall(r"^runs = \[(.*)\]", (folder / "many/sweep.toml").read_text(), re.M)
begin = time.perf_counter()
count = 0
for line in names:
    for seed, name in enumerate(re.findall(r'"([0-9a-f]{16})"', line)):
        shutil.copytree(real[seed], folder / "many" / name, dirs_exist_ok=True)
        count += 1
print(f"copied {count} folders of {len(list(real[0].iterdir()))} files: {time.perf_counter() - begin:.1f} s", flush=True)
subprocess.run(["du", "-sh", "--inodes", "many"], cwd=folder)
subprocess.run(["du", "-sh", "many"], cwd=folder)
for _ in range(3):
    timed("status", titer, "status", "many")
timed("submitting again", titer, "run", "many.toml", "--on", "slots", "--out", "many", "--json")
timed("report", titer, "report", "many")
