import numpy as np
import pytest

from nmfaudio.denoising.decomposition import decomposition_for
from nmfaudio.denoising.sparse import SparseDecomposition, SparseSettings
from nmfaudio.dictionary import Dictionary
from nmfaudio.spectra.front_end import FrontEnd

F = 16
SMALL = SparseSettings(segment_frames=40, margin_frames=15, knot_frames=10, n_free=2)


def unit(W):
    return (W / np.linalg.norm(W, axis=0)).astype(np.float32)


SPEECH = unit(np.kron(np.eye(4), np.ones((2, 1))).repeat(2, axis=0)[:F] + 1e-3)  # four separate bands
NOISE = unit(np.linspace(0.2, 1, F)[:, None] * np.ones((1, 1)))
UNSEEN = unit(np.linspace(1, 0.1, F)[:, None] ** 2)


def dictionary(**settings):
    return Dictionary("sparse", {"speech": SPEECH, "noise": NOISE}, FrontEnd(n_bins=F), settings)


def scene(noise, n=120, seed=0):
    """Spectrograms of bursts of speech with pauses, and of steady noise."""
    rng = np.random.default_rng(seed)
    on = np.kron(rng.random((4, n // 6 + 1)) < 0.3, np.ones(6))[:, :n]
    S = SPEECH @ (on * rng.uniform(1, 3, (4, n)))
    N = noise @ rng.uniform(0.4, 0.6, (noise.shape[1], n))
    return S.astype(np.float32), N.astype(np.float32)


def error(estimate, truth):
    return np.abs(estimate - truth).sum() / truth.sum()


def test_speech_and_known_noise_are_separated():
    S, N = scene(NOISE)
    mask = SparseDecomposition(dictionary(), SMALL)(S + N)
    assert mask.dtype == np.float32 and mask.shape == S.shape
    assert error(mask * (S + N), S) < 0.25 and error((1 - mask) * (S + N), N) < 0.35


def test_free_atoms_learn_noise_that_no_atom_knows():
    S, N = scene(UNSEEN)
    without = SparseDecomposition(dictionary(), SparseSettings(n_free=0))(S + N)
    adapted = SparseDecomposition(dictionary(), SparseSettings(n_free=2))(S + N)
    assert error(adapted * (S + N), S) < 0.7 * error(without * (S + N), S)
    assert error((1 - adapted) * (S + N), N) < 0.7 * error((1 - without) * (S + N), N)


@pytest.mark.parametrize("level", [1e-4, 1e3])
def test_the_level_does_not_change_the_mask(level):
    S, N = scene(UNSEEN)
    decompose = SparseDecomposition(dictionary(), SMALL)
    np.testing.assert_allclose(decompose((S + N) * np.float32(level)), decompose(S + N), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("n_pieces", [1, 2])
def test_a_piece_has_the_mask_that_it_has_in_the_whole_recording(n_pieces):
    V = np.sum(scene(UNSEEN, n=210), axis=0)
    decompose = SparseDecomposition(dictionary(), SMALL)
    whole = decompose(V)
    assert decompose.past_frames % decompose.segment_frames == 0
    start = 2 * decompose.segment_frames
    stop = start + n_pieces * decompose.segment_frames
    first = start - decompose.past_frames
    piece = decompose(V[:, first : stop + decompose.future_frames])
    np.testing.assert_allclose(piece[:, start - first : stop - first], whole[:, start:stop], rtol=1e-5, atol=1e-6)


def test_silence_and_short_and_odd_inputs():
    decompose = SparseDecomposition(dictionary(), SMALL)
    for V in (np.zeros((F, 50), np.float32), np.zeros((F, 0), np.float32)):
        mask = decompose(V)
        assert mask.shape == V.shape and not mask.any()
    S, N = scene(NOISE)
    V = S + N
    V[:, 30:60] = 0  # digital silence between
    for part in (V, V[:, :1], V[:, :7], np.asfortranarray(V), V[:9]):
        mask = decompose(part)
        assert mask.shape == part.shape and ((mask >= 0) & (mask <= 1)).all()


def test_bins_that_a_recording_does_not_have_change_nothing_below():
    V = np.sum(scene(UNSEEN), axis=0)[:11]
    padded = np.pad(V, ((0, F - 11), (0, 0)))
    decompose = SparseDecomposition(dictionary(), SMALL)
    narrow, wide = decompose(V), decompose(padded)
    np.testing.assert_allclose(wide[:11], narrow, rtol=1e-4, atol=1e-6)
    assert not wide[11:].any()


def test_the_dictionary_can_bring_its_own_settings():
    decompose = decomposition_for(dictionary(n_iter=3, segment_frames=64, mask_power=1.4))
    assert isinstance(decompose, SparseDecomposition)
    assert decompose.settings == SparseSettings(n_iter=3, segment_frames=64)
    assert decompose.segment_frames == 64


def test_the_same_recording_gives_the_same_mask():
    V = np.sum(scene(UNSEEN), axis=0)
    one, two = (SparseDecomposition(dictionary(), SMALL)(V) for _ in range(2))
    np.testing.assert_array_equal(one, two)
