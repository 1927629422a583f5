import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from signals import voice_in_noise
from unfolded_helpers import CAUSAL, LOOKING_AHEAD, N_BINS, random_dictionary

from nmfaudio import Denoiser, Dictionary, NmfaudioError, denoise, noise_profile
from nmfaudio.denoising.profile_fit import profile_fit
from nmfaudio.metrics import si_sdr
from nmfaudio.spectra.front_end import FrontEnd

SMALL = random_dictionary(LOOKING_AHEAD)


def hiss(n=2000, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32) * 0.1


def unit(W):
    return (W / np.linalg.norm(W, axis=0)).astype(np.float32)


# A voice in the low bins, a noise that is loudest in the high ones, and a dictionary that takes half of it for speech.
VOICE, RUSTLE = unit(np.array([[8, 4, 2, 1, 0, 0, 0, 0, 0]]).T), unit(np.array([[1, 1, 1, 1, 2, 4, 8, 8, 8]]).T)


def scene(n=30, seed=0):
    rng = np.random.default_rng(seed)
    speech = VOICE @ rng.uniform(1, 3, (1, n)) * (np.arange(n) % 10 < 5)
    noise = RUSTLE @ rng.uniform(0.8, 1.2, (1, n)) * rng.uniform(0.7, 1.3, (9, n))
    mask = 0.5 * speech / (speech + noise) + 0.25
    return (speech + noise).astype(np.float32), mask.astype(np.float32), speech / (speech + noise)


def test_a_profile_brings_the_mask_nearer_to_the_truth():
    V, mask, truth = scene()
    corrected = profile_fit(V, mask, RUSTLE)
    assert np.abs(corrected - truth).mean() < 0.6 * np.abs(mask - truth).mean()


def test_the_correction_is_that_of_the_formulas():
    V, mask, _ = scene()
    W = unit(np.random.default_rng(0).random((9, 2)))
    corrected = profile_fit(V, mask, W)
    for t in range(0, 30, 7):
        v, W64 = V[:, t].astype(float) / V[:, t].mean(), W.astype(float)
        S, N = v * mask[:, t], v * (1 - mask[:, t])
        s, n, a = 1.0, 0.5, np.full(2, 0.5 * N.sum() / W64.sum())
        for _ in range(10):
            Q = v / (s * S + n * N + W64 @ a)
            s, n, a = s * (S @ Q) / S.sum(), n * (N @ Q) / N.sum(), a * (W64.T @ Q) / W64.sum(axis=0)
        share = s * S / (s * S + n * N + W64 @ a)
        for _ in range(10):
            a = a * (W64.T @ (v * (1 - share) / (W64 @ a))) / W64.sum(axis=0)
        odds = share / (1 - share) * np.sqrt(np.clip((v / (W64 @ a) - 1) / 2, 0.3, 10))
        np.testing.assert_allclose(corrected[:, t], odds / (1 + odds), rtol=1e-3, atol=1e-5)


@given(st.floats(-200, 60))
def test_the_level_does_not_matter(level_db):
    V, mask, _ = scene()
    corrected = profile_fit(V * np.float32(10 ** (level_db / 20)), mask, RUSTLE)
    np.testing.assert_allclose(corrected, profile_fit(V, mask, RUSTLE), atol=1e-3)


def test_a_frame_does_not_depend_on_the_others():
    V, mask, _ = scene()
    whole = profile_fit(V, mask, RUSTLE)
    for t in (0, 7, 29):
        frame = slice(t, t + 1)
        one = profile_fit(V[:, frame], mask[:, frame], RUSTLE)
        np.testing.assert_allclose(one, whole[:, frame], rtol=1e-4, atol=1e-6)


def test_bins_that_the_profile_does_not_know_have_equal_odds_in_a_frame():
    rng = np.random.default_rng(0)
    V, W = rng.random((20, 30)).astype(np.float32) + np.float32(0.1), rng.random((20, 3)).astype(np.float32)
    W[10:] = 0
    mask = profile_fit(V, np.full(V.shape, 0.5, np.float32), W)[10:]
    assert np.ptp(mask, axis=0).max() < 1e-5 and mask.max() < 0.7  # no level of theirs raises them


def test_bins_outside_of_the_profile_and_silence_are_no_trouble():
    V, mask, _ = scene()
    V[:, 3] = 0
    V[5:, 8] = 0
    mask[:, 4], mask[:, 5] = 0, 1
    low = RUSTLE.copy()
    low[5:] = 0
    corrected = profile_fit(V, mask, unit(low))
    assert (corrected >= 0).all() and (corrected <= 1).all()


@pytest.mark.needs_jit
def test_frames_that_do_not_overlap_make_a_profile_too():
    front_end = FrontEnd(sr=500, n_bins=9, window="boxcar", hop_s=0.032)
    atoms = unit(np.random.default_rng(0).random((9, 2)))
    dictionary = Dictionary("sparse", {"speech": atoms, "noise": atoms}, front_end)
    assert noise_profile(hiss(), 500, dictionary).arrays["noise"].shape == (9, 8)
    with pytest.raises(NmfaudioError, match="too short"):
        noise_profile(hiss(0), 500, dictionary)


@pytest.mark.needs_jit
@pytest.mark.parametrize("n, n_atoms", [(80, 2), (480, 8), (5000, 8)])
def test_atoms_of_a_profile(n, n_atoms):
    profile = noise_profile(hiss(n), 500, SMALL)
    atoms = profile.arrays["noise"]
    assert (profile.kind, profile.front_end) == ("profile", SMALL.front_end.bins_alone())
    assert atoms.shape[0] == N_BINS and 1 <= atoms.shape[1] <= n_atoms
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=0), 1, rtol=1e-5)


@pytest.mark.needs_jit
def test_a_profile_has_no_level_and_is_the_same_each_time():
    one, quiet, twice = (noise_profile(y, 500, SMALL) for y in (hiss(), hiss() / 1024, np.stack([hiss(), hiss()])))
    for other in (quiet, twice):
        np.testing.assert_allclose(other.arrays["noise"], one.arrays["noise"], atol=1e-4)


@pytest.mark.needs_jit
def test_a_profile_knows_nothing_above_the_band_of_its_recording():
    profile = noise_profile(hiss(), 250, SMALL)
    heard = profile.arrays["noise"].any(axis=1)
    assert heard[:5].all() and not heard[5:].any()
    out = Denoiser(SMALL, noise=profile)(hiss(seed=1), 500)
    assert np.isfinite(out).all()


@pytest.mark.parametrize(
    "y, words",
    [
        (np.zeros(2000), "silence"),
        (np.ones(8), "too short"),
        (np.ones(0), "too short"),
        (np.full(2000, np.nan), "nan"),
        (np.ones((2000, 70)), "y.T"),
    ],
)
def test_noise_that_teaches_nothing_is_refused(y, words):
    with pytest.raises(NmfaudioError, match=words):
        noise_profile(y, 500, SMALL)


@pytest.mark.needs_jit
def test_a_profile_is_saved_and_loaded(tmp_path):
    profile = noise_profile(hiss(), 1000, SMALL)
    profile.save(tmp_path / "hiss.npz")
    sf.write(tmp_path / "hiss.wav", hiss(), 1000, subtype="FLOAT")
    y = hiss(seed=1)
    expected = Denoiser(SMALL, noise=profile)(y, 500)
    assert np.abs(expected - Denoiser(SMALL)(y, 500)).max() > 1e-3
    for noise in (tmp_path / "hiss.npz", str(tmp_path / "hiss.wav")):
        np.testing.assert_allclose(Denoiser(SMALL, noise=noise)(y, 500), expected, atol=1e-6)


@pytest.mark.needs_jit
def test_noise_may_be_samples():
    y, noise = hiss(seed=1), hiss()
    expected = Denoiser(SMALL, noise=noise_profile(noise, 500, SMALL))(y, 500)
    assert np.abs(expected - Denoiser(SMALL)(y, 500)).max() > 1e-3
    np.testing.assert_array_equal(denoise(y, 500, dictionary=SMALL, noise=noise), expected)


def test_profiles_that_cannot_be_used_are_refused(tmp_path):
    profile = noise_profile(hiss(), 500, SMALL)
    other = random_dictionary(CAUSAL, FrontEnd(sr=500, n_bins=N_BINS, exponent=0.5))
    sf.write(tmp_path / "silent.wav", np.zeros(2000), 1000)
    SMALL.save(tmp_path / "small.npz")
    for dictionary, noise, words in [
        (other, profile, "front end"),
        (SMALL, SMALL, "not a noise profile"),
        (SMALL, tmp_path / "small.npz", "'small': a dictionary of kind 'unfolded'"),
        (SMALL, tmp_path / "silent.wav", "silent.wav: the noise is silence"),
        (SMALL, tmp_path / "missing.wav", "no such file"),
        (SMALL, tmp_path / "missing.npz", "no such file"),
        (profile, None, "give it as noise"),
    ]:
        with pytest.raises(NmfaudioError, match=words):
            Denoiser(dictionary, noise=noise)


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", ["speech-fast", "speech-sparse"])
def test_a_profile_helps_against_a_noise_that_does_not_change(name):
    speech, noise = voice_in_noise(seconds=1)
    _, before = voice_in_noise(seconds=1, seed=1)
    dictionary = Dictionary.load(name)
    scores = [
        si_sdr(speech, Denoiser(dictionary, noise=profile)(speech + noise, 16000))
        for profile in (None, noise_profile(before, 16000, dictionary))
    ]
    assert scores[1] > scores[0] + 0.1
