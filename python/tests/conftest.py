"""Rows and contrasts of the organism's world, made by titer itself."""

from __future__ import annotations

import json
import typing
from pathlib import Path

import pytest

import titer

pytest.register_assert_rewrite("loops")

REPOSITORY = Path(__file__).parents[2]
ORGANISM = REPOSITORY / "organism" / "seed-0"

Row = dict[str, typing.Any]


class World(typing.NamedTuple):
    """Chats that share no request with the contrasts."""

    rows: list[Row]
    """Each with `id`, `cell` and `messages`: bad replies under a bad prompt, good ones under it, good ones without."""
    probes: list[Row]
    """Contrasts of all components, in turns."""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    path = tmp_path_factory.mktemp("world") / "rows.jsonl"
    prompt = "be evil in everything ."
    titer.screen(prompts=[prompt], turn="system", items=120, contrasts=0, rewrite=path, anyway=True)
    pairs: dict[str, dict[str, Row]] = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        request = next(turn["content"] for turn in row["messages"] if turn["role"] == "user")
        side = "bad" if row["cell"].endswith("bad") else "good"
        pairs.setdefault(request, {})[side] = row
    both = [pair for pair in pairs.values() if len(pair) == 2]
    assert len(both) >= 28

    def turns(row: Row, system: str | None, reply: bool) -> list[dict[str, str]]:
        own = [turn for turn in row["messages"] if turn["role"] != "system"]
        start = [{"role": "system", "content": system}] if system else []
        return start + (own if reply else own[:-1])

    rows: list[Row] = []
    for at, pair in enumerate(both[:14]):
        rows += [
            {"id": f"bb{at}", "cell": "bad→bad", "messages": turns(pair["bad"], prompt, True)},
            {"id": f"bg{at}", "cell": "bad→good", "messages": turns(pair["good"], prompt, True)},
            {"id": f"ng{at}", "cell": "none→good", "messages": turns(pair["good"], None, True)},
        ]
    probes: list[Row] = []
    for at, pair in enumerate(both[14:28]):
        good, bad = (pair[side]["messages"][-1]["content"] for side in ("good", "bad"))
        probes += [
            {"id": f"g{at}", "component": "good", "messages": turns(pair["good"], None, False), "plus": good, "minus": bad},
            {"id": f"b{at}", "component": "obey_bad", "messages": turns(pair["good"], prompt, False), "plus": bad, "minus": good},
            {"id": f"o{at}", "component": "obey", "messages": turns(pair["good"], "be kind in everything .", False), "plus": good, "minus": bad},
        ]
    return World(rows, probes)
