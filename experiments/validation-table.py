"""Makes the tables that `titer validate` takes from sweeps whose prompts were screened (`experiments/validation.toml`).

    python experiments/validation-table.py --out tables runs/validation runs/validation-world-1

Each seed of each sweep is a setting of its own, because it has a base model of its own. Needs pyarrow.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def rate_after(table, component):
    """Mean rate of a component after the last step, seen prompts and trained domains."""
    rows = [row for row in table if (row["component"], row["prompts"], row["domains"]) == (component, "seen", "trained")]
    last = max(row["step"] for row in rows)
    rates = [row["rate"] for row in rows if row["step"] == last]
    return sum(rates) / len(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("sweeps", type=Path, nargs="+")
    args = parser.parse_args()
    args.out.mkdir(parents=True)
    lines, screenings = [], defaultdict(list)
    for sweep in args.sweeps:
        for file in sorted(sweep.glob("*/screen.parquet")):
            if not (file.parent / "done").exists():
                continue
            screened = pq.read_table(file)
            [seed], [prompt] = set(screened["seed"].to_pylist()), set(screened["prompt"].to_pylist())
            probes = pq.read_table(file.parent / "probes.parquet").to_pylist()
            setting = f"{sweep.name}-{seed}"
            lines.append([prompt, setting, rate_after(probes, "good"), rate_after(probes, "obey_bad")])
            # The columns that name the run differ from file to file, and `titer validate` does not read them.
            own = screened.schema.get_field_index("prompt")
            screenings[setting].append(screened.select(screened.schema.names[own:]).replace_schema_metadata(None))
    with open(args.out / "arms.csv", "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["prompt", "setting", "suppression", "kept"])
        writer.writerows(lines)
    for setting, tables in screenings.items():
        pq.write_table(pa.concat_tables(tables), args.out / f"{setting}.parquet", compression="snappy")
    print(len(lines), "arms; titer validate", args.out / "arms.csv", *(f"--screening {s}={args.out / s}.parquet" for s in screenings))


if __name__ == "__main__":
    main()
