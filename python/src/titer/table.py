"""A table of results: columns with units, handed on by Arrow's C interface."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from ._lab import Columns


class Table:
    """Columns of equal length. pandas, polars, pyarrow and DuckDB read it as it is (`__arrow_c_stream__`), without a copy.

    `table["margin"]` is a column as a list. Units and meanings are in `table.units` and `table.descriptions`.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    @property
    def name(self) -> str:
        """Which table it is: `pressures`, `results`, `effects`, …"""
        return self._columns.name

    @property
    def columns(self) -> list[str]:
        """The columns' names, from left to right."""
        return [name for name, _, _ in self._columns.columns]

    @property
    def units(self) -> dict[str, str]:
        """The unit of every column of numbers, such as `nats per reply`."""
        return {name: unit for name, unit, _ in self._columns.columns if unit}

    @property
    def descriptions(self) -> dict[str, str]:
        """What every column says, in a sentence or two."""
        return {name: description for name, _, description in self._columns.columns}

    @property
    def shape(self) -> tuple[int, int]:
        """Lines and columns."""
        return self._columns.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> typing.Iterator[str]:
        """The columns' names."""
        return iter(self.columns)

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def __reduce__(self) -> tuple[typing.Any, ...]:
        return restored, (self.name, self._columns.parts())

    def __getitem__(self, column: str) -> list[typing.Any]:
        return self._columns.column(column)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._columns.__arrow_c_stream__(requested_schema)

    def to_dicts(self) -> list[dict[str, typing.Any]]:
        """One dict a line."""
        columns = {name: self[name] for name in self.columns}
        return [dict(zip(columns, line)) for line in zip(*columns.values())]

    def to_arrow(self) -> pyarrow.Table:
        """As pyarrow's table; needs pyarrow."""
        import pyarrow

        return pyarrow.table(self)

    def to_pandas(self) -> pandas.DataFrame:
        """As a DataFrame; needs pandas and pyarrow."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """As polars' DataFrame; needs polars."""
        import polars

        frame = polars.DataFrame(self)
        return frame

    def __repr__(self) -> str:
        lines, columns = self.shape
        return f"<titer.Table {self.name}: {lines} lines, {columns} columns ({', '.join(self.columns)})>"

    def _repr_html_(self) -> str:
        """The first lines, with units under the names, for notebooks."""
        from html import escape

        shown = 10
        heads = "".join(
            f'<th title="{escape(description)}">{escape(name)}<br><small>{escape(unit)}</small></th>'
            for name, unit, description in self._columns.columns
        )
        columns = [self[name][:shown] for name in self.columns]
        lines = "".join(
            "<tr>" + "".join(f"<td>{escape(written(value))}</td>" for value in line) + "</tr>" for line in zip(*columns)
        )
        left = len(self) - shown
        more = f"<p><small>and {left} lines more</small></p>" if left > 0 else ""
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>{more}"


def restored(name: str, parts: list[tuple[str, str, str, str, list[typing.Any]]]) -> Table:
    """A table that was copied, or comes from another process."""
    from ._lab import columns_of

    return Table(columns_of(name, parts))


def written(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
