import functools

import numpy as np
import pytest
from signals import voice_in_noise

from nmfaudio import Denoiser, Dictionary
from nmfaudio.cli.main import main
from nmfaudio.denoising.unfolded.context import Context
from nmfaudio.metrics import si_sdr
from nmfaudio.training.unfolded import presets
from nmfaudio.training.unfolded.stage import Schedule


@pytest.mark.needs_jit
@pytest.mark.usefixtures("without_pesq")
def test_command_trains_a_sparse_dictionary_that_denoises(sounds, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nmfaudio.training.sparse.LEAST_CORPUS_S", 40.0)
    out = tmp_path / "own.npz"
    paths = ["--speech", str(sounds / "speech"), "--noise", str(sounds / "noise")]
    assert main(["train", "denoiser", *paths, "-o", str(out)]) == 0
    dictionary = Dictionary.load(out)
    assert dictionary.kind == "sparse" and dictionary.record["speech"]["files"] == 2
    assert "nmfaudio train" in dictionary.record["command"]
    assert "verdict: " in capsys.readouterr().err and "own" in dictionary.record["against speech"]
    speech, noise = voice_in_noise(16000, seconds=2, seed=5)
    cleaned = Denoiser(out)(speech + noise, 16000)
    assert si_sdr(speech, cleaned) > si_sdr(speech, speech + noise) + 2
    assert main(["train", "denoiser", *paths, "-o", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.needs_jit
@pytest.mark.usefixtures("without_pesq")
def test_command_trains_an_unfolded_dictionary(sounds, tmp_path, monkeypatch, capsys):
    context = Context(257, 8, 8000.0, means=((-3, -2), (-1, -1)), minima=((-9, 0),), floors=((-9, 0),))
    small = presets.Preset((context,), (presets.Size((6, 4), (0, 1)),))
    monkeypatch.setitem(presets.PRESETS, "causal-fast", small)
    few = functools.partialmethod(Schedule.__init__, n_frames=64, pool_items=5, item_frames=40)
    monkeypatch.setattr(Schedule, "__init__", few)
    monkeypatch.setattr("nmfaudio.training.unfolded.start.N_FRAMES", 300)
    monkeypatch.setattr("nmfaudio.training.unfolded.build.N_DEV_MIXTURES", 2)
    out = tmp_path / "own.npz"
    paths = ["--speech", str(sounds / "speech"), "--noise", str(sounds / "noise"), "-o", str(out)]
    assert main(["train", "denoiser", "--kind", "causal-fast", "--steps", "3", *paths]) == 0
    dictionary = Dictionary.load(out)
    assert dictionary.kind == "unfolded" and dictionary.record["stages"][0]["curve"][-1]["step"] == 3
    y = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    assert Denoiser(out)(y, 16000).shape == y.shape
    capsys.readouterr()
    command = ["train", "denoiser", "--kind", "causal-fast", *paths, "--overwrite", "--steps"]
    assert main([*command, "3", "1"]) == 0  # all stages together at the end
    assert "all stages  step      1/1" in capsys.readouterr().err
    assert [stage["curve"][-1]["step"] for stage in Dictionary.load(out).record["stages"]] == [3, 1]
    assert main([*command, "3", "1", "1"]) == 2
    assert "one for each stage (here 1), and perhaps one for all of them together" in capsys.readouterr().err


@pytest.mark.parametrize(
    "extra, message",
    [
        (["-o", "x.wav"], "npz"),
        (["-o", "nowhere/x.npz"], "no such folder"),
        (["-o", "x.npz", "--speech", "gone"], "gone"),
    ],
)
def test_command_refuses_what_it_cannot_train(sounds, tmp_path, monkeypatch, capsys, extra, message):
    monkeypatch.chdir(tmp_path)
    paths = ["--speech", str(sounds / "speech"), "--noise", str(sounds / "noise")]
    assert main(["train", "denoiser", *paths, *extra]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
