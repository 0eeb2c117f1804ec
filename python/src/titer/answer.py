"""What a command found."""

from __future__ import annotations

import json
import typing

from .table import Table


class Answer:
    """What a command found.

    `summary` is what the command prints with `--json`: a dict, or a list of dicts where it prints several lines. `table` is the table
    behind it, where there is one. `notes` are its warnings, and what it says of files that it wrote.
    """

    def __init__(self, verb: str, data: list[str], notes: list[str], tables: list[Table]) -> None:
        lines = [json.loads(line) for line in data if line.startswith("{")]
        self.verb = verb
        self.summary: typing.Any = lines[0] if len(lines) == 1 and verb not in LISTS else lines
        self.notes = notes
        self._tables = tables

    @property
    def table(self) -> Table:
        """The table behind the summary, one line a row of the command's `--out`."""
        if not self._tables:
            raise AttributeError(f"titer {self.verb} makes no table; its findings are in `summary`")
        return self._tables[-1]

    def __iter__(self) -> typing.Iterator[typing.Any]:
        """As the summary's: its keys, or its dicts."""
        return iter(self.summary)

    def __len__(self) -> int:
        return len(self.summary)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: object) -> bool:
        return key in self.summary

    def __getitem__(self, key: typing.Any) -> typing.Any:
        return self.summary[key]

    def __repr__(self) -> str:
        what = ", ".join(self.summary) if isinstance(self.summary, dict) else f"{len(self.summary)} lines"
        tables = "".join(f"; {table!r}" for table in self._tables)
        return f"<titer {self.verb}: {what}{tables}>"

    def _repr_html_(self) -> str:
        from html import escape

        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        tables = "".join(table._repr_html_() for table in self._tables)
        text = escape(json.dumps(self.summary, indent=1, ensure_ascii=False))
        return f"{notes}{tables}<details><summary>titer {self.verb}: summary</summary><pre>{text}</pre></details>"


LISTS = {"score", "doctor", "check", "list"}
"""Commands that print an object a line, and so give a list however many there are."""
