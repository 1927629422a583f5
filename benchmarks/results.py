"""Put the tables of results.csv into docs/results.md: python benchmarks/results.py [TABLE NAME=SCORES.csv ...].

TABLE (16k, 48k or streams) and NAME=SCORES.csv first put the means of `nmfaudio evaluate --csv SCORES.csv` into the
row of the dictionary NAME. The other figures are written into results.csv by hand.
"""

import csv
import sys
from pathlib import Path

import tables

HERE = Path(__file__).parent
SCORES = {"PESQ": "after_pesq", "ESTOI": "after_estoi", "SI-SDR": "after_si_sdr_db"}
DIGITS = {"PESQ": 3, "ESTOI": 3, "SI-SDR": 2}


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def take_in(rows, name, entries):
    for dictionary, path in (entry.split("=", 1) for entry in entries):
        mean = next(row for row in rows_of(path) if row["file"] == "mean")
        row = next(row for row in rows if row["table"] == name and row["dictionary or model"] == dictionary)
        row.update({column: f"{float(mean[key]):.{DIGITS[column]}f}" for column, key in SCORES.items()})
    with open(HERE / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def label(row):
    model = row["dictionary or model"]
    if row["program"] == "nmfaudio":
        return f"**nmfaudio**, `{model}`"
    return f"{row['program']} ({model})" if model else row["program"]


def main():
    rows = rows_of(HERE / "results.csv")
    if len(sys.argv) > 1:
        take_in(rows, sys.argv[1], sys.argv[2:])
    for name in dict.fromkeys(row["table"] for row in rows):
        part = [row for row in rows if row["table"] == name]
        measures = [column for column in list(part[0])[3:] if any(row[column] for row in part)]
        text = tables.table(["", *measures], [[label(row), *(row[m] for m in measures)] for row in part])
        tables.write(HERE.parent / "docs" / "results.md", name, text)


if __name__ == "__main__":
    main()
