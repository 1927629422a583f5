"""Separation of the drums of a song into kick, snare and cymbals."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...arguments import checked
from ...dictionary import Dictionary, DictionaryLike
from ...spectra.aligned import Kept
from ..separator import Separator
from .separator import SongSeparator

_DRUMS = "drums"


class DrumSeparator:
    """Separate a song, and its drums into the sounds of a dictionary of drums.

    Parameters
    ----------
    songs : str, path or Dictionary
        Dictionary of songs, with a source "drums".
    drums : str, path or Dictionary
        Dictionary of the atoms of each drum.

    Attributes
    ----------
    names : list of str
        "kick", "snare", "cymbals" in place of "drums".

    Examples
    --------
    >>> from nmfaudio.separation import DrumSeparator
    >>> DrumSeparator().names
    ['kick', 'snare', 'cymbals', 'vocals', 'bass', 'other']
    """

    @checked
    def __init__(self, songs: DictionaryLike = "songs", drums: DictionaryLike = _DRUMS) -> None:
        self._songs = SongSeparator(songs)
        dictionary = Dictionary.load(drums)
        self._drums = Separator({name: dictionary for name in dictionary.arrays})
        self._others = [name for name in self._songs.names if name != _DRUMS]
        self.names = [*self._drums.names, *self._others]

    def process_blocks(self, blocks: Iterable[ArrayLike], sr: float) -> Iterator[dict[str, NDArray[np.floating]]]:
        """Yield the stems of a song in blocks (channels, samples), in constant memory."""
        stacked = Kept(
            np.stack([stems[name] for name in (_DRUMS, *self._others)])
            for stems in self._songs.process_blocks(blocks, sr)
        )
        for parts in self._drums.process_blocks((block[0] for block in stacked), sr):
            others = stacked.take(next(iter(parts.values())).shape[-1])[1:]
            yield parts | dict(zip(self._others, others, strict=True))
