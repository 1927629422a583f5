"""Commands that are stopped at any moment: outputs are whole or not there, inputs are as they were, nobody is left."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile as sf

from nmfaudio import audio
from nmfaudio.dictionary import Dictionary

SR, LENGTH = 16000, 48_000

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

COMMAND = [sys.executable, "-c", "import sys; from nmfaudio.cli.main import main; sys.exit(main())"]
COMMANDS = {
    "denoise": "denoise -d speech-sparse in --out-dir out --report out/report.json --overwrite",
    "in place": "denoise -d speech-sparse in --out-dir in --in-place",
    "two processes": "denoise -d speech-sparse -j 2 in --out-dir out --overwrite",
    "repair": "repair in/0.flac out/0.flac --overwrite",
    "split": "separate in/0.flac --split -o out --overwrite",
    "song": "separate in/0.flac -o out --overwrite",
    "unknown sources": "separate in/0.flac --stems 2 -o out --overwrite",
    "report": "report in/0.flac out/0.html --overwrite",
    "evaluate": "evaluate --clean in --noisy in -d speech-sparse -j 2 --csv out/scores.csv --overwrite",
    "export": "dictionaries export speech out/speech.npz --overwrite",
    "source": "train source hiss in -o out/hiss.npz --atoms 4 --overwrite",
    "adapt": "train adapt speech-sparse --noise in -o out/mine.npz --overwrite",
    "train": "train denoiser --speech in --noise in -o out/d.npz --checkpoint out/state.npz -j 2 --overwrite",
}
SIGNALS = ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"]


def children_of(group):
    found = subprocess.run(["ps", "-o", "pid=", "-g", str(group)], capture_output=True, text=True, check=False)
    return found.stdout.split()


def begin(name, folder):
    return subprocess.Popen(
        [*COMMAND, *COMMANDS[name].split()],
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def assert_whole(path):
    """Check that an output is all there; those of a name that no command writes are an error."""
    if path.suffix == ".flac":
        assert audio.read(path)[0].shape[1] == LENGTH
    elif path.name == "state.npz":
        with np.load(path) as state:
            assert all(state[key].size for key in state.files)
    elif path.suffix == ".npz":
        Dictionary.load(path)
    elif path.suffix == ".json":
        json.loads(path.read_text())
    else:
        ends = {".md": ("# ", ""), ".csv": ("file,", "\n"), ".html": ("<!doctype html>", "</html>\n")}
        first, last = ends[path.suffix]
        text = path.read_text()
        assert text.lower().startswith(first) and text.endswith(last)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("n", [1, pytest.param(15, marks=pytest.mark.slow)])
def test_a_command_that_is_stopped_leaves_nothing_half_written(tmp_path, name, n):
    rng = np.random.default_rng([n, *map(ord, name)])
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for i in range(4):
        sf.write(tmp_path / "in" / f"{i}.flac", rng.uniform(-0.5, 0.5, LENGTH), SR)
    before = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    longest_s = 6.0
    if n > 1:  # moments of the whole run, however fast the machine is
        began = time.monotonic()
        assert begin(name, tmp_path).wait(timeout=600) == 0
        longest_s = time.monotonic() - began
    for _ in range(n):
        how, whole_group = getattr(signal, rng.choice(SIGNALS)), rng.random() < 0.5
        process = begin(name, tmp_path)
        time.sleep(rng.uniform(0.03, 1) * longest_s)
        (os.killpg if whole_group else os.kill)(process.pid, how)
        process.wait(timeout=60)
        deadline = time.monotonic() + 10
        while children_of(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not children_of(process.pid)
        for folder in ("in", "out"):
            for path in (tmp_path / folder).glob("[!.]*"):
                assert_whole(path)
            hidden = list((tmp_path / folder).glob(".*"))
            assert how == signal.SIGKILL or not hidden
            for path in hidden:
                path.unlink()
        if name != "in place":
            assert before == {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}


TRAINING = """
import sys
from pathlib import Path
import numpy as np
from nmfaudio.training.checkpoint import Checkpoint
from nmfaudio.training.sparse import train_on_blocks
blocks = [np.random.default_rng(i).random((40, 100), np.float32) for i in range(100)]
options = {"n_speech": 8, "n_noise": 4, "progress": lambda *_: print("a batch", flush=True)}
np.savez(sys.argv[1], **train_on_blocks(blocks, blocks, checkpoint=Checkpoint(Path(sys.argv[2]), {}), **options))
"""


@pytest.mark.parametrize("n", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_a_training_that_is_killed_goes_on_to_the_same_atoms(tmp_path, n):
    def train(name, state):
        command = [sys.executable, "-c", TRAINING, name, state]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)

    rng = np.random.default_rng(n)
    for _ in range(n):
        process = train("killed.npz", "killed")
        for _ in range(rng.integers(1, 200 // n)):
            process.stdout.readline()
        time.sleep(rng.uniform(0, 0.01))
        process.kill()
        process.communicate()
        assert not (tmp_path / "killed.npz").exists()
    for name in ("killed", "whole"):
        process = train(f"{name}.npz", name)
        assert process.communicate()[0].count("a batch") == 200 or name == "killed"
        assert process.returncode == 0
    with np.load(tmp_path / "killed.npz") as killed, np.load(tmp_path / "whole.npz") as whole:
        for name in whole.files:
            np.testing.assert_array_equal(killed[name], whole[name])
