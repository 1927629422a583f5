"""Separation of the drums of a song into kick, snare and cymbals."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...arguments import checked
from ...dictionary import DictionaryLike
from ...errors import DictionaryError
from ...spectra.aligned import Kept
from .separator import SongSeparator

_DRUMS = "drums"


class DrumSeparator:
    """Separate a song, and then its drums.

    Parameters
    ----------
    songs : str, path or Dictionary
        Of kind "songs", with a source "drums".
    drums : str, path or Dictionary
        Of kind "songs" too, with the sources of a drum stem.

    Raises
    ------
    DictionaryError
        If a dictionary is of another kind or broken, `songs` has no source "drums", or both have one of the same name.

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
        self._songs, self._drums = SongSeparator(songs), SongSeparator(drums, spatial=False)
        self._others = [name for name in self._songs.names if name != _DRUMS]
        self.names = [*self._drums.names, *self._others]
        whole, parts = self._songs.dictionary.name, self._drums.dictionary.name
        if _DRUMS not in self._songs.names:
            raise DictionaryError(
                f"dictionary {whole!r}: has {', '.join(self._songs.names)}, and no drums to separate further: give one "
                "of whole songs, as songs"
            )
        if both := [name for name in self._drums.names if name in self._others]:
            raise DictionaryError(
                f"dictionary {parts!r}: has {', '.join(both)}, as {whole!r} has: give one of the parts of drums, as "
                "drums"
            )

    def process_blocks(self, blocks: Iterable[ArrayLike], sr: float) -> Iterator[dict[str, NDArray[np.floating]]]:
        """Yield the stems of a song in blocks (channels, samples), in constant memory."""
        stacked = Kept(
            np.stack([stems[name] for name in (_DRUMS, *self._others)])
            for stems in self._songs.process_blocks(blocks, sr)
        )
        for parts in self._drums.process_blocks((block[0] for block in stacked), sr):
            others = stacked.take(next(iter(parts.values())).shape[-1])[1:]
            yield parts | dict(zip(self._others, others, strict=True))
