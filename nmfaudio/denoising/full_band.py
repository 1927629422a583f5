"""Extend a mask to all bins by statistics over seconds: the odds in clean recordings, and the band above the model."""

from dataclasses import dataclass

import numpy as np

from ..kernels.unfolded.clean_odds import raise_odds
from ..kernels.unfolded.context import means_over, means_over_bins, running_sums

_CLEAN_SNR = np.float32(50)  # 17 dB: from there on the odds rise with the square of the ratio
_MOST_SNR = np.float32(1e4)
_SMOOTH_BINS, _SMOOTH_FRAMES = 17, 3  # half a kilohertz, 50 ms
_BAND = 16  # bins, half a kilohertz
_ABSENT = np.float32(0.05)  # share of speech at the top of the known band below which there is none above it
_LEAST_SHARE = np.float32(1e-3)
_FLOOR = np.float32(0.15)
_REACHED = np.float32(0.5)  # excess over the noise from which on a voice surely reaches a band
_ASSUMED = 6.4  # frames, 0.1 s, with that excess before any speech is known


@dataclass(frozen=True)
class FullBandMask:
    """Mask of the whole spectrum from the mask of the modelled band and the frames around.

    Odds in clean recordings: a weak sound is more likely speech in a clean recording than in a noisy one, and a
    dictionary sees too few frames at once to know which it is. The odds of speech are multiplied by
    ``1 + (r / 50)**2``, where r is the ratio of the speech power to the noise power over the window, by the mask.

    Band above the bins of the model: consonants raise the whole upper spectrum at once, so the highest octave of the
    modelled band shows when there is speech, and the other times show the noise level. With m the mean of the mask over
    its top quarter and ``w = (1 - m)**2``, the noise is ``N = sum(w P) / sum(w)`` over the window. The mask is the
    Wiener filter ``1 - N / P`` with P smoothed; it fades out where nobody speaks. A dictionary that has bands there has
    a mask of its own; the geometric mean of both is closer to the clean recording than either.

    Dull voices: speech that has nothing in a band, by the voice or its recording, must not open the band to the noise.
    With ``p = m**2`` the power exceeds the noise by ``e = sum(p P) / (sum(p) N) - 1`` while somebody speaks, over a
    window and half a kilohertz, and the mask is multiplied by ``min(2 e, 1)**2``. Without a future this window is
    longer, since a short one would take the vowels at the beginning of a sentence for a dull voice.

    Parameters
    ----------
    past, future : int
        Window, in frames before and after the current one.
    n_bins : int
        Number of bins of the model, F.
    past_of_voice : int
        Frames before the current one that tell how far a voice reaches, at least `past`.
    """

    past: int
    future: int
    n_bins: int
    past_of_voice: int

    @classmethod
    def around(cls, looks_ahead: bool, n_bins: int) -> "FullBandMask":
        """Return the mask of the 2.6 s around a frame, or of those before it, and of the voice of the last 7.7 s."""
        return cls(80, 80, n_bins, 80) if looks_ahead else cls(160, 0, n_bins, 480)

    def __call__(self, power: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return the mask of all bins.

        Parameters
        ----------
        power : ndarray, shape (B, N)
            Squared magnitudes of the recording.
        mask : ndarray, shape (F, N) or (B, N)
            Share of speech in the bins of the model, or in all of them; bins above the recording's band are left out.

        Returns
        -------
        ndarray, shape (B, N), float32
        """
        mask = mask[: len(power)]
        modelled, above = power[: len(mask)], power[self.n_bins :]
        speech, noise = (np.sum(share * modelled, axis=0, keepdims=True) for share in (mask, 1 - mask))
        mask = _with_odds(mask, self._mean(speech), self._mean(noise))
        if not len(above):
            return mask
        mask, own = mask[: self.n_bins], mask[self.n_bins :]
        top = _top(mask)
        absent = (1 - top) ** 2
        behind = _SMOOTH_FRAMES // 2 if self.future else _SMOOTH_FRAMES - 1
        smooth = _over_time(_over_bins(above), behind, _SMOOTH_FRAMES - 1 - behind)
        noise = self._mean(absent * above) / (self._mean(absent) + _LEAST_SHARE)
        gain = _gain_above(noise, smooth, top)
        if len(own):
            gain = np.sqrt(gain * own)
        present = top**2
        before = self.past_of_voice
        spoken = _over_time(present * _in_bands(above), before, self.future)
        gain *= _reached(spoken, _over_time(present, before, self.future), noise, before + 1 + self.future)
        return np.concatenate([mask, gain.astype(np.float32)])

    def _mean(self, X: np.ndarray) -> np.ndarray:
        return _over_time(X, self.past, self.future)


class FullBandMaskStream:
    """Twin of a causal `FullBandMask` that takes one frame at a time.

    Parameters
    ----------
    band : FullBandMask
    n_bins : int
        Number of bins of the stream, B.
    """

    def __init__(self, band: FullBandMask, n_bins: int):
        self._n_modelled, n_above = band.n_bins, max(0, n_bins - band.n_bins)
        n_bands = -(-n_above // _BAND)
        self._past = np.zeros((2, band.past + 1), np.float32)  # speech and noise in the modelled band
        self._above = np.zeros((band.past + 1, 1 + n_above), np.float32)  # absence of speech, noise above the band
        self._voice = np.zeros((1 + n_bands, band.past_of_voice + 1), np.float32)  # presence of speech, power then
        self._smooth = np.zeros((_SMOOTH_FRAMES, n_above), np.float32)
        self._count = 0

    def push(self, power: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return the mask, shape (B,), of a frame from its power, shape (B,), and its mask, shape (F,) or (B,)."""
        mask = mask[: len(power)].copy()
        modelled, above = power[: len(mask)], power[self._n_modelled :]
        at = self._count % len(self._above)
        raise_odds(mask, modelled, self._past, at, _CLEAN_SNR, _MOST_SNR)
        if len(above):
            mask, own = mask[: self._n_modelled], mask[self._n_modelled :]
            top = _top(mask)
            row = self._above[at]
            row[0] = (1 - top[0]) ** 2
            row[1:] = row[0] * above
            self._smooth[self._count % _SMOOTH_FRAMES] = _over_bins(above[:, None])[:, 0]
            means = self._above.mean(axis=0)
            noise = means[1:] / (means[0] + _LEAST_SHARE)
            gain = _gain_above(noise, self._smooth.mean(axis=0), top)
            if len(own):
                gain = np.sqrt(gain * own)
            present = top**2
            n_frames = self._voice.shape[1]
            self._voice[:, self._count % n_frames] = np.concatenate([present, present * _in_bands(above)])
            voice = self._voice.mean(axis=1)
            gain *= _reached(voice[1:], voice[0], noise, n_frames)
            mask = np.concatenate([mask, gain.astype(np.float32)])
        self._count += 1
        return mask

    def reset(self) -> None:
        """Forget the past."""
        self._past[:] = 0
        self._above[:] = 0
        self._voice[:] = 0
        self._smooth[:] = 0
        self._count = 0


def _with_odds(mask: np.ndarray, speech: np.ndarray, noise: np.ndarray) -> np.ndarray:
    snr = speech / np.maximum(np.maximum(noise, speech / _MOST_SNR), np.finfo(np.float32).tiny)
    odds = (1 + (snr / _CLEAN_SNR) ** 2).astype(np.float32)
    return odds * mask / (odds * mask + 1 - mask)


def _top(mask: np.ndarray) -> np.ndarray:
    return mask[-(len(mask) // 4) :].mean(axis=0, keepdims=True)


def _over_bins(X: np.ndarray) -> np.ndarray:
    """Means over the bins around each one; the outermost bins go on beyond the edges."""
    n, reach = len(X), _SMOOTH_BINS // 2
    wider = X[np.arange(-reach, n + reach).clip(0, n - 1)]
    mean = np.empty_like(wider)
    means_over_bins(wider, reach, mean)
    return mean[reach : reach + n]


def _over_time(X: np.ndarray, past: int, future: int) -> np.ndarray:
    """Means over the frames around each one; silence goes on beyond the edges."""
    sums = np.empty((len(X), past + 1 + X.shape[1] + future))
    running_sums(X, past, sums)
    mean = np.empty((1, *X.shape), X.dtype)
    means_over(sums, past, np.array([[-past, future]]), mean)
    return mean[0]


def _in_bands(X: np.ndarray) -> np.ndarray:
    """Means over bands of bins, the first axis."""
    first = np.arange(0, len(X), _BAND)
    widths = np.diff(first, append=len(X)).astype(X.dtype)
    means: np.ndarray = (np.add.reduceat(X, first).T / widths).T
    return means


def _gain_above(noise: np.ndarray, smooth: np.ndarray, top: np.ndarray) -> np.ndarray:
    wiener = 1 - noise / np.maximum(np.maximum(smooth, noise), np.finfo(np.float32).tiny)
    return np.maximum(wiener, _FLOOR) * np.minimum(top / _ABSENT, 1)


def _reached(spoken: np.ndarray, present: np.ndarray, noise: np.ndarray, n_frames: int) -> np.ndarray:
    """Degree to which a voice reaches each bin, from 0 to 1.

    By the means of p P in bands and of p over some frames, and by the noise of each bin.
    """
    excess = spoken / np.maximum(_in_bands(noise), np.finfo(np.float32).tiny) - present
    assumed = _ASSUMED / n_frames
    reached = ((excess / _REACHED + assumed) / (present + assumed)).clip(0, 1) ** 2
    return np.repeat(reached, _BAND, axis=0)[: len(noise)]
