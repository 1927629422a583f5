"""What the loss of a mask is made of."""

import numpy as np
import pytest

from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.training.data.mixing import Mixture
from nmfaudio.training.unfolded.loss import Objective

FRONT_END = FrontEnd(exponent=0.6)


def scene(n_frames=60):
    """Speech and noise that are loud in the low bins, speech that is quiet in the second half; and a mask."""
    rng = np.random.default_rng(0)
    S, N = (rng.standard_normal((2, 257, n_frames)) + 1j * rng.standard_normal((2, 257, n_frames))) * 2
    tilt = np.geomspace(10, 0.1, 257)[:, None]
    S, N = S * tilt * np.where(np.arange(n_frames) < n_frames // 2, 1, 0.01), 0.1 * N * tilt
    return Mixture((S + N).astype(np.complex64), S.astype(np.complex64), 8000.0), rng.random((1, n_frames, 257))


@pytest.mark.parametrize("mel_share", [0.0, 0.6])
def test_it_is_that_of_the_formula(mel_share):
    mix, mask = scene()
    objective = Objective(0.7, phase_share=0.3, mel_share=mel_share, floor=1e-3, levelling=0.0)
    frames = np.array([3, 20, 41])
    loss, _ = objective(mask[:, frames], *objective.spectra(mix, FRONT_END, frames))
    X, S = mix.mixture.astype(complex), mix.speech.astype(complex)
    x, t = np.abs(X) ** 0.7, np.abs(S) ** 0.7 * (0.3 * np.cos(np.angle(X / S)) + 0.7)
    mel = 1 / (700 + np.arange(257) / 0.032)  # the width of a bin in mel, but for a factor
    weight = (1 - mel_share + mel_share * mel / mel.mean()) / np.mean(0.5 * x**2 + 0.5 * np.abs(S) ** 1.4)
    error = (mask[0].T + 1e-3) ** 0.7 * x - t
    assert loss == pytest.approx(np.mean((weight[:, None] * error**2)[:, frames]), rel=1e-4)


def test_quiet_syllables_and_high_bins_count_more_and_all_together_as_much():
    mix, _ = scene()
    x, t = (np.abs(spectrum).T ** 0.65 for spectrum in (mix.mixture, mix.speech))
    power = 0.5 * x**2 + 0.5 * t**2
    levelled, plain = (
        (Objective(0.65, mel_share=0.0, levelling=levelling).spectra(mix, FRONT_END)[0][:, 0] / x) ** 2
        for levelling in (0.5, 0.0)
    )
    assert np.mean(levelled * power) == pytest.approx(np.mean(plain * power), rel=1e-4)
    more = levelled / plain
    assert more[30:].mean() > 2 * more[:30].mean() and more[:, 200:].mean() > 2 * more[:, :50].mean()
