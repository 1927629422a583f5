"""Separation of speech from what is behind it: music, ambience, an audience."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import checked
from ..audio.signal import as_blocks
from ..dictionary import DictionaryLike
from ..spectra.aligned import Kept
from .denoiser import Denoiser

_LIMIT_DB = 100.0  # so that nothing of the background is left in the voice


class VoiceSeparator:
    """Separate speech from its background, for :func:`nmfaudio.separate` and :func:`nmfaudio.separate_file`.

    Parameters
    ----------
    dictionary : str, path or Dictionary
        One that denoises.

    Attributes
    ----------
    names : list of str
        "voice" and "background", which add up to the input.

    Examples
    --------
    >>> import numpy as np
    >>> import nmfaudio
    >>> from nmfaudio.denoising.voice import VoiceSeparator
    >>> stems = nmfaudio.separate(np.zeros(8000, np.float32), 16000, VoiceSeparator())
    >>> sorted(stems)
    ['background', 'voice']
    """

    @checked
    def __init__(self, dictionary: DictionaryLike = "speech") -> None:
        self.names = ["voice", "background"]
        self._denoiser = Denoiser(dictionary, attenuation_limit_db=_LIMIT_DB)

    def process_blocks(self, blocks: Iterable[ArrayLike], sr: float) -> Iterator[dict[str, NDArray[np.floating]]]:
        """Yield both stems of a recording in blocks (channels, samples), in constant memory."""
        given = Kept(as_blocks(blocks))
        for voice in self._denoiser.process_blocks(given, sr):
            yield {"voice": voice, "background": given.take(voice.shape[-1]) - voice}
