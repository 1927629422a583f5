"""Turn estimates of speech and noise into a mask, and a mask into a gain."""

from dataclasses import dataclass

import numpy as np

from ..arguments import check_number

_TINY = np.float32(1e-20)


def ratio_mask(S: np.ndarray, N: np.ndarray) -> np.ndarray:
    """Return the share of speech in each bin, ``S / (S + N)``; 0 where both are 0.

    Parameters
    ----------
    S, N : ndarray, shape (F, T)
        Non-negative spectra of speech and noise, on one scale.

    Returns
    -------
    ndarray, shape (F, T)
        Between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> ratio_mask(np.array([[3.0, 0.0]]), np.array([[1.0, 0.0]]))
    array([[0.75, 0.  ]])
    """
    mask: np.ndarray = S / np.maximum(S + N, _TINY)
    return mask


def sharpened(mask: np.ndarray, power: float) -> np.ndarray:
    """Return the mask with the odds of speech raised to a power, ``m^p / (m^p + (1 - m)^p)``.

    Of a ratio mask of magnitudes, p = 2 makes the Wiener filter (Fevotte, Bertin and Durrieu 2009, eq. 30).

    Parameters
    ----------
    mask : ndarray
        Share of speech in each bin, any shape.
    power : float
        Above 1 the mask decides more sharply; 1 leaves it as it is.

    Returns
    -------
    ndarray, shape of mask

    Examples
    --------
    >>> import numpy as np
    >>> sharpened(np.array([0.75, 0.5]), 2)
    array([0.9, 0.5])
    """
    if power == 1.0:
        return mask
    speech, noise = mask**power, (1 - mask) ** power
    return speech / (speech + noise)


@dataclass(frozen=True)
class GainRule:
    """Gain that a user asked for, from the share of speech in a bin.

    Parameters
    ----------
    strength : float
        Factor on the attenuation in decibels, 0 (no change) to 10.
    attenuation_limit_db : float
        No bin is lowered by more than this; 0 changes nothing.

    Raises
    ------
    NmfaudioError
        If a value is out of range or no number.
    """

    strength: float = 1.0
    attenuation_limit_db: float = 40.0

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_number("attenuation_limit_db", self.attenuation_limit_db, 0, 1000, unit=" dB")
        check_number("strength", self.strength, 0, 10)

    @property
    def changes_nothing(self) -> bool:
        """True if the output is the input."""
        return self.strength == 0 or self.attenuation_limit_db == 0

    @property
    def least(self) -> float:
        """Gain of a bin without speech."""
        return 10 ** (-self.attenuation_limit_db / 20) if self.strength else 1.0

    def __call__(self, mask: np.ndarray) -> np.ndarray:
        """Return the gain of each bin from the share of speech in it, any shape."""
        gain = mask if self.strength == 1 else mask ** np.float32(self.strength)
        limited: np.ndarray = np.maximum(gain, np.float32(self.least))
        return limited
