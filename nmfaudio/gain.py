"""From estimates of speech and noise to a gain for every bin of the noisy spectrum."""

import numpy as np

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


def limit_attenuation(gain: np.ndarray, strength: float, attenuation_limit_db: float) -> np.ndarray:
    """Attenuation in decibels times `strength`, at most `attenuation_limit_db`."""
    floor = np.float32(10 ** (-attenuation_limit_db / 20))
    if strength != 1.0:
        gain = gain ** np.float32(strength)
    return np.maximum(gain, floor)


def extend_upwards(gain: np.ndarray, n_bins: int) -> np.ndarray:
    """Gain for the bins above the modelled band: the mean over the top quarter of it, frame by frame.

    Consonants raise the whole upper spectrum at once, so that the highest octave that the dictionary knows
    says most about what lies above it.
    """
    top = gain[-(len(gain) // 4) :].mean(axis=0, keepdims=True)
    return np.concatenate([gain, np.repeat(top, n_bins - len(gain), axis=0)])
