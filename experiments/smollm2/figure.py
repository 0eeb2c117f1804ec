"""Draws what SmolLM2 says of two questions that reports answer apart: docs/figures/smollm2.svg. On the left inoculation on a deaf model by
headroom, a point a run; on the right what keeps rudeness out by how much the first rows surprise, a point an arm.

    python experiments/smollm2/figure.py runs/smollm2-breakdown runs/smollm2-rivals --titer titer > docs/figures/smollm2.svg

Needs titer and pyarrow.
"""

import argparse
import csv
import io
import pathlib
import statistics
import subprocess

import pyarrow.parquet

LEFT, RIGHT, TOP, BOTTOM = 34, 286, 10, 196
STYLE = """
    svg { --paper: #fdfcfa; --soft: #5d646d; --faint: #e4e1db; --ink: #1d2126; --c0: #0b62a8; --c1: #b4500b }
    @media (prefers-color-scheme: dark) { svg { --paper: #15181c; --soft: #a0a7b0; --faint: #30353c; --ink: #e4e6e8; --c0: #76b3ea; --c1: #f0a060 } }
    text { font: 11.5px system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif } .head { fill: var(--ink); font-weight: 600; font-size: 12.5px }
    .card { fill: var(--paper) } .tick, .axis-label { fill: var(--soft) } .axis { stroke: var(--soft); fill: none } .grid { stroke: var(--faint) }
    .zero { stroke: var(--soft); opacity: .6 } g { color: var(--c0) } .c1 { color: var(--c1) } .dot { fill: currentColor; stroke: var(--paper); stroke-width: .8 }
    .whisker { stroke: currentColor; stroke-width: 1.3; opacity: .55 } .leader { stroke: currentColor; stroke-width: .8; opacity: .5; fill: none } .name { fill: currentColor }
"""


def measured(titer, folder):
    """Of every run its arm, settings, good at the end, and what was known before its last stage."""
    table = subprocess.run([titer, "results", str(folder)], check=True, capture_output=True, text=True).stdout
    runs = {}
    for row in csv.DictReader(io.StringIO(table)):
        if row["at_end"] == "true" and [row[key] for key in ("component", "prompts", "domains")] == ["good", "seen", "trained"]:
            runs[row["run"]] = row | {"good": float(row["margin"])}
    for run, row in runs.items():
        row["before"] = pyarrow.parquet.read_table(folder / run / "warnings.parquet").to_pylist()[-1]
    return [row for row in runs.values() if row["is_control"] == "false"]


class Panel:
    """Axes, with what is drawn on them."""

    def __init__(self, title, label, most):
        self.title, self.most, self.drawn = title, most, []
        for nats in (-10, 0, 10, 20):
            kind = "grid" if nats else "zero"
            self.drawn += [f'<line class="{kind}" x1="{LEFT}" x2="{RIGHT}" y1="{self.y(nats):.1f}" y2="{self.y(nats):.1f}"/>']
            self.text("tick", 28, self.y(nats) + 3.5, str(nats).replace("-", "−"), "end")
        self.drawn += [f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>']
        for nats in range(0, most + 1, 5):
            self.text("tick", self.x(nats), 213, str(nats), "middle")
        self.text("axis-label", 160, 232, label, "middle")

    def x(self, nats):
        return LEFT + (RIGHT - LEFT) * nats / self.most

    def y(self, nats):
        return BOTTOM - (BOTTOM - TOP) * (nats + 10) / 30

    def text(self, kind, x, y, text, anchor="start"):
        self.drawn += [f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>']

    def point(self, colour, x, good, told, half=0.0):
        at = f'cx="{self.x(x):.1f}" cy="{self.y(good):.1f}"'
        bar = f'<path class="whisker" d="M{self.x(x):.1f} {self.y(good - half):.1f}V{self.y(good + half):.1f}"/>' if half else ""
        self.drawn += [f'<g class="{colour}">{bar}<circle class="dot" {at} r="3"><title>{told}</title></circle></g>']

    def names(self, named):
        """Names at the right, in the order of their points, each with a line to it: `(colour, x, good, name)`."""
        place = TOP
        for colour, x, good, name in sorted(named, key=lambda one: -one[2]):
            place = max(place + 15, self.y(good) - 20)
            line = f"M{self.x(x) + 5:.1f} {self.y(good):.1f}L294 {place:.1f}"
            self.drawn += [f'<g class="{colour}"><path class="leader" d="{line}"/>']
            self.text("name", 297, place + 3.8, name)
            self.drawn += ["</g>"]


def breakdown(runs):
    panel = Panel("Inoculation on a model made deaf: good, nats", "headroom before it, nats", 20)
    named = {}
    for run in runs:
        prompted = "bad→bad" in run["arm"]
        colour, name = ("c0", "under prompts") if prompted else ("c1", "without")
        panel.point(colour, run["before"]["headroom"], run["good"], run["arm"])
        one = (colour, run["before"]["headroom"], run["good"], name)
        named[colour] = max(named.get(colour, one), one, key=lambda one: one[1])
    panel.names(named.values())
    return panel


def rivals(runs):
    panel = Panel("What keeps rudeness out: good, nats", "surprise of the first rows, nats", 20)
    arms, named = {}, []
    for run in runs:
        arms.setdefault(run["train"], []).append(run)
    for name, of_arm in arms.items():
        good, surprise = ([pick(run) for run in of_arm] for pick in (lambda run: run["good"], lambda run: run["before"]["surprise"]))
        # Student's t for three seeds.
        half = 4.303 * statistics.stdev(good) / len(good) ** 0.5
        x, mean = statistics.fmean(surprise), statistics.fmean(good)
        if x <= panel.most:
            colour = "c1" if name in ("no prompt", "placebo", "random adapter") else "c0"
            panel.point(colour, x, mean, f"{name}: {mean:.1f} [{mean - half:.1f}, {mean + half:.1f}]", half)
            named += [(colour, x, mean, name)]
    panel.names(named)
    return panel


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("breakdown", type=pathlib.Path)
    parser.add_argument("rivals", type=pathlib.Path)
    parser.add_argument("--titer", default="titer")
    options = parser.parse_args()
    panels = [breakdown(measured(options.titer, options.breakdown)), rivals(measured(options.titer, options.rivals))]
    print('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 864 286" width="864" height="286" role="img">')
    print("  <title>SmolLM2-135M: acting well after inoculation by headroom, and after rude rows by their surprise</title>")
    print(f"  <style>{STYLE}  </style>")
    print('  <rect class="card" width="864" height="286" rx="8"/>')
    for x, panel in zip((16, 440), panels):
        print(f'  <text class="head" x="{x}" y="20">{panel.title}</text>\n  <g transform="translate({x} 28)">{"".join(panel.drawn)}</g>')
    print("</svg>")


if __name__ == "__main__":
    main()
