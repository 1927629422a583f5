import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmfaudio import STFT
from nmfaudio.errors import NmfaudioError
from nmfaudio.metrics import si_sdr
from nmfaudio.spectra.phase import METHODS, griffin_lim, signals_of, wiener_masks

ADDING_UP = ["mixture", "misi", "consistent"]


def chirps(n=8000, dtype=np.float32):
    """Two signals that cross in frequency."""
    t = np.arange(n) / n
    return np.stack([np.sin(2 * np.pi * (500 + 800 * t) * t), np.sin(2 * np.pi * (1800 - 700 * t) * t)]).astype(dtype)


@pytest.mark.parametrize("method", ADDING_UP)
@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(1, 1500),
    channels=st.sampled_from([(), (2,)]),
    sizes=st.sampled_from([(256, 64), (256, 128), (255, 85)]),
    exponent=st.integers(-12, 12),
)
def test_signals_add_up_to_the_mixture(method, seed, length, channels, sizes, exponent):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((*channels, length)).astype(np.float32)
    y /= np.abs(y).max()
    stft = STFT(*sizes)
    Y = stft(y)
    powers = (10.0**exponent * rng.gamma(0.1, 1, (3, *Y.shape)) * (rng.random((3, *Y.shape)) < 0.8)).astype(np.float32)
    signals = signals_of(powers, Y, stft, length, method, n_iter=3)
    assert signals.shape == (3, *y.shape)
    np.testing.assert_allclose(signals.sum(axis=0), y, atol=1e-5)


def test_consistent_spectra_are_better_than_the_phase_of_the_mixture():
    y = chirps()
    stft = STFT(512, 128)
    powers, Y = np.abs(stft(y)) ** 2, stft(y.sum(axis=0))
    before, after = (si_sdr(y, signals_of(powers, Y, stft, y.shape[1], m)) for m in ("mixture", "consistent"))
    assert (after > before + 1).all()


def test_misi_comes_closer_to_the_magnitudes():
    y = chirps()
    stft = STFT(512, 128)
    powers, Y = np.abs(stft(y)) ** 2, stft(y.sum(axis=0))
    magnitudes = wiener_masks(powers) * np.abs(Y)
    signals = [signals_of(powers, Y, stft, y.shape[1], "misi", n_iter) for n_iter in (0, 30)]
    before, after = (np.linalg.norm(np.abs(stft(x)) - magnitudes) for x in signals)
    assert after < 0.95 * before


@pytest.mark.parametrize("momentum", [0, 0.99])
def test_griffin_lim_finds_a_signal_of_these_magnitudes(momentum):
    y = chirps()[0]
    stft = STFT(512, 128)
    magnitudes = np.abs(stft(y))
    X = magnitudes * np.exp(2j * np.pi * np.random.default_rng(0).random(magnitudes.shape))

    def error(n_iter):
        found = np.abs(stft(griffin_lim(magnitudes, X, stft, len(y), n_iter, momentum)))
        return np.linalg.norm(found - magnitudes) / np.linalg.norm(magnitudes)

    assert error(60) < 0.6 * error(5)


def test_momentum_converges_further():
    y = chirps()[0]
    stft = STFT(512, 128)
    magnitudes = np.abs(stft(y))
    X = magnitudes * np.exp(2j * np.pi * np.random.default_rng(0).random(magnitudes.shape))
    slow, fast = (np.abs(stft(griffin_lim(magnitudes, X, stft, len(y), 100, m))) for m in (0, 0.99))
    assert np.linalg.norm(fast - magnitudes) < np.linalg.norm(slow - magnitudes)


def test_what_is_fixed_guides_the_rest():
    y = chirps()[0]
    stft = STFT(512, 128)
    Y = stft(y)
    fixed = np.ones(Y.shape, bool)
    fixed[20:60, 25:30] = False
    X = np.where(fixed, Y, np.abs(Y))
    found = griffin_lim(np.abs(Y), X, stft, len(y), 50, fixed=fixed)
    without = stft.synthesis(X, len(y))
    assert np.linalg.norm(found - y) < 0.5 * np.linalg.norm(without - y)


def test_shares_of_nothing_are_equal():
    powers = np.zeros((4, 3), np.float32)
    powers[1, 0] = 1e-30
    np.testing.assert_array_equal(wiener_masks(powers)[:, 0], [0, 1, 0, 0])
    np.testing.assert_array_equal(wiener_masks(powers)[:, 1:], 0.25)


@pytest.mark.parametrize("method", METHODS)
def test_silence_stays_silent(method):
    stft = STFT(64, 16)
    Y = stft(np.zeros(100, np.float32))
    signals = signals_of(np.zeros((2, *Y.shape), np.float32), Y, stft, 100, method)
    assert signals.dtype == np.float32
    assert not signals.any()


def test_unknown_method_is_named():
    stft = STFT(64, 16)
    with pytest.raises(NmfaudioError, match="method must be one of 'mixture', 'griffin-lim'.*not 'magic'"):
        signals_of(np.ones((1, 33, 7)), np.ones((33, 7), complex), stft, 64, "magic")
