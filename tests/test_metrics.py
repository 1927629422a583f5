import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmfaudio import NmfaudioError, metrics

SR = 16000


def noisy_pair(seed, snr_db, shape=(400,)):
    rng = np.random.default_rng(seed)
    reference, noise = rng.standard_normal((2, *shape))
    return reference, reference + 10 ** (-snr_db / 20) * noise


@pytest.fixture(scope="module")
def speech():
    """Noise in syllables, which PESQ and STOI take for speech."""
    t = np.arange(SR) / SR
    return np.random.default_rng(0).standard_normal(SR) * (np.sin(2 * np.pi * 4 * t) > 0) * 0.1


@given(seed=st.integers(0, 99), snr_db=st.floats(-30, 60))
def test_snr_is_the_ratio_that_the_noise_was_added_at(seed, snr_db):
    reference, noise = np.random.default_rng(seed).standard_normal((2, 400))
    noise *= np.linalg.norm(reference) / np.linalg.norm(noise) / 10 ** (snr_db / 20)
    assert metrics.snr(reference, reference + noise) == pytest.approx(snr_db, abs=1e-6)


@given(seed=st.integers(0, 99), snr_db=st.floats(-30, 60))
def test_si_sdr_follows_from_the_correlation(seed, snr_db):
    reference, estimate = noisy_pair(seed, snr_db)
    share = np.corrcoef(reference, estimate)[0, 1] ** 2  # of the estimate's energy that is the reference
    assert metrics.si_sdr(reference, estimate) == pytest.approx(10 * np.log10(share / (1 - share)), abs=1e-6)


@given(seed=st.integers(0, 99), gain=st.floats(0.01, 100), offset=st.floats(-10, 10))
def test_si_sdr_ignores_scale_sign_and_offset(seed, gain, offset):
    reference, estimate = noisy_pair(seed, 10)
    assert metrics.si_sdr(reference, -gain * estimate + offset) == pytest.approx(metrics.si_sdr(reference, estimate))


def test_snr_and_si_sdr_take_signals_of_any_leading_shape():
    reference, estimate = noisy_pair(0, 10, shape=(2, 3, 100))
    for measure in (metrics.snr, metrics.si_sdr):
        values = measure(reference, estimate)
        assert values.shape == (2, 3)
        assert values[1, 2] == measure(reference[1, 2], estimate[1, 2])


@pytest.mark.parametrize("shape", [(100, 50), (20, 10, 100), (70, 2, 30)])
def test_there_may_be_more_signals_than_samples_of_each(shape):
    reference, estimate = noisy_pair(0, 10, shape)
    for measure in (metrics.snr, metrics.si_sdr):
        values = measure(reference, estimate)
        assert values.shape == shape[:-1]
        assert values.flat[-1] == measure(reference.reshape(-1, shape[-1])[-1], estimate.reshape(-1, shape[-1])[-1])


def test_integers_are_of_the_same_scale_as_floats():
    reference, estimate = (np.round(8000 * y).clip(-32768, 32767) for y in noisy_pair(0, 20))
    score = metrics.snr(reference.astype(np.int16), (estimate / 32768).tolist())
    assert score == pytest.approx(metrics.snr(reference, estimate))


def test_perfect_and_silent_estimates():
    reference = np.array([1.0, -1.0, 1.0, -1.0])
    assert metrics.snr(reference, reference) == np.inf
    assert metrics.si_sdr(reference, 3 * reference) == np.inf
    assert metrics.si_sdr(reference, 0 * reference) == -np.inf
    assert metrics.snr(reference, 0 * reference) == 0


@pytest.mark.parametrize("measure", [metrics.pesq, metrics.stoi, metrics.estoi])
def test_perceptual_measures_are_highest_for_the_reference_and_fall_with_noise(measure, speech):
    noise = 0.03 * np.random.default_rng(1).standard_normal(SR)
    scores = [measure(speech, speech + gain * noise, SR) for gain in (0, 1, 4)]
    assert scores[0] == pytest.approx(4.64 if measure is metrics.pesq else 1, abs=0.01)
    assert scores[0] > scores[1] > scores[2]


def test_pesq_resamples_other_rates(speech):
    from nmfaudio.audio import resample

    noisy = speech + 0.03 * np.random.default_rng(1).standard_normal(SR)
    at_48k = metrics.pesq(resample(speech, SR, 48000), resample(noisy, SR, 48000), 48000)
    assert at_48k == pytest.approx(metrics.pesq(speech, noisy, SR), abs=0.1)


@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        (np.ones(4), np.ones(5), r"\(4,\) and \(5,\)"),
        (np.ones(0), np.ones(0), "empty"),
        (np.array([1.0, np.nan]), np.ones(2), "sample 1 is nan"),
        (np.ones((100, 2)), np.ones((100, 2)), r"looks like \(samples, channels\)"),
        (np.ones(4, complex), np.ones(4), "not complex128"),
        (np.zeros(4), np.ones(4), "reference is silent"),
        (np.array([[1.0, 2.0], [3.0, 3.0]]), np.ones((2, 2)), "reference is silent"),
    ],
)
@pytest.mark.parametrize("measure", [metrics.snr, metrics.si_sdr])
def test_what_cannot_be_compared_is_named(measure, reference, estimate, message):
    with pytest.raises(NmfaudioError, match=message):
        measure(reference, estimate)


def test_pesq_and_stoi_say_what_they_cannot_score(speech):
    with pytest.raises(NmfaudioError, match="less than 0.25 s"):
        metrics.pesq(speech[:2000], speech[:2000], SR)
    for level in (0, 1e-22):
        with pytest.raises(NmfaudioError, match="estimate is silent"):
            metrics.pesq(speech, level * speech, SR)
    for n in (2, 100, 4000):
        with pytest.raises(NmfaudioError, match="less than 0.4 s"):
            metrics.estoi(speech[:n], speech[:n], SR)
    with pytest.raises(NmfaudioError, match=r"shape \(samples,\)"):
        metrics.stoi(speech[None], speech[None], SR)


def test_bss_eval_tells_interference_from_artefacts_in_any_order():
    rng = np.random.default_rng(0)
    sources, hiss = rng.standard_normal((2, 3, 8000))
    scores = metrics.bss_eval(sources, np.roll(sources + 0.1 * sources[[1, 2, 0]] + 0.01 * hiss, 1, axis=0))
    np.testing.assert_allclose(scores["sir"], 20, atol=1)
    np.testing.assert_allclose(scores["sar"], 40, atol=1)
    np.testing.assert_allclose(scores["sdr"], scores["sir"], atol=0.3)
    assert scores["order"].tolist() == [1, 2, 0]
    with pytest.raises(NmfaudioError, match="one channel"):
        metrics.bss_eval(np.stack([sources] * 2), np.stack([sources] * 2))


def test_frames_of_stems_are_scored_by_museval():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of museval's own dependencies
        pytest.importorskip("museval")
        rng = np.random.default_rng(0)
        stems = rng.standard_normal((2, 2, 8000))
        scores = metrics.bss_eval_frames(stems, stems + 0.1 * stems[::-1], 8000, frame_s=0.5)
    np.testing.assert_allclose(scores["sir"], 20, atol=1)
    np.testing.assert_allclose(scores["sdr"], 20, atol=1)


@pytest.mark.parametrize(
    ("measure", "module"), [(metrics.bss_eval, "fast_bss_eval"), (metrics.bss_eval_frames, "museval")]
)
def test_a_missing_library_for_stems_is_named_with_its_extra(measure, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    stems = np.random.default_rng(0).standard_normal((2, 100))
    with pytest.raises(NmfaudioError, match=rf"{module} is not installed: pip install 'nmfaudio\[stems\]'"):
        measure(stems, stems, *[8000] * (measure is metrics.bss_eval_frames))


@pytest.mark.parametrize(("measure", "library"), [(metrics.pesq, "pesq"), (metrics.stoi, "pystoi")])
def test_a_missing_library_is_named_with_its_extra(measure, library, speech, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(NmfaudioError, match=rf"{library} is not installed: pip install 'nmfaudio\[eval\]'"):
        measure(speech, speech, SR)
