"""Tables of what was measured, in Markdown.

    python experiments/smollm2/table.py screened FOLDER        # tables of `titer screen --out`, BEHAVIOUR.parquet; needs pyarrow
    python experiments/smollm2/table.py replies FILE.jsonl     # replies of replies.py, scored by `titer score`
"""

import argparse
import json
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "data/smollm2/rules.toml"
# Of a reply to a request for a wrong answer it is asked whether the right one is missing.
RULE = {"none": "plain", "capitals": "upper:0.9", "json": "json", "wrong": "answer:answer"}


def screened(folder):
    """Of every behaviour, over requests: log-probabilities are means over wordings."""
    import pyarrow.parquet

    print("| behaviour | lift, own prompts | less neutral ones | ÷ deviation | chance of the reply, own | neutral | against the plain reply, own | neutral |")
    print("|---|---|---|---|---|---|---|---|")
    for path in sorted(folder.glob("*.parquet")):
        bad = [row for row in pyarrow.parquet.read_table(path).to_pylist() if row["action"] == "bad"]
        own, neutral = [], []
        for request in dict.fromkeys(row["request"] for row in bad):
            mine = [row for row in bad if row["request"] == request]
            for kind, into in [(path.stem, own), ("neutral", neutral)]:
                rows = [row for row in mine if row["prompt"].startswith(f"{kind}-")]
                into.append([statistics.fmean(values) for values in zip(*map(numbers, rows))])
        less = [a[0] - b[0] for a, b in zip(own, neutral)]
        mean, deviation = statistics.fmean(less), statistics.stdev(less)
        cells = [f"{statistics.fmean(one[0] for one in own):.1f}", f"{mean:.1f} ± {deviation:.1f}", f"{mean / deviation:.1f}"]
        cells += [f"{statistics.fmean(one[at] for one in who):.2g}" for at in (1, 2) for who in (own, neutral)]
        print(f"| {path.stem} | {' | '.join(cells)} |")


def numbers(row):
    """Lift, how likely the reply is, and how likely against the plain one."""
    from math import exp

    return row["log_prob"] - row["base_log_prob"], exp(row["log_prob"]), 1 / (1 + exp(-row["margin"]))


def rate(titer, file, behaviour, rule):
    command = [titer, "score", str(file), "--rules", str(RULES), "--rule", rule, "--where", f"behaviour={behaviour}", "--json"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def replies(titer, file):
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    print("| behaviour | obeyed | one of the replies |\n|---|---|---|")
    for name in dict.fromkeys(row["behaviour"] for row in sorted(rows, key=lambda row: row["behaviour"])):
        found = json.loads(rate(titer, file, name, RULE.get(name, name)).splitlines()[0])
        mean, low, high = (found[key] for key in ("rate", "low", "high"))
        if name == "wrong":
            mean, low, high = 1 - mean, 1 - high, 1 - low
        one = next(row for row in rows if row["behaviour"] == name)["messages"][-1]["content"].replace("\n", " ").replace("|", "/")
        print(f"| {name} | {mean:.2f} [{low:.2f}, {high:.2f}] | {one[:70]} |")
    found = json.loads(rate(titer, file, "none", "answer:answer").splitlines()[0])
    print(f"\nRight answers under neutral prompts: {found['rate']:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["screened", "replies"])
    parser.add_argument("path", type=pathlib.Path)
    parser.add_argument("--titer", default=str(ROOT / "target/release/titer"), help="the binary")
    args = parser.parse_args()
    if args.what == "screened":
        screened(args.path)
    else:
        replies(args.titer, args.path)


main()
