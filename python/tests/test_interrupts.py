"""Ctrl-C, and processes that are forked."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

import titer
from titer import _lab


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Whoever starts the tests may have them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted_in(*seconds: float) -> None:
    for wait in seconds:
        threading.Timer(wait, lambda: os.kill(os.getpid(), signal.SIGINT)).start()


class Slow(http.server.BaseHTTPRequestHandler):
    """A judge that takes its time."""

    asked = 0

    def do_POST(self) -> None:
        Slow.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.1)
        answer = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "50"}, "logprobs": None}]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_judge_asks_no_more_behind_an_interrupt() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
        rows = [{"id": f"r{at}", "messages": [*chat[:1], {"role": "assistant", "content": f"a{at}"}]} for at in range(2000)]
        interrupted_in(1.5)
        with pytest.raises(KeyboardInterrupt):
            titer.judge(rows, "Rate {reply}", {"endpoint": f"http://127.0.0.1:{server.server_port}", "served": "m", "at_once": 2})
        asked = Slow.asked
        time.sleep(1)
        server.shutdown()
    assert 0 < asked < 1000 and Slow.asked <= asked + 2


def test_nobody_has_to_wait_for_what_does_not_stop() -> None:
    """A second interrupt ends the waiting; so does the first one while a server is stopped."""
    running = _lab.Running(["titer", "doctor", "--json"])
    interrupted_in(0.1)
    since = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        running.stop()
    assert time.monotonic() - since < 2
    assert running.stop() in (True, False)


def test_a_forked_process_says_that_it_lacks_threads() -> None:
    code = """
import multiprocessing, titer
def work(queue):
    try:
        queue.put(titer.score([{"id": "a", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}], "upper").summary[0]["n"])
    except titer.InputError as error:
        queue.put(str(error))
if __name__ == "__main__":
    for before in (False, True):
        if before:
            titer.audit([{"id": "a", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}])
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        context.Process(target=work, args=(queue,), daemon=True).start()
        print(queue.get(timeout=60))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    first, second = found.stdout.splitlines()
    assert first == "1", found.stderr
    assert second.startswith("this process was forked from one that has used titer") and "spawn" in second
