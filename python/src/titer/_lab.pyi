"""The compiled part: command lines in, lines and Arrow tables out."""

from collections.abc import Callable, Sequence

class TiterError(Exception):
    """What titer could not do, in the words of its command line."""

    data: list[str]
    """Lines of data that were there before it failed."""

class InputError(TiterError):
    """What was given cannot be used; the text says why, and what to do."""

class WorkError(TiterError):
    """The work itself failed."""

class Columns:
    """The columns of a table."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def columns(self) -> list[tuple[str, str, str]]: ...
    def column(self, name: str) -> list[float | int | str | bool | None]: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

def main(arguments: Sequence[str]) -> int: ...
def encode(folder: str, probes: str, rows: str | None) -> str: ...
def record(folder: str, spec: str, hash: str, tables: str) -> None: ...
def toml_of(json: str) -> str: ...
def call(
    arguments: Sequence[str],
    specs: dict[str, str],
    progress: Callable[[int, int, str], object] | None = None,
    stops: bool = False,
) -> tuple[list[str], list[str], list[Columns]]: ...
