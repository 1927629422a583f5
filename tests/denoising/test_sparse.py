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


def test_speech_and_known_noise_are_told_apart():
    S, N = scene(NOISE)
    S_hat, N_hat = SparseDecomposition(dictionary(), SMALL)(S + N)
    assert S_hat.dtype == N_hat.dtype == np.float32 and S_hat.shape == S.shape
    assert error(S_hat, S) < 0.25 and error(N_hat, N) < 0.35


def test_free_atoms_learn_noise_that_no_atom_knows():
    S, N = scene(UNSEEN)
    without = SparseDecomposition(dictionary(), SparseSettings(n_free=0))(S + N)
    adapted = SparseDecomposition(dictionary(), SparseSettings(n_free=2))(S + N)
    assert error(adapted[0], S) < 0.7 * error(without[0], S)
    assert error(adapted[1], N) < 0.7 * error(without[1], N)


@pytest.mark.parametrize("level", [1e-4, 1e3])
def test_the_level_scales_the_estimates(level):
    S, N = scene(UNSEEN)
    decompose = SparseDecomposition(dictionary(), SMALL)
    for loud, quiet in zip(decompose(S + N), decompose((S + N) * np.float32(level)), strict=True):
        np.testing.assert_allclose(quiet / level, loud, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("n_pieces", [1, 2])
def test_a_piece_is_explained_as_in_the_whole_recording(n_pieces):
    V = np.sum(scene(UNSEEN, n=210), axis=0)
    decompose = SparseDecomposition(dictionary(), SMALL)
    whole = decompose(V)
    assert decompose.past_frames % decompose.segment_frames == 0
    start = 2 * decompose.segment_frames
    stop = start + n_pieces * decompose.segment_frames
    first = start - decompose.past_frames
    piece = decompose(V[:, first : stop + decompose.future_frames])
    for w, p in zip(whole, piece, strict=True):
        np.testing.assert_allclose(p[:, start - first : stop - first], w[:, start:stop], rtol=1e-5, atol=1e-6)


def test_silence_and_short_and_odd_inputs():
    decompose = SparseDecomposition(dictionary(), SMALL)
    for V in (np.zeros((F, 50), np.float32), np.zeros((F, 0), np.float32)):
        S, N = decompose(V)
        assert S.shape == N.shape == V.shape and not S.any() and not N.any()
    S, N = scene(NOISE)
    V = S + N
    V[:, 30:60] = 0  # digital silence between
    for part in (V, V[:, :1], V[:, :7], np.asfortranarray(V), V[:9]):
        for estimate in decompose(part):
            assert estimate.shape == part.shape and np.isfinite(estimate).all() and estimate.min() >= 0
    assert not decompose(V)[0][:, 30:60].any()


def test_bins_that_a_recording_does_not_have_change_nothing_below():
    V = np.sum(scene(UNSEEN), axis=0)[:11]
    padded = np.pad(V, ((0, F - 11), (0, 0)))
    decompose = SparseDecomposition(dictionary(), SMALL)
    for narrow, wide in zip(decompose(V), decompose(padded), strict=True):
        np.testing.assert_allclose(wide[:11], narrow, rtol=1e-4, atol=1e-6)
        assert not wide[11:].any()


def test_the_dictionary_can_bring_its_own_settings():
    decompose = decomposition_for(dictionary(n_iter=3, segment_frames=64, mask_power=1.4))
    assert isinstance(decompose, SparseDecomposition)
    assert decompose.settings == SparseSettings(n_iter=3, segment_frames=64)
    assert decompose.segment_frames == 64


def test_the_same_recording_gives_the_same_estimates():
    V = np.sum(scene(UNSEEN), axis=0)
    one, two = (SparseDecomposition(dictionary(), SMALL)(V) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])
