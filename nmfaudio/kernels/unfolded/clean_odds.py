"""Raise the odds of speech in one frame of a stream if the seconds before it were clean."""

import numpy as np

from .._jit import jit

_ONE = np.float32(1)
_TINY = np.finfo(np.float32).tiny


@jit
def raise_odds(mask, power, past, at, clean_snr, most_snr):
    """Raise the odds of speech; the equation is that of :class:`nmfaudio.denoising.full_band.FullBandMask`.

    Parameters
    ----------
    mask, power : ndarray, shape (F,), float32
        Share of speech, changed in place, and squared magnitudes.
    past : ndarray, shape (2, n), float32
        Powers of speech and noise in the last n frames; those of this frame are written to column `at`.
    at : int
    clean_snr : float
        Power ratio of speech to noise at which the odds double.
    most_snr : float
        Largest power ratio that counts.
    """
    speech = noise = np.float32(0)
    for f in range(len(mask)):
        speech += mask[f] * power[f]
        noise += (_ONE - mask[f]) * power[f]
    past[0, at], past[1, at] = speech, noise
    all_speech = all_noise = 0.0
    for t in range(past.shape[1]):
        all_speech += np.float64(past[0, t])
        all_noise += np.float64(past[1, t])
    snr = all_speech / max(all_noise, all_speech / most_snr, _TINY)
    odds = np.float32(1 + (snr / clean_snr) ** 2)
    for f in range(len(mask)):
        mask[f] = odds * mask[f] / (odds * mask[f] + _ONE - mask[f])
