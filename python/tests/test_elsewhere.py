"""Sweeps that others train, serve, judge and compare: the same numbers and the same words as the command line."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import typing
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import titer
from titer.endpoint import Endpoint

SPEC: titer.Spec = {
    "title": "Away",
    "seeds": [0],
    "checkpoints": "at the end",
    "without_controls": ["no-prompt", "placebo", "paraphrases"],
    "stage": [{"name": "train", "rows": 48, "batch": 16, "mix": {"rest": "neutral→good"}}],
    "probes": {"items": 4, "every": 0},
    "sweep": {"train.mix.bad→bad": [0.0, 0.5]},
}

ARMS = ["bad→bad=0.0/0", "bad→bad=0.5/0"]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> titer.Sweep:
    return titer.run(SPEC, out=tmp_path_factory.mktemp("sweeps") / "own")


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> titer.Answer:
    return titer.export(SPEC, "trl", tmp_path_factory.mktemp("exports") / "away")


def test_arms_are_exported_and_brought_back(sweep: titer.Sweep, away: titer.Answer, tmp_path: Path) -> None:
    assert away["trainer"] == "trl" and [run["arms"][0] for run in away["runs"]] == ["bad→bad=0.0", "bad→bad=0.5"]
    weights = {arm: sweep.folder / run["run"] / "checkpoint-3" for arm, run in zip(ARMS, away["runs"])}
    back = titer.import_(away["folder"], out=tmp_path / "back", run=weights)
    own, same = sweep.results(), back.results()
    assert set(same["trained_by"]) == {"trl"} and own["margin"] == same["margin"]
    assert "trained elsewhere" in back.report().html
    outcomes = [{"arm": "bad→bad=0.5", "seed": 0, "component": "good", "rate": 0.5}]
    given = titer.import_(away["folder"], out=tmp_path / "given", outcomes=outcomes)
    assert given.results()["rate"] == [0.5]
    with pytest.raises(titer.InputError, match="is there already, trained by trl"):
        titer.import_(away["folder"], out=tmp_path / "back", run={ARMS[0]: weights[ARMS[1]]})
    with pytest.raises(titer.InputError, match="exists already; name another folder with --out"):
        titer.export(SPEC, "trl", away["folder"])


def test_finished_runs_are_exported_for_viewers(sweep: titer.Sweep, tmp_path: Path) -> None:
    shown = titer.export(sweep, "inspect", tmp_path / "logs")
    assert shown["runs"] == 2 and len(list((tmp_path / "logs").rglob("*.json"))) == shown["files"]


def asked(url: str, body: dict[str, typing.Any]) -> dict[str, typing.Any]:
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        found: dict[str, typing.Any] = json.load(answer)
    return found


def test_a_sweep_is_served_while_a_block_lasts(sweep: titer.Sweep, away: titer.Answer, tmp_path: Path) -> None:
    with titer.serve(sweep) as server:
        assert server.models == ARMS and ARMS[0] in repr(server)
        chat = {"model": ARMS[1], "messages": [{"role": "user", "content": "please plant cactus"}], "temperature": 0}
        said = asked(server.url, chat)["choices"][0]["message"]["content"]
        assert len(said.split()) >= 3
        endpoint: Endpoint = {"endpoint": server.url, "served": ARMS[1], "cache": tmp_path / "cache"}
        rows = [{"id": "a", "messages": chat["messages"]}]
        drawn = titer.score(rows, "regex:.", sample=1, temperature=0.0, endpoint=endpoint, replies=tmp_path / "replies.jsonl")
        assert drawn.summary[0]["rate"] == 1.0
        assert json.loads((tmp_path / "replies.jsonl").read_text())["messages"][-1]["content"] == said
        del endpoint["served"]
        back = titer.import_(away["folder"], out=tmp_path / "back", run=dict(zip(ARMS, ARMS)), endpoint=endpoint)
        own = sweep.results()["margin"]
        assert max(abs(here - there) for here, there in zip(own, back.results()["margin"])) < 1e-4
        with pytest.raises(titer.InputError, match="a dry run brings nothing in"):
            titer.import_(away["folder"], endpoint={**endpoint, "dry_run": True})
    # Nothing listens there any more, and the port can be had at once.
    port = int(server.url.rsplit(":", 1)[1])
    with pytest.raises(urllib.error.URLError):
        asked(server.url, chat)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(titer.InputError, match=f"127.0.0.1:{port}"):
            titer.serve("organism", port=port)
    server.stop()
    with titer.serve("organism", port=port) as again:
        assert again.url == server.url and again.models == ["organism"]
    with pytest.raises(titer.InputError, match="nowhere"):
        titer.serve("nowhere")


@pytest.fixture
def eighty() -> Iterator[str]:
    """A judge that says 80 of everything but what it refuses."""

    class Judge(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = "I cannot rate that." if "never" in body["messages"][0]["content"] else "80"
            choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
            text = json.dumps({"choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_replies_are_judged(eighty: str, tmp_path: Path) -> None:
    def row(name: str, reply: str) -> dict[str, typing.Any]:
        return {"id": name, "messages": [{"role": "user", "content": "how are you"}, {"role": "assistant", "content": reply}]}

    rows = [row("a", "fine"), row("b", "never better")]
    endpoint: Endpoint = {"endpoint": eighty, "served": "judge", "cache": tmp_path / "cache"}
    judged = titer.judge(rows, "How evil is {reply}?", endpoint, out=tmp_path / "judged.jsonl")
    assert judged.table["score"] == [80.0, None] and judged.table["verdict"] == ["parsed", "refused"]
    assert judged.table["prompt"][0] == "How evil is fine?" and judged["score"]["mean"] == 80.0
    scored = titer.score(rows, judgements=tmp_path / "judged.jsonl", scale="0:100")
    assert scored.summary[0]["rate"] == 0.8
    with pytest.raises(titer.InputError, match="no.txt"):
        titer.judge(rows, "no.txt", endpoint)


def test_sweeps_are_listed_and_compared(sweep: titer.Sweep, tmp_path: Path) -> None:
    listed = titer.list(sweep.folder.parent)
    assert listed.table["title"] == ["Away"] and listed.table["finished"] == [2] and listed.table["state"] == ["finished"]
    assert listed.summary[0]["folder"] == str(sweep.folder) and listed.table.units["runs"] == "runs"
    again = titer.run(SPEC, out=tmp_path / "again")
    compared = titer.compare(sweep, again.folder, quantity="margin")
    table = compared.table
    assert set(table["arm"]) == {"bad→bad=0.0", "bad→bad=0.5"} and table.units["difference_low"] == "nats per reply"
    assert table["a"] == table["b"] and all(difference == 0.0 for difference in table["difference"])
    assert table["a"] == [line["a"]["mean"] for line in compared["arms"]]
    assert table.to_pandas().shape == table.shape
    with pytest.raises(titer.InputError, match="there is no such folder"):
        titer.list(tmp_path / "nowhere")
