"""The scripts that make the shipped dictionaries, and what they are trained on."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile as sf
from signals import voice_in_noise

from nmfaudio import Denoiser
from nmfaudio.dictionary import Dictionary

SCRIPT = Path(__file__).parents[2] / "dictionaries" / "train.py"


@pytest.mark.needs_jit
def test_a_dictionary_is_made_from_named_data_with_its_curve_and_scores(tmp_path):
    for i, split in enumerate(("train", "dev")):
        speech, noise = voice_in_noise(16_000, seconds=8, seed=i)
        for kind, y in (("speech", speech), ("noise", noise)):
            path = tmp_path / "data" / split / kind / "one.flac"
            path.parent.mkdir(parents=True)
            sf.write(path, y, 16_000)
    for kind, y in (("clean", speech), ("noisy", speech + noise)):
        (tmp_path / kind).mkdir()
        sf.write(tmp_path / kind / "a.flac", y, 16_000)
    out = tmp_path / "fast.npz"
    command = [sys.executable, SCRIPT, "speech-fast", "--data", tmp_path / "data", "--steps", "2", "-o", out]
    subprocess.run([*command, "--scores", tmp_path], check=True, capture_output=True, cwd=tmp_path)
    made = Dictionary.load(out)
    assert made.record["stages"][0]["curve"][-1]["step"] == 2
    assert made.record["scores"]["SI-SDR"] != 0 and "speech-fast --data" in made.record["command"]
    assert "## Scores" in out.with_suffix(".md").read_text()
    assert Denoiser(out)(speech + noise, 16_000).shape == speech.shape
    again = subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, text=True)  # goes on where it ended
    assert again.stdout == ""


def test_a_dictionary_that_has_all_stages_leaves_nothing_to_train(tmp_path):
    for split in ("train", "dev"):
        for kind, y in zip(("speech", "noise"), voice_in_noise(16_000, seconds=1), strict=True):
            path = tmp_path / split / kind / "one.flac"
            path.parent.mkdir(parents=True)
            sf.write(path, y, 16_000)
    first = SCRIPT.with_name("speech-fast.npz")
    command = [sys.executable, SCRIPT, "speech-fast", "--data", tmp_path, "--first", first, "-o", tmp_path / "a.npz"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "speech-fast.npz: has all stages of speech-fast" in done.stderr


def test_songs_are_not_trained_without_others_to_watch(tmp_path):
    command = [sys.executable, SCRIPT, "songs", "--data", tmp_path, "-o", tmp_path / "s.npz"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "songs needs songs to watch the learning on: give --dev SONGS" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_of_a_package_that_is_empty_is_a_voice_without_sound(tmp_path):
    (tmp_path / "is.g722").touch()
    script = runpy.run_path(str(SCRIPT.with_name("debian_speech.py")))
    y, sr = script["recording"](tmp_path / "is.g722")
    assert (len(y), sr) == (0, 0)
    assert not list(script["clips"]([tmp_path / "is.g722"]))


def test_folders_above_the_packages_say_nothing_of_their_sounds(tmp_path):
    noise, speech = (runpy.run_path(str(SCRIPT.with_name(f"debian_{name}.py"))) for name in ("noise", "speech"))
    root = tmp_path / "speech" / "sounds" / "alsa"
    kick = root / "usr/share/hydrogen/data/drumkits/kit/kick.wav"
    prompt = root / "usr/share/asterisk/sounds/es/yes.g722"
    for path in (kick, prompt):
        path.parent.mkdir(parents=True)
    sf.write(kick, voice_in_noise(16_000, seconds=1)[1], 16_000)
    prompt.touch()
    assert noise["sounds"](root, noise["FOLDERS"]["drums"], 16_000) == [kick]
    assert speech["voices"](root) == {prompt: "es"}
    assert speech["words"](root) == {}
