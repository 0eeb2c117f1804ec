"""The Python of the book's pages: run as their reader would run it, and what it prints is what the page says."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"(?:`(?P<name>[^`\n]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["concepts/ledger.md", "tutorials/from-python.md"])
def test_a_page_prints_what_it_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, typing.Any] = {}
    printed, compared = "", 0
    for block in BLOCK.finditer((BOOK / page).read_text()):
        if block["name"]:
            Path(block["name"]).write_text(block["text"])
        elif block["kind"] == "python":
            capsys.readouterr()
            exec(block["text"], names)
            printed = capsys.readouterr().out
        elif block["kind"] == "text":
            lines = [line.rstrip() for line in block["text"].splitlines()]
            assert [line.rstrip() for line in printed.splitlines()] == lines
            compared += 1
    assert compared > 0


@pytest.mark.parametrize("path", sorted((BOOK / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_page_of_a_notebook_is_that_notebook(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    page = path.with_suffix(".md").read_text()
    at = 0
    for cell in cells:
        text = "".join(cell["source"])
        part = f"```python\n{text}\n```" if cell["cell_type"] == "code" else text
        found = page.find(part, at)
        assert found >= 0, f"{path.with_suffix('.md').name} lacks, or has elsewhere:\n{part}\nRun docs/notebooks/pages.py."
        at = found + len(part)
    assert page.count("```python\n") == sum(cell["cell_type"] == "code" for cell in cells)
    assert not any(cell.get("outputs") for cell in cells), "outputs are not kept in notebooks"
