"""A sweep's report, shown inline."""

from __future__ import annotations

import os
from pathlib import Path


class Report:
    """The report of a sweep: one HTML file without scripts from elsewhere. The last value of a notebook's cell shows it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def html(self) -> str:
        """The page."""
        return self.path.read_text(encoding="utf-8")

    def _repr_html_(self) -> str:
        # In a frame of its own, so that neither the page's styles nor the notebook's reach each other.
        page = self.html.replace("&", "&amp;").replace('"', "&quot;")
        return f'<iframe srcdoc="{page}" style="width: 100%; height: 45em; border: 1px solid #ccc"></iframe>'

    def __repr__(self) -> str:
        return f"<titer.Report {self.path}>"
