"""Write sound files block by block, in the format of another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from ..errors import AudioError
from ..files import replacing
from . import ffmpeg
from .formats import AudioInfo
from .reading import sf_name

_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "ALAC_16": 16, "PCM_24": 24, "ALAC_24": 24}


class Writer:
    """Open sound file; see `open_like`."""

    def __init__(self, sink: Callable[[NDArray[np.float32]], object], subtype: str) -> None:
        self._sink = sink
        self._clips = subtype not in ("FLOAT", "DOUBLE")
        self._full_scale = 2.0 ** (_BITS[subtype] - 1) if subtype in _BITS else None
        self.clipped = 0

    def write(self, y: NDArray[np.float32]) -> None:
        """Append samples, shape (channels, samples); `clipped` counts those that were beyond full scale."""
        if self._clips:
            self.clipped += int(np.count_nonzero(np.abs(y) > 1))
            y = np.clip(y, -1, 1)
        if self._full_scale:  # libsndfile cuts fractions off, which adds noise and DC
            y = np.rint(y * np.float32(self._full_scale)) / np.float32(self._full_scale)
        self._sink(y.T)


@contextmanager
def open_like(path: str | os.PathLike[str], info: AudioInfo) -> Iterator[Writer]:
    """Write a sound file of the same format, rate, channels and tags as another.

    The file appears whole or not at all. Sample formats of limited range clip at full scale, float ones do not.

    Parameters
    ----------
    path
        File to write; one that exists is replaced.
    info
        What to write: see `AudioInfo.written_to` for formats of choice.

    Raises
    ------
    AudioError
        If the file cannot be written.

    Examples
    --------
    >>> import nmfaudio.audio as audio
    >>> def halve(source, target):
    ...     with audio.open_like(target, audio.info(source)) as out:
    ...         for block in audio.blocks(source):
    ...             out.write(0.5 * block)
    """
    with replacing(path, AudioError) as temporary:
        try:
            with _writable(temporary, info) as f:
                yield Writer(f.write, info.subtype)
        except sf.LibsndfileError as error:
            raise AudioError(
                f"{path}: cannot be written as {info.format} {info.subtype} of {info.channels} channels "
                f"at {info.sr} Hz ({error.error_string}): choose another format or place"
            ) from error
        except AudioError as error:
            raise AudioError(str(error).replace(str(temporary), str(path))) from error


def _writable(path: Path, info: AudioInfo) -> sf.SoundFile | ffmpeg.Encoder:
    if info.format.lower() in ffmpeg.MUXERS:
        if not ffmpeg.installed():
            raise AudioError(f"{path}: {info.format} needs ffmpeg, which is not installed: install it, or write WAV")
        return ffmpeg.Encoder(path, info.format.lower(), info.subtype, info.sr, info.channels, info.tags, info.path)
    f = sf.SoundFile(sf_name(path), "w", info.sr, info.channels, info.subtype, info.endian, info.format)
    for name, value in info.tags.items():
        with suppress(sf.LibsndfileError):  # some formats have no place for tags
            setattr(f, name, value)
    return f
