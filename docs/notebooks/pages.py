"""Makes the book's pages of the notebooks beside this file: what they say, their code, and what it prints.

    python docs/notebooks/pages.py [NAME ...]

Runs each notebook (needs nbclient and what the notebook itself needs) and writes NAME.md. Tables stand as text and figures as they
are; what a cell says on stderr, such as progress, is left out. A test holds the pages' text and code against the notebooks.
"""

from __future__ import annotations

import re
import sys
import typing
from pathlib import Path

HERE = Path(__file__).parent
LONGEST = 40
"""Lines of an output, at most."""


def source_parts(notebook: typing.Any) -> list[str]:
    """A page's parts without outputs, one a cell."""
    return [f"```python\n{cell.source}\n```" if cell.cell_type == "code" else cell.source for cell in notebook.cells]


def output_parts(cell: typing.Any) -> list[str]:
    """What a cell printed and showed."""
    parts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if output.output_type == "stream" and output.name == "stdout":
            parts.append(fenced(output.text))
        elif "image/svg+xml" in data:
            # A blank line would end the drawing for Markdown.
            parts.append(re.sub(r"\n\s*\n", "\n", "".join(data["image/svg+xml"])))
        elif "text/plain" in data:
            parts.append(fenced("".join(data["text/plain"])))
    return parts


def fenced(text: str) -> str:
    # Neither colours of a terminal nor where temporary folders were.
    plain = re.sub(r"\x1b\[[0-9;]*m", "", re.sub(r"/tmp/tmp\w+", "…", text))
    lines = plain.rstrip().splitlines()
    cut = lines if len(lines) <= LONGEST else [*lines[:LONGEST], "…"]
    return "```text\n" + "\n".join(line.rstrip() for line in cut) + "\n```"


def main(names: list[str]) -> None:
    import nbclient
    import nbformat

    for path in sorted(HERE.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        notebook = nbformat.read(path, as_version=4)
        nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": HERE}}).execute()
        parts = []
        for cell, part in zip(notebook.cells, source_parts(notebook), strict=True):
            parts += [part, *output_parts(cell)]
        (HERE / f"{path.stem}.md").write_text("\n\n".join(parts) + "\n")
        print(HERE / f"{path.stem}.md")


if __name__ == "__main__":
    main(sys.argv[1:])
