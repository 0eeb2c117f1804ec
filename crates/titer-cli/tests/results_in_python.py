"""Runs the Python of a Markdown file, a snippet after the other, and prints what each prints as JSON: a list of rows."""

import json
import re
import sys


def rows(table):
    if isinstance(table, list):
        return [list(row) for row in table]
    if hasattr(table, "fetchall"):  # DuckDB
        return [list(row) for row in table.fetchall()]
    if hasattr(table, "rows"):  # polars
        return [list(row) for row in table.rows()]
    return table.reset_index().values.tolist()  # pandas


with open(sys.argv[1], encoding="utf-8") as file:
    snippets = re.findall(r"^```python\n(.*?)^```", file.read(), re.DOTALL | re.MULTILINE)
found = []
for snippet in snippets:
    exec(snippet, {"print": lambda table: found.append(rows(table))})
print(json.dumps(found))
