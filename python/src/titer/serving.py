"""Models behind an endpoint that speaks OpenAI's interface, for as long as a block of Python."""

from __future__ import annotations

import json
import os
import types
import typing
from collections.abc import Mapping

from . import _lab
from .command import Compute, Template, of_template, options
from .rows import File, half, mapping, path
from .sweep import Sweep


class Server:
    """A server, from `titer.serve`. As a context it is stopped at the end of the block, and its port is free again."""

    def __init__(self, line: list[str]) -> None:
        self._running = _lab.Running(line)
        said = json.loads(self._running.first())
        self.url: str = said["url"]
        """Its address, such as `http://127.0.0.1:8000`; OpenAI's interface is at `/v1`."""
        self.models: list[str] = said["models"]
        """What requests call its models."""

    @property
    def notes(self) -> list[str]:
        """What it has said, such as which runs are left out."""
        return self._running.talk()

    def stop(self) -> None:
        """Stops it: requests that are under way are answered with status 503. Does nothing where it has stopped.

        Raises `titer.WorkError` where it has not ended within some seconds; Ctrl-C ends the waiting."""
        if not self._running.stop():
            raise _lab.WorkError(f"the server at {self.url} has not ended yet: a request is still under way; stop() waits for it again")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        # What ends the block matters more than a server that takes its time.
        if kind is None:
            self.stop()
        else:
            self._running.stop()

    def __repr__(self) -> str:
        return f"<titer.Server {self.url}: {', '.join(self.models[:4])}{', …' if len(self.models) > 4 else ''}>"


def serve(
    model: str | os.PathLike[str] | Sweep,
    *,
    adapter: Mapping[str, File] | None = None,
    name: str | None = None,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 0,
    at_once: int | None = None,
    compute: Compute | None = None,
    device: str | None = None,
    torch: str | None = None,
    template: Template | None = None,
) -> Server:
    """Serves a model, a run's folder, or the finished runs of a sweep as `ARM/SEED`, until `stop()` or the end of a `with` block:

        with titer.serve(sweep) as server:
            client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")

    `adapter` are adapters on the model, by the name of each. A `port` of 0 is one that is free. It listens on this machine alone unless `host` says
    otherwise, and has no key.
    """
    given: dict[str, typing.Any] = {
        "adapter": [f"{called}={path(folder, f'adapter `{called}`')}" for called, folder in mapping(adapter, "adapter", '{"name": "folder"}').items()],
        "name": name,
        "seed": seed,
        "host": host,
        "port": port,
        "at_once": at_once,
        "compute": compute, "device": device, "torch": torch,
        "json": True,
        **of_template(template),
    }
    line = ["titer", "serve", *options(given), "--", path(model, "the model")]
    try:
        return Server(line)
    except UnicodeEncodeError as error:
        raise _lab.InputError(half(error)) from None
