"""How a dictionary explains a spectrogram: V -> what speech atoms explain, what noise atoms explain."""

from typing import Protocol

import numpy as np

from ..dictionary import Dictionary
from ..errors import DictionaryError


class Decomposition(Protocol):
    """Estimates of speech and noise, piece by piece as in the whole recording.

    A piece begins at a multiple of `segment_frames`; the estimates of its frames depend on at most `past_frames` (a
    multiple of `segment_frames` too) before it and `future_frames` after it.
    """

    segment_frames: int
    past_frames: int
    future_frames: int

    def __call__(self, V: np.ndarray, frames: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Estimates S, N of shape (F, N) for some frames of a compressed magnitude V, which begin a segment."""
        ...


def decomposition_for(dictionary: Dictionary, profile: Dictionary | None = None) -> Decomposition:
    """Decomposition that fits the kind of a dictionary, in the light of a noise profile if there is one.

    Raises
    ------
    DictionaryError
        If the dictionary is itself a noise profile, or one of sources to take apart.
    """
    atoms = None if profile is None else profile.arrays["noise"]
    if dictionary.kind == "unfolded":
        from .unfolded.decomposition import UnfoldedDecomposition

        return UnfoldedDecomposition(dictionary, atoms)
    if dictionary.kind == "sparse":
        from .sparse import SparseDecomposition

        return SparseDecomposition(dictionary, profile=atoms)
    if dictionary.kind == "sources":
        raise DictionaryError(f"dictionary {dictionary.name!r} does not denoise: it is for nmfaudio separate")
    raise DictionaryError(f"dictionary {dictionary.name!r} is a noise profile: give it as noise, beside a dictionary")
