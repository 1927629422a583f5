"""Type checkers understand the public face: typical uses, and the examples in README and docs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USAGE = Path(__file__).with_name("type_usage.py")
SIGNALS = """\
import numpy as np
from numpy.typing import NDArray

sr = 16000
y: NDArray[np.float32] = np.zeros(sr, np.float32)
signals = [y]

"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths of the typical uses, and of each example of README and docs/python.md with the imports of those before."""
    folder = tmp_path_factory.mktemp("snippets")
    for page, preamble in ((ROOT / "README.md", ""), (ROOT / "docs" / "python.md", SIGNALS)):
        snippets = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert snippets
        for i, snippet in enumerate(snippets):
            (folder / f"{page.stem.lower()}_{i}.py").write_text(preamble + snippet, encoding="utf-8")
            preamble += "".join(re.findall(r"^(?:import|from) .*\n", snippet, flags=re.MULTILINE))
    return [str(USAGE), *sorted(map(str, folder.glob("*.py")))]


def reveals_what_is_expected(revealed):
    """Compare types by line number with the comments of the typical uses."""
    expected = {}
    for number, line in enumerate(USAGE.read_text(encoding="utf-8").splitlines(), 1):
        if "reveal_type(" in line and "  # " in line:
            expected[number] = line.split("  # ")[1]
    names = {number: re.sub(r"[a-z_]+\.(?=\w)", "", text).replace("Any, ", "") for number, text in revealed.items()}
    wrong = {n: (names.get(n), start) for n, start in expected.items() if not names.get(n, "").startswith(start)}
    assert not wrong


def test_mypy_understands_typical_uses_and_the_examples(files, tmp_path):
    mypy = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--follow-imports=silent"]
    options = ["--allow-untyped-calls", "--config-file=", f"--cache-dir={tmp_path}"]
    done = subprocess.run([*mypy, *options, *files], capture_output=True, text=True, cwd=tmp_path)
    assert not done.returncode, done.stdout + done.stderr
    notes = re.findall(r'type_usage\.py:(\d+): note: Revealed type is "(.*)"', done.stdout)
    reveals_what_is_expected({int(number): text for number, text in notes})


def test_pyright_understands_typical_uses_and_the_examples(files, tmp_path):
    pytest.importorskip("pyright")
    pyright = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *files]
    try:
        done = subprocess.run(pyright, capture_output=True, text=True, cwd=tmp_path)
        found = json.loads(done.stdout)["generalDiagnostics"]
    except ValueError:
        pytest.skip(f"pyright cannot run here: {done.stderr.strip().splitlines()[-1:]}")
    assert not [(e["file"], e["range"]["start"]["line"] + 1, e["message"]) for e in found if e["severity"] == "error"]
    notes = {e["range"]["start"]["line"] + 1: e["message"] for e in found if e["severity"] == "information"}
    reveals_what_is_expected({number: re.sub(r'.* is "(.*)"', r"\1", text) for number, text in notes.items()})
