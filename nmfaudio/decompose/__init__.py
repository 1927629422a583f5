"""How a dictionary explains a spectrogram: V -> what speech atoms explain, what noise atoms explain."""

from typing import Protocol

import numpy as np

from ..dictionary import Dictionary


class Decomposition(Protocol):
    """Estimates of speech and noise; frame `t` depends on frames ``t - past_frames .. t + future_frames`` alone."""

    past_frames: int
    future_frames: int

    def __call__(self, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimates S, N of shape (F, N) for a compressed magnitude V."""
        ...


def decomposition_for(dictionary: Dictionary) -> Decomposition:
    """Decomposition that fits the kind of a dictionary."""
    if dictionary.kind == "unfolded":
        from .unfolded import UnfoldedDecomposition

        return UnfoldedDecomposition(dictionary)
    from .sparse import SparseDecomposition

    return SparseDecomposition(dictionary)
