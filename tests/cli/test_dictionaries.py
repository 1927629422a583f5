import os
import subprocess
import sys

import numpy as np
import pytest

import nmfaudio.dictionary
from nmfaudio.cli import dictionaries
from nmfaudio.cli.console import Parser, call
from nmfaudio.dictionary import Dictionary, available
from nmfaudio.spectra.front_end import FrontEnd


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Folder of shipped dictionaries, with one called mine."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    arrays = {"speech": np.eye(9, 3), "noise": np.eye(9, 2)}
    record = {"description": "three voices", "seed": 3}
    Dictionary("sparse", arrays, FrontEnd(n_bins=9), record=record).save(folder / "mine.npz")
    monkeypatch.setattr(nmfaudio.dictionary, "_FOLDERS", (folder,))
    return folder


def command(*argv):
    parser = Parser(prog="nmfaudio")
    dictionaries.add_parser(parser.add_subparsers(dest="command"))
    args = parser.parse_args(["dictionaries", *map(str, argv)])
    return call("nmfaudio dictionaries", lambda: dictionaries.run(args))


def test_list_says_what_each_is_for(shipped, capsys):
    assert command("list") == 0
    assert capsys.readouterr().out.split(maxsplit=1) == ["mine", "three voices\n"]


def test_the_shipped_ones_are_listed_with_the_default_first(capsys):
    assert command("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(available(), key=list(dictionaries.PURPOSES).index)
    assert "the default" in lines[0] and "the default" not in "".join(lines[1:])
    assert all(len(line) <= 80 and len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("name", available())
def test_info_is_short_lines_of_words(name, capsys):
    assert command("info", name) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{name}: {dictionaries.PURPOSES[name]}")
    assert max(map(len, lines)) <= 80 and len(lines) < 60
    assert "contains no recording" in " ".join(" ".join(lines).split())


def test_info_begins_with_what_most_people_want(capsys):
    assert command("info", "speech-causal") == 0
    out = capsys.readouterr().out
    heads = ["latency: 32 ms, in streams", "scores:", "size:", "licences:", "kind:", "sha256:", "note:", "--card"]
    places = [out.index(f"\n  {head}") for head in heads]
    assert places == sorted(places)
    licences = " ".join(out[places[3] : places[4]].split())
    assert "CC BY 4.0" in licences and "CC BY," not in licences and licences.count("CC0") == 1


def test_info_of_a_foreign_dictionary_and_the_model_card(shipped, capsys):
    assert command("info", shipped / "mine.npz") == 0
    assert capsys.readouterr().out.startswith(
        "mine: three voices\n  latency: for files alone, since it looks ahead\n  size: 0.00 million values in 2"
    )
    assert command("info", "mine", "--card") == 0
    assert "| seed | 3 |" in capsys.readouterr().out


def test_verify_tells_whole_from_broken(shipped, tmp_path, capsys):
    assert command("verify", shipped / "mine.npz") == 0
    out = capsys.readouterr().out
    assert (
        out
        == f"{shipped / 'mine.npz'}: whole and unchanged since it was made\nsha256 {Dictionary.load('mine').sha256}\n"
    )
    broken = tmp_path / "broken.npz"
    broken.write_bytes((shipped / "mine.npz").read_bytes()[:-100])
    assert command("verify", broken) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"nmfaudio dictionaries: error: {broken}: ") and error.count("\n") == 1


def test_export_copies_and_does_not_overwrite_unasked(shipped, tmp_path, capsys):
    original = (shipped / "mine.npz").read_bytes()
    assert command("export", "mine", tmp_path / "copy.npz") == 0
    assert command("export", "mine", tmp_path) == 0
    assert (tmp_path / "copy.npz").read_bytes() == (tmp_path / "mine.npz").read_bytes() == original
    (tmp_path / "copy.npz").write_bytes(b"precious")
    assert command("export", "mine", tmp_path / "copy.npz") == 2
    assert (tmp_path / "copy.npz").read_bytes() == b"precious"
    assert command("export", "mine", tmp_path / "copy.npz", "--overwrite") == 0
    assert command("export", "yours", tmp_path / "x.npz") == 2
    assert command("export", "mine", tmp_path / "copy") == 2 and not (tmp_path / "copy").exists()
    assert command("export", "mine", tmp_path / "nowhere" / "x.npz") == 2
    assert "shipped are: mine" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
@pytest.mark.parametrize("words", [["list"], ["info", "speech"]])
def test_a_reader_that_has_enough_is_no_error(words):
    code = f"import sys; from nmfaudio.cli.main import main; sys.exit(main(['dictionaries', *{words}]))"
    env = {**os.environ, "PYTHONUNBUFFERED": ""}  # what is written at the end alone counts, too
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], env=env, **pipes) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
