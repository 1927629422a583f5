"""Every function that takes a signal answers the same mistakes with the same words, and takes the same types."""

import matplotlib
import numpy as np
import pytest
from signals import real_recording

from nmfaudio import denoise, display, metrics, noise_profile, repair, report, separation
from nmfaudio.errors import AudioError

matplotlib.use("Agg")
SR = 8000
VERBS = {
    "denoise": lambda y: denoise(y, SR),
    "noise_profile": lambda y: noise_profile(y, SR).arrays["noise"],
    "Separator": lambda y: separation.Separator({"a": 1, "b": 1}, n_iter=1)(y, SR)["a"],
    "Components": lambda y: separation.Components(y, SR, n_components=2, n_iter=1).stems({"a": [0]})["a"],
    "harmonic_percussive": lambda y: separation.harmonic_percussive(y, SR)["harmonic"],
    "restore_samples": lambda y: repair.restore_samples(y, SR, np.arange(np.shape(y)[-1]) == 99, n_iter=1),
    "fill_regions": lambda y: repair.fill_regions(y, SR, [(0.1, 0.2)]),
    "extend_band": lambda y: repair.extend_band(y, SR)[0],
    "find_clicks": lambda y: repair.find_clicks(y, SR),
    "find_clipped": lambda y: repair.find_clipped(y),
    "find_dropouts": lambda y: repair.find_dropouts(y, SR),
    "metrics.snr": lambda y: metrics.snr(y, y),
    "metrics.si_sdr": lambda y: metrics.si_sdr(y, y),
    "display.spectrogram": lambda y: display.spectrogram(y, SR).images[0].get_array(),
    "display.gainshow": lambda y: display.gainshow(y, y, SR).images[0].get_array(),
    "report.page": lambda y: len(report.page(y, SR)),
}
SIGNAL = np.rint(32768 * real_recording()[0][: SR // 2]).astype(np.int16)
every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@every_verb
@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (np.zeros((SR, 2)), r"\(8000, 2\) looks like \(samples, channels\)"),
        (np.where(np.arange(SR) == 7, np.nan, 0.1), "sample 7 is nan"),
        (np.ones(SR, complex), "sound is real numbers, not complex128"),
    ],
)
def test_mistakes_are_answered_alike(verb, mistake, words):
    with pytest.raises(AudioError, match=words):
        verb(mistake)


@pytest.mark.parametrize("name", [name for name in VERBS if not name.startswith("metrics")])  # which take stacks
def test_more_than_two_axes_are_refused(name):
    words = r"signal of shape \(1, 2, 8000\): give \(samples,\) or \(channels, samples\)"
    with pytest.raises(AudioError, match=words):
        VERBS[name](np.zeros((1, 2, SR)))


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", sorted(VERBS.keys() - {"report.page"}))  # which prints how long it took
def test_integers_and_lists_are_taken_as_their_floats(name):
    floats = SIGNAL.astype(np.float32) / 32768
    expected = VERBS[name](floats)
    np.testing.assert_array_equal(VERBS[name](SIGNAL), expected)
    np.testing.assert_allclose(VERBS[name](floats.tolist()), expected, atol=1e-3)
