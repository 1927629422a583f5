"""Put the tables of results.csv into docs/results.md: python benchmarks/results.py [TABLE NAME=SCORES.csv ...].

TABLE (16k, 48k, other or streams) and NAME=SCORES.csv first put the means of `nmfaudio evaluate --csv SCORES.csv` into
the row of the dictionary NAME. The other figures are written into results.csv by hand.
"""

import argparse
import csv
from pathlib import Path

import tables

HERE = Path(__file__).parent
SCORES = {"PESQ": "after_pesq", "ESTOI": "after_estoi", "SI-SDR": "after_si_sdr_db"}
DIGITS = {"PESQ": 3, "ESTOI": 3, "SI-SDR": 2}


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def take_in(rows, table, dictionary, scores):
    mean = next(row for row in rows_of(scores) if row["file"] == "mean")
    row = next(row for row in rows if (row["table"], row["dictionary or model"]) == (table, dictionary))
    row.update({column: f"{float(mean[key]):.{DIGITS[column]}f}" for column, key in SCORES.items()})


def label(row):
    model = row["dictionary or model"]
    if row["program"] == "nmfaudio":
        return f"**nmfaudio**, `{model}`"
    return f"{row['program']} ({model})" if model else row["program"]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="?", help="table of the scores")
    parser.add_argument("scores", nargs="*", metavar="NAME=SCORES.csv", help="a dictionary and its scores")
    parser.add_argument("--results", default=HERE / "results.csv", help="all figures (%(default)s)")
    parser.add_argument("--page", default=HERE.parent / "docs" / "results.md", help="(%(default)s)")
    args = parser.parse_args(argv)

    rows = rows_of(args.results)
    for entry in args.scores:
        take_in(rows, args.table, *entry.split("=", 1))
    with open(args.results, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for name in dict.fromkeys(row["table"] for row in rows):
        part = [row for row in rows if row["table"] == name]
        measures = [column for column in list(part[0])[3:] if any(row[column] for row in part)]
        text = tables.table(["", *measures], [[label(row), *(row[m] for m in measures)] for row in part])
        tables.write(args.page, name, text)


if __name__ == "__main__":
    main()
