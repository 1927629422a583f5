"""From estimates of speech and noise to a mask, and from the mask to a gain."""

from dataclasses import dataclass

import numpy as np

from ..errors import NmfaudioError

_TINY = np.float32(1e-20)


def power_mask(S: np.ndarray, N: np.ndarray, power: float = 1.0) -> np.ndarray:
    """Share of speech in each bin, ``S^p / (S^p + N^p)``; 0 where nothing is estimated.

    With magnitudes and p = 2 the Wiener filter (Fevotte, Bertin and Durrieu 2009, eq. 30).

    Parameters
    ----------
    S, N : ndarray, shape (F, N)
        Non-negative estimates of speech and noise, on one scale.
    power : float
        Above 1 the mask decides more sharply.

    Returns
    -------
    ndarray, shape (F, N)
        Between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> power_mask(np.array([[3.0, 0.0]]), np.array([[1.0, 0.0]]), power=2)
    array([[0.9, 0. ]])
    """
    ratio = S / np.maximum(S + N, _TINY)
    if power == 1.0:
        return ratio
    speech, noise = ratio**power, (1 - ratio) ** power
    return speech / (speech + noise)


@dataclass(frozen=True)
class GainRule:
    """From the share of speech in a bin to the gain that a user asked for.

    Parameters
    ----------
    mask_power : float
        See :func:`power_mask`.
    strength : float
        Factor on the attenuation in decibels.
    attenuation_limit_db : float
        No bin is lowered by more than this.
    """

    mask_power: float = 1.0
    strength: float = 1.0
    attenuation_limit_db: float = 40.0

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not self.attenuation_limit_db >= 0:
            raise NmfaudioError(f"attenuation limit {self.attenuation_limit_db} dB: choose 0 (no change) or more")
        if not 0 <= self.strength <= 10:
            raise NmfaudioError(f"strength {self.strength}: choose 0 (no change) to 10; 1 is the trained strength")

    @property
    def changes_nothing(self) -> bool:
        """Whether the output is the input."""
        return self.strength == 0 or self.attenuation_limit_db == 0

    def __call__(self, mask: np.ndarray) -> np.ndarray:
        """Gain of each bin from the share of speech in it, any shape."""
        gain = mask if self.strength == 1 else mask ** np.float32(self.strength)
        return np.maximum(gain, np.float32(10 ** (-self.attenuation_limit_db / 20)))
