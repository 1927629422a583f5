"""Write sound files block by block, in the format of another."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from ..arguments import check_path, checked
from ..errors import AudioError
from ..files import replacing
from . import ffmpeg
from .formats import BITS, NOMINAL_AT, AudioInfo
from .reading import decoded_frames
from .reading import info as info_of
from .speakers import set_speakers

_SCALED = ("FLAC", "OGG", "MP3")  # formats of which libsndfile takes a level of compression
_MOST = 0.99  # of compression: LAME fails at 1
_MP3_RATES = [(32000, (32_000, 320_000)), (16000, (8000, 160_000)), (0, (8000, 64_000))]  # from a sampling rate on
_MP3_TAG = 210  # bytes of a frame that has room for the length of the sound, which must be exact
_DELAY_S = 0.1  # ffmpeg's encoders may lose that much at the ends, and libsndfile nothing


class Writer:
    """Open sound file; see `open_like`.

    Attributes
    ----------
    frames : int
        Samples of each channel so far.
    clips : bool
        Whether samples beyond full scale are clipped: in all formats but float ones.
    clipped : int
        Samples beyond full scale, which were clipped.
    """

    def __init__(self, sink: Callable[[NDArray[np.float32]], object], subtype: str, bits: int) -> None:
        self._sink = sink
        self.clips = not subtype.startswith(("FLOAT", "DOUBLE", "pcm_f")) and (subtype != "wavpack" or bits > 0)
        self._full_scale = 2.0 ** (BITS[subtype] - 1) if subtype in BITS else None
        self.frames = 0
        self.clipped = 0

    def write(self, y: NDArray[np.float32]) -> None:
        """Append samples, shape (channels, samples); `clipped` counts those that were beyond full scale."""
        if self.clips:
            self.clipped += int(np.count_nonzero(np.abs(y) > 1))
            y = np.clip(y, -1, 1)
        if self._full_scale:  # libsndfile cuts fractions off, which adds noise and DC
            y = np.rint(y * np.float32(self._full_scale)) / np.float32(self._full_scale)
        self._sink(y.T)
        self.frames += y.shape[1]


@checked
@contextmanager
def open_like(path: str | os.PathLike[str], info: AudioInfo, *, overwrite: bool = True) -> Iterator[Writer]:
    """Write a sound file of the same format, rate, channels and tags as another.

    The file appears whole or not at all: it is read back before it takes its place. Sample formats of limited range
    clip at full scale, float ones do not.

    Parameters
    ----------
    path : path
        File to write.
    info : AudioInfo
        What to write: see `AudioInfo.written_to` for formats of choice.
    overwrite : bool
        Replace a file that exists.

    Yields
    ------
    out : Writer

    Raises
    ------
    AudioError
        If the file exists and is not to be replaced, or cannot be written.

    Examples
    --------
    >>> import nmfaudio.audio as audio
    >>> def halve(source, target):
    ...     with audio.open_like(target, audio.info(source)) as out:
    ...         for block in audio.blocks(source):
    ...             out.write(0.5 * block)
    """
    check_path(path)
    with replacing(path, overwrite=overwrite, kind=AudioError) as temporary:
        try:
            with (_encoder if info.format.lower() in ffmpeg.MUXERS else _soundfile)(temporary, info) as sink:
                writer = Writer(sink, info.subtype, info.bits)
                yield writer
            _check_written(temporary, info, writer.frames)
        except sf.LibsndfileError as error:
            raise AudioError(
                f"{path}: cannot be written as {info.format} {info.subtype} of {info.channels} channels "
                f"at {info.sr} Hz ({error.error_string}): choose another format or place"
            ) from error
        except AudioError as error:
            raise AudioError(str(error).replace(str(temporary), str(path))) from error


@contextmanager
def _encoder(path: Path, info: AudioInfo) -> Iterator[Callable[[NDArray[np.float32]], object]]:
    if not ffmpeg.installed():
        raise AudioError(f"{path}: {info.format} needs ffmpeg, which is not installed: install it, or write WAV")
    if info.quality is not None:
        raise AudioError(f"{path}: {info.format} has no scale of quality: give a bit rate")
    place, codec = (path, info.format.lower()), info.subtype
    with ffmpeg.Encoder(
        *place, codec, info.sr, info.channels, info.tags, info.path, info.bit_rate, info.bits
    ) as encoder:
        yield encoder.write


@contextmanager
def _soundfile(path: Path, info: AudioInfo) -> Iterator[Callable[[NDArray[np.float32]], object]]:
    if info.quality is not None and info.format not in _SCALED:  # soundfile would fail with the file half opened
        raise AudioError(f"{path}: {info.format} has no scale of quality: choose FLAC, OGG or MP3, or leave it out")
    with _Disk(path, "r+") as disk:
        kind = info.sr, info.channels, info.subtype, info.endian, info.format
        with sf.SoundFile(disk, "w", *kind, **_compression(info)) as f:
            set_speakers(f, info.speakers)
            for name, value in info.tags.items():
                with suppress(sf.LibsndfileError):  # some formats have no place for tags
                    setattr(f, name, value)

            def write(y: NDArray[np.float32]) -> None:
                f.write(y)
                disk.check()

            yield write
        disk.check()


def _compression(info: AudioInfo) -> dict[str, Any]:
    """Choose libsndfile's level of compression, from 0 to 1, for a quality or a bit rate."""
    if info.quality is not None:
        return {"compression_level": min(1 - info.quality, _MOST)}
    if info.bit_rate is None:
        return {}
    if info.subtype == "VORBIS":
        return {"compression_level": _vorbis_level(info)}
    if info.subtype == "OPUS":
        low, high = 6000 * info.channels, 256_000 * info.channels
    elif info.subtype == "MPEG_LAYER_III":
        low, high = next(span for least, span in _MP3_RATES if info.sr >= least)
    else:
        return {}
    level = {"compression_level": float(np.clip((high - info.bit_rate) / (high - low), 0, _MOST))}
    if info.subtype == "OPUS":
        return level
    frame_bytes = (144 if info.sr >= 32000 else 72) * info.bit_rate / info.sr
    return {**level, "bitrate_mode": "CONSTANT" if frame_bytes > _MP3_TAG else "AVERAGE"}


def _vorbis_level(info: AudioInfo) -> float:
    """Find the level at which Vorbis means to have a bit rate; its encoder says so in its header alone."""
    low, high = 0.0, 1.0
    for _ in range(8):
        level = (low + high) / 2
        header = io.BytesIO()
        with sf.SoundFile(header, "w", info.sr, info.channels, "VORBIS", None, "OGG", compression_level=level) as f:
            f.write(np.zeros((1, info.channels), np.float32))
        nominal = int.from_bytes(header.getvalue()[NOMINAL_AT : NOMINAL_AT + 4], "little")
        low, high = (level, high) if nominal > (info.bit_rate or 0) else (low, level)
    return high


class _Disk(io.FileIO):
    """File for libsndfile to write to, which says nothing of errors in the last bytes of most formats."""

    _error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of it, or keep the error for `check`: libsndfile would make another of it, or none."""
        done = 0
        try:
            while done < len(data):  # a disk that becomes full takes a part, then nothing
                done += super().write(data[done:]) or 0
        except OSError as error:
            self._error = self._error or error
        return len(data)

    def check(self) -> None:
        """Raise the first error there was."""
        if self._error:
            raise self._error


def _check_written(path: Path, info: AudioInfo, frames: int) -> None:
    """Read a new file back, and refuse it if it is not all there."""
    missing_s = _DELAY_S if info.format.lower() in ffmpeg.MUXERS else 0
    try:
        got = decoded_frames(path) if frames else 0  # not every format can be opened without any sound
    except AudioError as error:
        raise AudioError(f"{path}: cannot be written (what was written cannot be read back: {error})") from error
    if not frames:
        return
    back = info_of(path)
    if (back.sr, back.channels) != (info.sr, info.channels):
        raise AudioError(
            f"{path}: {info.format} {info.subtype} cannot have {info.channels} channels at {info.sr} Hz "
            f"(only {back.channels} at {back.sr} Hz): choose another format"
        )
    if got < frames - missing_s * info.sr:
        read_s, written_s = got / info.sr, frames / info.sr
        raise AudioError(f"{path}: cannot be written ({read_s:.3f} s of {written_s:.3f} s can be read back)")
