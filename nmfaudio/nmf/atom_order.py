"""Order of atoms from low to high."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_choice, check_number, checked
from ..errors import NmfaudioError

_LOWEST_PITCH_HZ, _HIGHEST_PITCH_HZ = 60.0, 500.0
_HARMONICS = 15
_DECAY = 0.84


@checked
def atom_order(atoms: ArrayLike, by: str = "centroid", *, bin_hz: float = 31.25) -> NDArray[np.intp]:
    """Sort atoms from low to high: ``atoms[:, order]`` are sorted, and so are their activations ``H[order]``.

    Parameters
    ----------
    atoms : array_like, shape (F, K)
        Atoms as columns.
    by : {"centroid", "pitch"}
        "centroid" is the mean frequency ``sum(f w) / sum(w)``. "pitch" is the fundamental f from 60 to 500 Hz whose
        harmonics are strongest by subharmonic summation, ``sum_n 0.84^(n-1) w(n f)`` (Hermes, "Measurement of pitch by
        subharmonic summation", 1988). An atom of noise has no pitch, and its place says little.
    bin_hz : float
        Hertz from one bin to the next: ``1 / front_end.window_s`` of the dictionary.

    Returns
    -------
    ndarray of int, shape (K,)
        Indices.

    Raises
    ------
    NmfaudioError
        If `atoms` is not a matrix or is empty, or there is no order of that name.

    Examples
    --------
    >>> import numpy as np
    >>> atoms = np.zeros((257, 2))
    >>> atoms[8:80:8, 0] = 1  # harmonics of 250 Hz
    >>> atoms[4:120:4, 1] = 1  # of 125 Hz, and reaching higher
    >>> atom_order(atoms, "centroid"), atom_order(atoms, "pitch")
    (array([0, 1]), array([1, 0]))
    """
    check_choice("by", by, ("centroid", "pitch"))
    check_number("bin_hz", bin_hz, 0.001)
    W = as_atoms(atoms)
    if by == "centroid":
        keys = np.arange(len(W)) @ W / np.maximum(W.sum(axis=0), 1e-12)
    else:
        keys = _pitches_hz(W, bin_hz)
    return np.argsort(keys, kind="stable")


def as_atoms(atoms: ArrayLike) -> NDArray[np.float64]:
    """Convert atoms to a matrix of floats, shape (F, K).

    Raises
    ------
    NmfaudioError
        If they are not a matrix, or there are none.
    """
    W = np.asarray(atoms, np.float64)
    if W.ndim != 2 or W.size == 0:
        raise NmfaudioError(f"atoms are the columns of a matrix (F, K), not an array of shape {W.shape}")
    return W


def _pitches_hz(W: NDArray[np.float64], bin_hz: float) -> NDArray[np.float64]:
    candidates = np.geomspace(_LOWEST_PITCH_HZ, _HIGHEST_PITCH_HZ, 200)
    salience = np.zeros((len(candidates), W.shape[1]))
    for n in range(1, _HARMONICS + 1):
        bins = n * candidates / bin_hz
        below = np.minimum(bins.astype(int), len(W) - 2)
        part = np.where(bins < len(W) - 1, bins - below, 0)[:, None]
        values = (1 - part) * W[below] + part * W[below + 1]
        salience += np.where(bins[:, None] < len(W) - 1, _DECAY ** (n - 1) * values, 0)
    pitches: NDArray[np.float64] = candidates[salience.argmax(axis=0)]
    return pitches
