import numpy as np
import pytest
from sparse_blocks import NOISE, SPEECH, F, batches, blocks

from nmfaudio.dictionary import Dictionary
from nmfaudio.errors import NmfaudioError
from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.training.checkpoint import Checkpoint
from nmfaudio.training.sparse import _State, train_on_blocks, train_sparse


def train(speech, noise, n=4, **options):
    return train_on_blocks(
        batches(speech, n), batches(noise, n), **{"n_speech": 3, "n_noise": 2, "penalty": 0.05} | options
    )


def likeness(found, planted):
    return (planted / np.linalg.norm(planted, axis=0)).T @ found


@pytest.mark.needs_jit
def test_planted_atoms_are_found():
    atoms = train(blocks(SPEECH, 60, 0), blocks(NOISE, 60, 1), n_speech=6, n_noise=4)
    assert (likeness(atoms["speech"], SPEECH).max(axis=1) > 0.97).all()
    assert (likeness(atoms["noise"], NOISE).max(axis=1) > 0.97).all()


@pytest.mark.needs_jit
def test_noise_atoms_learn_what_speech_cannot_explain():
    both = np.hstack([SPEECH, NOISE[:, :1]])
    atoms = train(blocks(SPEECH, 60, 0), blocks(both, 60, 1), n_noise=1)
    assert likeness(atoms["noise"], NOISE[:, :1]).item() > 0.95


def test_the_atoms_make_a_dictionary():
    atoms = train(blocks(SPEECH, 8, 0), blocks(NOISE, 8, 1))
    Dictionary("sparse", atoms, FrontEnd(n_bins=F))
    for W in atoms.values():
        centroid = np.arange(F) @ W / W.sum(axis=0)
        assert (np.diff(centroid) >= 0).all() and W.dtype == np.float32


@pytest.mark.needs_jit
def test_the_objective_falls_and_is_reported():
    reports = []
    train(blocks(SPEECH, 40, 0), blocks(NOISE, 40, 1), progress=lambda *report: reports.append(report))
    assert [(name, n) for name, n, _ in reports] == [(s, n) for s in ("speech", "noise") for n in range(200, 2001, 200)]
    objective = [o for name, _, o in reports if name == "speech"]
    assert objective[-1] < 0.8 * objective[0]


@pytest.mark.needs_jit
def test_the_seed_decides_and_the_level_does_not():
    one, same, other, loud = (
        train(blocks(SPEECH, 8, 0, level), blocks(NOISE, 8, 1), random_state=seed)["speech"]
        for seed, level in ((0, 1), (0, 1), (1, 1), (0, 1024))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(one, loud, rtol=1e-4)


def test_an_update_minimises_the_majoriser_over_all_batches():
    """Where ``h w - A log w + penalty h w^2 / 2`` is least, ``h + penalty h w = A / w``."""
    rng = np.random.default_rng(0)
    state = _State.begin((rng.random((6, 2)) + 0.1).astype(np.float32))
    A, h, penalty, memory = 0.0, 0.0, 0.4, 0.7
    for _ in range(3):
        Q, of_batch = rng.random((6, 2)) + 0.1, rng.random(2) + 0.1
        A, h = memory * A + state.atoms * Q, memory * h + of_batch
        state.update(Q, of_batch, penalty, memory)
        W = (np.sqrt(1 + 4 * penalty * A / h) - 1) / (2 * penalty)
        norm = np.linalg.norm(W, axis=0)
        np.testing.assert_allclose(state.atoms, W / norm, rtol=1e-5)
        h = h * norm
        np.testing.assert_allclose(state.h, h, rtol=1e-5)


@pytest.mark.needs_jit
def test_frames_that_are_nearly_silent_are_left_out():
    block = next(blocks(SPEECH, 1, 0))
    faint, frames = np.float32(0.01) * block[:, :20], []
    train([np.hstack([block, faint])], [block], progress=lambda name, n, _: frames.append(n))
    assert frames == [50, 50]


@pytest.mark.needs_jit
def test_a_block_may_stand_alone():
    one, other = (
        train_on_blocks(speech, speech, n_speech=3, n_noise=2)["speech"]
        for speech in (list(blocks(SPEECH, 8, 0)), [[block] for block in blocks(SPEECH, 8, 0)])
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.needs_jit
def test_silence_is_passed_over():
    silence = np.zeros((F, 50), np.float32)
    with_silence = [b for block in blocks(SPEECH, 8, 0) for b in (block, silence, silence[:, :0])]
    np.testing.assert_array_equal(
        train(with_silence, blocks(NOISE, 8, 1), n=12)["speech"],
        train(blocks(SPEECH, 8, 0), blocks(NOISE, 8, 1))["speech"],
    )


@pytest.mark.needs_jit
def test_memory_does_not_grow_with_the_corpus():
    """The stream is drawn block by block, never gathered: no more than a batch."""
    drawn = 0

    def stream():
        nonlocal drawn
        for block in blocks(SPEECH, 40, 0):
            drawn += block.shape[1]
            yield block

    seen = []
    train(stream(), blocks(NOISE, 4, 1), progress=lambda name, n, _: name == "speech" and seen.append((n, drawn)))
    assert all(drawn <= n for n, drawn in seen)


def test_a_checkpoint_of_other_options_is_refused(tmp_path):
    Checkpoint(tmp_path / "state", {"seed": 0, "n_speech": 64}).save({"speech": {"atoms": np.eye(3)}})
    with pytest.raises(NmfaudioError, match="another training .n_speech 64, not None"):
        Checkpoint(tmp_path / "state", {"seed": 0})
    with pytest.raises(NmfaudioError, match="another training .penalty None, not 0.3"):
        Checkpoint(tmp_path / "state", {"seed": 0, "n_speech": 64, "penalty": 0.3})


def test_numbers_of_numpy_are_settings_of_a_checkpoint(tmp_path):
    settings = {"n_speech": np.int64(64), "penalty": np.float32(0.5), "plain": np.True_}
    Checkpoint(tmp_path / "state", settings).save({"speech": {"atoms": np.eye(3)}})
    same = Checkpoint(tmp_path / "state", {"n_speech": 64, "penalty": 0.5, "plain": True})
    np.testing.assert_array_equal(same.load("speech")["atoms"], np.eye(3))
    with pytest.raises(NmfaudioError, match="n_speech 64, not 65"):
        Checkpoint(tmp_path / "state", settings | {"n_speech": np.int64(65)})


@pytest.mark.parametrize(
    ("speech", "noise", "message"),
    [
        ([], [np.ones((F, 9))], "speech: nothing to train on"),
        ([np.ones((F, 9))], [np.zeros((F, 9))], "noise: nothing to train on"),
        ([np.ones((F, 9))], [np.ones((F + 1, 9))], "noise: .*13 bins.*12"),
        ([np.ones((F, 9)), np.ones((F + 1, 9))], [np.ones((F, 9))], "speech: .*13 bins.*12"),
        ([np.ones((F, 9)), np.ones((F, 9)), np.ones((F + 1, 9))], [np.ones((F, 9))], "speech: .*13 bins.*12"),
        ([lambda: [np.ones((F, 9)), np.ones((F + 1, 9))]], [np.ones((F, 9))], "speech: .*13 bins.*12"),
        ([np.full((F, 9), np.nan)], [np.ones((F, 9))], "speech: .*NaN"),
        ([-np.ones((F, 9))], [np.ones((F, 9))], "speech: .*negative"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(speech, noise, message):
    with pytest.raises(NmfaudioError, match=message):
        train(speech, noise)


@pytest.mark.needs_jit
def test_recordings_of_any_kind_are_repeated_to_the_duration():
    rng = np.random.default_rng(0)
    hum = np.sin(0.1 * np.arange(8000))
    hiss = np.rint(8000 * rng.standard_normal((2, 4000))).clip(-32768, 32767).astype(np.int16)
    reports = []
    dictionary = train_sparse(
        [hum], [hiss], 8000, least_s=2.5, n_speech=2, n_noise=3, progress=lambda *report: reports.append(report)
    )
    assert (dictionary.kind, dictionary.front_end.exponent) == ("sparse", 0.6)
    assert {name: W.shape[1] for name, W in dictionary.arrays.items()} == {"speech": 2, "noise": 3}
    assert not dictionary.arrays["speech"][130:].any()  # above the band of the recordings
    for name in ("speech", "noise"):
        frames = [n for source, n, _ in reports if source == name][-1]
        assert 2.5 <= frames * dictionary.front_end.hop_s < 3.7
    with pytest.raises(NmfaudioError, match="noise: nothing to train on but silence"):
        train_sparse([hum], [], 8000)
    with pytest.raises(NmfaudioError, match=r"looks like \(samples, channels\)"):
        train_sparse([hiss.T], [hiss], 8000)
