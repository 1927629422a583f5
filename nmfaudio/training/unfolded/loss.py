"""Loss of masks on mixtures whose sources are known."""

from dataclasses import dataclass

import numpy as np

from ...spectra.front_end import FrontEnd
from ..data.mixing import Mixture

_NEIGHBOURHOOD = (9, 25)  # bins, frames: 0.3 kHz and 0.4 s


@dataclass(frozen=True)
class Objective:
    """Loss on the compressed masked spectrum, so that quiet speech counts.

    The error of a bin is ``((m + floor)^c |X|^c - t)^2`` with ``t = |S|^c (p cos(phase) + 1 - p)``, for the mask m,
    the mixture X and the speech S in it. It counts relative to the local energy of speech and mixture, so that quiet
    syllables and high bands count too.

    Parameters
    ----------
    compression : float
        c.
    phase_share : float
        p, the share of the error that is measured on complex spectra, and not on magnitudes.
    mel_share : float
        Share of the weight that is spread evenly over mel, and not over hertz.
    floor : float
        Added to the mask.
    levelling : float
        Power of the local energy that errors are divided by.
    """

    compression: float = 0.7
    phase_share: float = 0.3
    mel_share: float = 1.0
    floor: float = 1e-3
    levelling: float = 0.5

    def row_weights(self, front_end: FrontEnd) -> np.ndarray:
        """Weight of the error in each row of V, shape (F,); mean 1 over the bins."""
        width = front_end.rows_width
        density = width / (700 + front_end.rows_hz)
        mean = density[: front_end.n_bins].mean()
        return ((1 - self.mel_share) * width + self.mel_share * density / mean).astype(np.float32)

    def spectra(
        self, mix: Mixture, front_end: FrontEnd, frames: slice | np.ndarray = slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compress and weight some frames of a mixture, and the target that its masked spectrum should meet.

        Parameters
        ----------
        mix : Mixture
        front_end : FrontEnd
        frames : slice or ndarray of int

        Returns
        -------
        mixture, target : ndarray, shape (T, 1, F)
            Of one source, speech. Zero in bands that the mixture does not reach.
        """
        from scipy.ndimage import uniform_filter

        n_high = front_end.n_high_below(mix.top_hz)
        X, S = (np.sqrt(front_end.rows(np.abs(spectrum) ** 2, n_high)) for spectrum in (mix.mixture, mix.speech))
        cross = front_end.rows(np.real(mix.mixture[:, frames] * mix.speech[:, frames].conj()), n_high)
        x, t = X**self.compression, S**self.compression
        power = 0.5 * x**2 + 0.5 * t**2
        mean = power.mean() + 1e-12
        x, t, X, S = x[:, frames], t[:, frames], X[:, frames], S[:, frames]
        cosine = cross / np.maximum(X * S, 1e-20)
        t = t * np.maximum(self.phase_share * cosine + 1 - self.phase_share, 0)
        weight = (uniform_filter(power / mean, _NEIGHBOURHOOD, mode="nearest") + 0.01) ** -self.levelling
        weight *= mean / (np.mean(weight * power) + 1e-12)
        scale = np.sqrt(self.row_weights(front_end)[: len(X), None] * weight[:, frames] / mean)
        missing = ((0, 0), (0, front_end.n_high - n_high))
        return np.pad((x * scale).T, missing)[:, None], np.pad((t * scale).T, missing)[:, None]

    def __call__(self, masks: np.ndarray, mixture: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
        """Compute the mean error of the masks of those sources that have a target, the first ones.

        Parameters
        ----------
        masks : ndarray, shape (S, T, F)
        mixture, target : ndarray, shape (T, at most S, F)
            See :meth:`spectra`.

        Returns
        -------
        loss : float
        gradient : ndarray, shape (S, T, F)
            By the masks.
        """
        gradient, n_targets = np.zeros_like(masks), target.shape[1]
        m = masks[:n_targets] + np.float32(self.floor)
        u = m**self.compression
        mixture = mixture.transpose(1, 0, 2)
        error = u * mixture - target.transpose(1, 0, 2)
        loss = float(np.mean(error**2))
        gradient[:n_targets] = (2 * self.compression / error.size) * error * mixture * u / m
        return loss, gradient
