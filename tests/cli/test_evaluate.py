import csv
import os
import sys

import numpy as np
import pytest
import soundfile as sf

from nmfaudio import evaluation, metrics
from nmfaudio.cli.main import main
from nmfaudio.compute.processes import isolated

SR = 16000
NAMES = ("a", "b", "deep/c")


class Halver:
    """Denoiser that takes away half of the noise, which it has been told."""

    noise: dict[bytes, np.ndarray] = {}

    def __init__(self, dictionary="speech"):
        self.dictionary = dictionary

    def __call__(self, y, sr):
        return y - 0.5 * self.noise[y.tobytes()]

    def process_blocks(self, blocks, sr):
        yield self(np.concatenate(list(blocks), axis=1), sr)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders clean and noisy, of three recordings at three rates, mono and stereo."""
    rng = np.random.default_rng(0)
    for name, sr, channels in zip(NAMES, (16000, 22050, 48000), (1, 2, 1), strict=True):
        n = sr
        clean = rng.standard_normal((channels, n)) * (np.sin(2 * np.pi * 4 * np.arange(n) / sr) > 0) * 0.1
        noisy = clean + 0.05 * rng.standard_normal((channels, n))
        for folder, y in (("clean", clean), ("noisy", noisy)):
            path = tmp_path / folder / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, y.T, sr, subtype="FLOAT")
        Halver.noise[noisy.astype(np.float32).tobytes()] = (noisy - clean).astype(np.float32)
    monkeypatch.setattr("nmfaudio.evaluation.Denoiser", Halver)
    evaluation.load_denoiser.__wrapped__.cache_clear()
    return tmp_path


def run(folder, *options):
    return main(["evaluate", "--clean", str(folder / "clean"), "--noisy", str(folder / "noisy"), *map(str, options)])


def csv_rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def numbers(line):
    return [float(word) for word in line.split()[1:]]


def test_table_and_csv_hold_each_file_and_the_mean(folders, capsys):
    assert run(folders, "--csv", folders / "scores.csv") == 0
    titles, header, *rows, mean, gain = capsys.readouterr().out.splitlines()
    assert titles.split() == ["PESQ", "ESTOI", "SI-SDR", "(dB)"]
    assert header.split() == ["file", *["before", "after"] * 3]
    assert [row.split()[0] for row in rows] == list(NAMES)
    assert numbers(mean) == pytest.approx(np.mean([numbers(row) for row in rows], axis=0), abs=0.001)
    assert numbers(gain) == pytest.approx(np.subtract(numbers(mean)[1::2], numbers(mean)[::2]), abs=0.002)

    table = csv_rows(folders / "scores.csv")
    assert [row["file"] for row in table] == [*NAMES, "mean"]
    assert list(table[0]) == [
        "file", "before_pesq", "before_estoi", "before_si_sdr_db", "after_pesq", "after_estoi", "after_si_sdr_db"
    ]  # fmt: skip
    assert float(table[0]["after_si_sdr_db"]) == pytest.approx(numbers(rows[0])[5], abs=0.001)


def test_a_reader_that_has_enough_loses_no_scores(folders, monkeypatch):
    class Head:
        """A pipe that is closed after a line."""

        def __init__(self):
            self.lines = 0

        def write(self, text):
            self.lines += text.count("\n")
            if self.lines > 1:
                raise BrokenPipeError

        def flush(self):
            pass

        def fileno(self):
            return nothing

        def isatty(self):
            return False

    nothing = os.open(os.devnull, os.O_WRONLY)
    monkeypatch.setattr(sys, "stdout", Head())
    assert run(folders, "--csv", folders / "scores.csv") == 0
    assert [row["file"] for row in csv_rows(folders / "scores.csv")] == [*NAMES, "mean"]
    os.close(nothing)


def test_scores_are_those_of_the_metrics(folders, capsys):
    run(folders)
    row = numbers(capsys.readouterr().out.splitlines()[2])
    clean, noisy = (sf.read(folders / kind / "a.wav")[0] for kind in ("clean", "noisy"))
    half = noisy - 0.5 * (noisy - clean)
    assert row[0::2] == pytest.approx(
        [metrics.pesq(clean, noisy, SR), metrics.estoi(clean, noisy, SR), metrics.si_sdr(clean, noisy)], abs=0.001
    )
    assert row[1::2] == pytest.approx(
        [metrics.pesq(clean, half, SR), metrics.estoi(clean, half, SR), metrics.si_sdr(clean, half)], abs=0.001
    )
    assert row[5] - row[4] == pytest.approx(20 * np.log10(2), abs=0.1)


def test_ready_files_are_scored_by_several_processes(folders, capsys):
    for name in NAMES:  # of another suffix, rate and length than the noisy ones
        (folders / "enhanced" / name).parent.mkdir(parents=True, exist_ok=True)
        y, sr = sf.read(folders / "clean" / f"{name}.wav")
        sf.write(folders / "enhanced" / f"{name}.flac", y[:-10], sr, subtype="PCM_24")
    assert run(folders, "--enhanced", folders / "enhanced", "--jobs", 2) == 0
    rows = [numbers(line) for line in capsys.readouterr().out.splitlines()[2:5]]
    assert all(row[1] > 4.5 and row[3] > 0.99 and row[5] > 60 for row in rows)


def test_a_file_that_cannot_be_scored_is_named_and_left_out(folders, capsys):
    sf.write(folders / "clean" / "a.wav", np.zeros(SR), SR)
    sf.write(folders / "clean" / "b.wav", np.ones(SR), 22050)
    assert run(folders, "--csv", folders / "scores.csv") == 1
    out, err = capsys.readouterr()
    assert "a: the reference is silent" in err
    assert "b: clean, noisy and denoised files last 0.726, 1.000, 1.000 s" in err
    assert "2 of 3 files are not in the mean" in err
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["deep/c", "mean", "gain"]
    assert [row["file"] for row in csv_rows(folders / "scores.csv")] == ["deep/c", "mean"]


def one_error(capsys):
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "Traceback" not in err
    return err


def test_folders_that_do_not_match_are_one_clear_error(folders, capsys):
    (folders / "clean" / "b.wav").unlink()
    assert run(folders) == 2
    assert "clean: has no file 'b' to go with" in one_error(capsys)
    (folders / "noisy" / "a.flac").touch()
    assert run(folders) == 2
    assert "keep one of the two" in one_error(capsys)
    assert run(folders / "elsewhere") == 2
    assert "noisy: no such folder" in one_error(capsys)
    (folders / "elsewhere").mkdir()
    (folders / "elsewhere" / "noisy").touch()
    assert run(folders / "elsewhere") == 2
    assert "noisy: is a file: give a folder" in one_error(capsys)


def test_what_cannot_work_is_said_before_the_work(folders, capsys, monkeypatch):
    assert run(folders, "--csv", folders / "missing" / "scores.csv") == 2
    assert "cannot be written" in one_error(capsys)
    (folders / "mine.csv").write_text("mine")
    assert run(folders, "--csv", folders / "mine.csv") == 2
    assert "mine.csv: exists already" in one_error(capsys)
    assert (folders / "mine.csv").read_text() == "mine"
    monkeypatch.undo()
    evaluation.load_denoiser.__wrapped__.cache_clear()
    assert run(folders, "-d", "no-such-dictionary") == 2
    assert "no-such-dictionary" in one_error(capsys)
    monkeypatch.setitem(sys.modules, "pystoi", None)
    assert run(folders) == 2
    assert "pip install 'nmfaudio[eval]'" in one_error(capsys)


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_a_number_of_jobs_that_is_none_is_refused(folders, jobs, capsys):
    with pytest.raises(SystemExit, match="2"):
        run(folders, "--jobs", jobs)
    assert "--jobs" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_names_that_are_no_text_are_written_as_they_are(folders, capsysbinary, without_pesq):
    name = os.fsdecode(b"\xff\n\x1b[31m")
    for folder in ("clean", "noisy"):
        (folders / folder / "a.wav").rename(folders / folder / f"{name}.wav")
    assert run(folders, "--csv", folders / "s.csv") == 0
    out = capsysbinary.readouterr().out
    assert b"\x1b" not in out and rb"\n\x1b[31m  " in out and len(out.splitlines()) == 7
    assert b"\xff\n\x1b[31m" in (folders / "s.csv").read_bytes()


def test_long_recordings_are_scored_in_pieces(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("clean", "noisy", "enhanced"):
        (tmp_path / name).mkdir()
    n = 65 * SR
    clean = 0.1 * rng.standard_normal(n) * (np.sin(2 * np.pi * 4 * np.arange(n) / SR) > 0)
    clean[21 * SR : 39 * SR] = 0  # a piece in which there is next to nothing to score
    noisy = clean + 0.05 * rng.standard_normal(n)
    for name, y in (("clean", clean), ("noisy", noisy), ("enhanced", 0.5 * (clean + noisy))):
        sf.write(tmp_path / name / "a.wav", y, SR, subtype="FLOAT")
    assert run(tmp_path, "--enhanced", tmp_path / "enhanced") == 0
    row = numbers(capsys.readouterr().out.splitlines()[2])
    assert row[4] == pytest.approx(metrics.si_sdr(clean, noisy), abs=0.001)
    pieces = [(clean[part], noisy[part]) for part in (slice(0, 20 * SR), slice(20 * SR, 40 * SR), slice(40 * SR, n))]
    for column, measure in ((0, metrics.pesq), (2, metrics.estoi)):
        wanted = np.average([measure(*piece, SR) for piece in pieces], weights=[20, 20, 25])
        assert row[column] == pytest.approx(wanted, abs=0.001)


@pytest.mark.parametrize("n_perfect", [1, 3])
def test_perfect_files_are_named_and_left_out_of_the_mean(folders, capsys, n_perfect):
    for name in NAMES[:n_perfect]:
        path = folders / "clean" / f"{name}.wav"
        (folders / "noisy" / f"{name}.wav").write_bytes(path.read_bytes())
    assert run(folders, "--enhanced", folders / "noisy", "--csv", folders / "s.csv") == 0
    out, err = capsys.readouterr()
    assert f"SI-SDR is infinite for {n_perfect} of 3 files, equal to the clean ones or" in err
    *rows, mean, gain = map(numbers, out.splitlines()[2:])
    finite = [row[4] for row in rows if np.isfinite(row[4])]
    assert len(finite) == 3 - n_perfect
    assert mean[4] == pytest.approx(np.mean(finite) if finite else np.nan, abs=0.001, nan_ok=True)
    assert mean[0] == pytest.approx(np.mean([row[0] for row in rows]), abs=0.001)
    assert gain[2] == pytest.approx(0 if finite else np.nan, nan_ok=True)
    assert csv_rows(folders / "s.csv")[0]["before_si_sdr_db"] == "inf"


def test_a_crash_of_pesq_loses_one_score(folders, capsys, monkeypatch):
    calls = []

    def crash_once(function, signals):
        calls.append(1)
        return isolated(os._exit, 1) if len(calls) == 1 else isolated(function, signals)

    monkeypatch.setattr(evaluation, "isolated", crash_once)
    assert run(folders) == 1
    out, err = capsys.readouterr()
    assert "a: PESQ: the package pesq crashed on this recording" in err
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["b", "deep/c", "mean", "gain"]
