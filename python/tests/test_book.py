"""The Python of the book's pages: run as their reader would run it, and what it prints is what the page says."""

from __future__ import annotations

import json
import re
import types
import typing
from pathlib import Path

import pytest
from conftest import World

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


def test_what_the_page_on_python_shows_runs(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what its reader has: a spec, rows, a trainer. Everything but an answer of a model runs as it stands there."""
    for name in ("torch", "transformers"):
        pytest.importorskip(name)
    from loops import batches, organism, tokenizer, trainer
    from torch.optim import AdamW

    monkeypatch.chdir(tmp_path)
    stage = '[[stage]]\nrows = 64\nmix = { rest = "neutral→good" }\n[probes]\nitems = 4\nevery = 0\n'
    Path("spec.toml").write_text(f'title = "Own"\nseeds = [0]\ncheckpoints = "at the end"\n{stage}[sweep]\n"train.mix.bad→good" = [0.0, 0.5]\n')
    anchors = [row for row in world.rows if row["cell"] == "none→good"]

    def made(*_: object, callbacks: list[typing.Any]) -> typing.Any:
        return trainer(world.rows, tmp_path / "out", callbacks)

    model = organism()
    model.train()
    names: dict[str, typing.Any] = {
        "probes": world.probes, "rows": [row for row in world.rows if row["cell"] != "none→good"], "anchors": anchors,
        "model": model, "tokenizer": tokenizer(), "optimiser": AdamW(model.parameters(), lr=1e-4), "loader": batches(world.rows, 21),
        "chats": [{"id": "a", "messages": [{"role": "user", "content": "please plant cactus"}]}],
        "openai": types.SimpleNamespace(OpenAI=lambda **_: None), "SFTTrainer": made,
    }
    ran = 0
    for block in BLOCK.finditer((BOOK / "python.md").read_text()):
        if block["kind"] == "python":
            text = block["text"]
            # The page leaves out what there is of everyone's own.
            names["rows"] = world.rows if "SFTTrainer" in text or "loader" in text else [row for row in world.rows if row not in anchors]
            exec(text, names)
            ran += 1
    assert ran == 6
    taken = made(callbacks=names["callbacks"]).callback_handler.callbacks
    assert any(isinstance(callback, names["titer"].torch.SteerCallback) for callback in taken)


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
