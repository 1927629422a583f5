"""The benchmarks run, at a tiny size, and say what they measured."""

import runpy
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs_jit
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def beside_each_other_without_rests(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def run(name, *args):
    runpy.run_path(str(BENCHMARKS / name))["main"]([str(arg) for arg in args])


def test_solvers_are_compared(tmp_path):
    tables, picture = tmp_path / "tables.md", tmp_path / "curves.png"
    tables.write_text("Before\n\n<!-- solvers, 1 thread(s) -->\n\nold\n\n<!-- end -->\n\nAfter\n")
    size = ("--size", 30, 60, "--atoms", 4, "--iterations", 8, "--frames", 40, "--repeat", 1)
    run("solvers.py", *size, "--markdown", tables, "--plot", picture)
    text = tables.read_text()
    assert text.startswith("Before\n") and text.endswith("<!-- end -->\n\nAfter\n") and "old" not in text
    for words in ("Kullback-Leibler, W fixed", "Itakura-Saito, W learnt", "Frobenius", "objective after 8 iterations"):
        assert words in text
    for solver in ("nmfaudio, NMF", "nmfaudio, sparse_nmf", "scikit-learn", "numpy", "nmfaudio, amu"):
        assert f"| {solver} |" in text
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_defaults_are_compared_with_scikit_learns(tmp_path):
    run("factorize.py", "--data", "low rank", "--beta", 2, 1, "--scale", 1e-6, 1, "--markdown", tmp_path / "table.md")
    rows = [
        line.split("|") for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("| low rank")
    ]
    assert len(rows) == 8
    assert all(float(row[5]) <= 1 for row in rows)  # our objective, of theirs


@pytest.mark.skipif(not Path(sys.executable).with_name("nmfaudio").exists(), reason="the commands are not installed")
def test_whole_files_are_timed(tmp_path):
    tables = tmp_path / "tables.md"
    run(
        "files.py", "--seconds", 0.5, "--peer-seconds", 0.5, "--dictionaries", "speech-fast", "--streams",
        "speech-causal-fast", "--frames", 20, "--repeat", 1, "--markdown", tables,
    )  # fmt: skip
    text = tables.read_text()
    row = next(line for line in text.splitlines() if line.startswith("| `speech-fast` | 0.5 s |")).split("|")
    assert float(row[3]) > 0 and float(row[6]) > 10  # seconds, MB
    assert "nmfaudio, `speech-fast`" in text and "| `speech-causal-fast` | 48 | 16 |" in text


@pytest.mark.parametrize(
    "heard, said, n",
    [
        ("", "a b", 2),
        ("a b", "", 2),
        ("a b c", "a b c", 0),
        ("a c", "a b c", 1),
        ("x a b", "a b", 1),
        ("b a", "a b", 2),
    ],
)
def test_word_errors_are_insertions_deletions_and_replacements(heard, said, n):
    assert runpy.run_path(str(BENCHMARKS / "word_errors.py"))["errors"](heard.split(), said.split()) == n


def test_scores_of_a_dictionary_come_into_the_page_of_results(tmp_path):
    results, page, scores = tmp_path / "results.csv", tmp_path / "results.md", tmp_path / "scores.csv"
    results.write_bytes((BENCHMARKS / "results.csv").read_bytes())
    page.write_bytes((BENCHMARKS.parent / "docs" / "results.md").read_bytes())
    before = page.read_text()
    run("results.py", "--results", results, "--page", page)
    assert page.read_text() == before  # it was up to date
    scores.write_text("file,after_pesq,after_estoi,after_si_sdr_db\na,1,1,1\nmean,3.14159,0.9,15\n")
    run("results.py", "16k", f"speech={scores}", "--results", results, "--page", page)
    changed = set(page.read_text().splitlines()) - set(before.splitlines())
    assert [line.split("|")[1:5] for line in changed] == [[" **nmfaudio**, `speech` ", " 3.142 ", " 0.900 ", " 15.00 "]]
