"""Read sound files block by block, by libsndfile or by ffmpeg."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from ..errors import AudioError
from . import ffmpeg
from .formats import TAGS, AudioInfo, format_of
from .signal import LOUDEST

_ENDLESS = 2**60  # libsndfile's frames of a file that does not say how many
_LARGEST_BLOCK = 2**24  # samples of all channels


def locate(path: str | os.PathLike[str]) -> Path:
    """Path of a file or folder on this machine, or of one elsewhere that is addressed as ``s3://bucket/file.wav``.

    An address may be any that fsspec knows; it becomes a `upath.UPath`, which is used like a `pathlib.Path`.

    Raises
    ------
    AudioError
        For an address, if universal-pathlib or the package for its kind of place is missing.
    """
    if not (isinstance(path, str) and "://" in path):
        return path if hasattr(path, "open") else Path(path)  # type: ignore[return-value]
    try:
        from upath import UPath

        return UPath(path)  # type: ignore[return-value]
    except (ImportError, ValueError) as error:
        raise AudioError(f"{path}: cannot be reached ({error}): pip install 'nmfaudio[remote]'") from None


def info(path: str | os.PathLike[str]) -> AudioInfo:
    """Read the header of a sound file.

    Raises
    ------
    AudioError
        If the file is missing, empty, or not sound.
    """
    with _opened(locate(path)) as source:
        return source.header if source.header.frames >= 0 else replace(source.header, frames=source.skip(sys.maxsize))


def blocks(
    path: str | os.PathLike[str], block_s: float = 30.0, *, start_s: float | None = None, stop_s: float | None = None
) -> Iterator[NDArray[np.float32]]:
    """Read a sound file block by block, in constant memory.

    Parameters
    ----------
    path
        Sound file of any format that libsndfile knows.
    block_s
        Seconds in a block; the last one may be shorter.
    start_s, stop_s
        Part of the file to read, in seconds.

    Yields
    ------
    y
        Samples, shape (channels, samples), float32; integers scaled so that full scale is 1.

    Raises
    ------
    AudioError
        If the file cannot be read to its end, or a sample is NaN, infinite or absurdly large (above 1e10).
    """
    with _opened(locate(path)) as source:
        header = source.header
        position = 0 if start_s is None else round(start_s * header.sr)
        if position < 0:
            raise AudioError(f"{path}: has nothing before its beginning, as at {start_s:g} s")
        if source.skip(position) < position:
            raise AudioError(f"{path}: is over before {start_s} s")
        stop = header.frames if source.exact else sys.maxsize
        if stop_s is not None:
            stop = round(min(stop, stop_s * header.sr))
        n = max(1, min(int(block_s * header.sr), _LARGEST_BLOCK // header.channels))
        while position < stop and len(block := source.read(min(n, stop - position))):
            yield _checked(np.ascontiguousarray(block.T), header, position)
            position += len(block)
        if position < stop and source.exact:
            raise _damaged(header, position, "the sound ends early")


def read(
    path: str | os.PathLike[str], *, start_s: float | None = None, stop_s: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Read a sound file, or a part of it, in one piece.

    Parameters
    ----------
    path
        Sound file of any format that libsndfile knows.
    start_s, stop_s
        Part of the file to read, in seconds.

    Returns
    -------
    y
        Samples, shape (channels, samples), float32.
    sr
        Sampling rate in Hz.

    Raises
    ------
    AudioError
        As in `blocks`.
    """
    header = info(path)
    parts = list(blocks(path, start_s=start_s, stop_s=stop_s))
    return np.concatenate(parts, axis=1) if parts else np.zeros((header.channels, 0), np.float32), header.sr


def decoded_frames(path: Path) -> int:
    """Read a sound file to its end, whatever its header says, and count the samples of a channel."""
    with _opened(path) as source:
        return sum(iter(lambda: len(source.read(2**16)), 0))


class _Source:
    """Open sound file.

    Attributes
    ----------
    header
        What the file says of itself; frames are -1 where it does not say how many.
    exact
        Whether the sound is damaged if it has fewer frames than that.
    """

    header: AudioInfo
    exact: bool

    def read(self, frames: int) -> NDArray[np.float32]:
        """Give the next samples, shape (frames, channels): fewer, then none, at the end."""
        raise NotImplementedError

    def skip(self, frames: int) -> int:
        """Pass over samples; return how many there were."""
        skipped = 0
        while skipped < frames and (got := len(self.read(min(frames - skipped, 2**16)))):
            skipped += got
        return skipped

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError


class _Libsndfile(_Source):
    def __init__(self, path: Path) -> None:
        self._files = ExitStack()
        place = _name(path) if isinstance(path, Path) else self._files.enter_context(path.open("rb"))
        f = self._files.enter_context(sf.SoundFile(place))
        self.exact = f.frames < _ENDLESS
        if f.format == "MP3":
            self.exact = _mp3_tells_length(path)
            file = self._files.enter_context(path.open("rb"))
            f = self._files.enter_context(_Sequential(file if self.exact else _Endless(file)))
        self._f = f
        tags = {name: value for name in TAGS if (value := getattr(f, name))}
        frames = f.frames if self.exact else -1
        self.header = AudioInfo(path, f.samplerate, f.channels, frames, f.format, f.subtype, f.endian, tags)
        self._position = 0

    def read(self, frames: int) -> NDArray[np.float32]:
        block = np.empty((frames, self.header.channels), np.float32)
        done = 0
        try:  # in small pieces, to know where a damaged file ends
            while done < frames and (got := len(self._f.read(out=block[done : done + 2**12]))):
                done += got
        except sf.LibsndfileError as error:
            raise _damaged(self.header, self._position + done, error.error_string.rstrip(".")) from error
        self._position += done
        return block[:done]

    def skip(self, frames: int) -> int:
        if not frames or not self._f.seekable():
            return super().skip(frames)
        try:
            self._position = self._f.seek(min(frames, self.header.frames))
        except sf.LibsndfileError as error:
            raise _damaged(self.header, 0, error.error_string.rstrip(".")) from error
        return self._position

    def close(self) -> None:
        self._files.close()


class _Ffmpeg(_Source):
    exact = False

    def __init__(self, path: Path, found: ffmpeg.Probe) -> None:
        format = format_of(path.suffix[1:], *found.container.split(","))
        frames = round(found.duration_s * found.sr) or -1
        tags = {name: found.tags[name] for name in TAGS if name in found.tags}
        self.header = AudioInfo(
            path, found.sr, found.channels, frames, format, found.codec, "FILE", tags, found.picture
        )
        self._found = found
        self._decoder: ffmpeg.Decoder | None = None

    def read(self, frames: int) -> NDArray[np.float32]:
        if self._decoder is None:
            self._decoder = ffmpeg.Decoder(self.header.path, self._found)
        return self._decoder.read(frames)

    def close(self) -> None:
        if self._decoder:
            self._decoder.close()


class _Sequential(sf.SoundFile):  # type: ignore[misc]
    """File that is not searched in: soundfile seeks after every read, and seeking in MP3 is heard as clicks."""

    def seekable(self) -> bool:
        return False


class _Endless:
    """File that says it is a thousand times as long, so that libsndfile reads it to its end.

    An MP3 file without a length in its first frame is cut off, or not, where libsndfile guesses its end to be.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._asked_for_length = False

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._asked_for_length = (offset, whence) == (0, os.SEEK_END)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell() * (1000 if self._asked_for_length else 1)

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def write(self, data: bytes) -> int:
        raise OSError("opened for reading")


def _name(path: Path) -> Path | bytes:
    """Name by which soundfile opens a file; it would refuse one that is not Unicode, as old disks have them."""
    return path if os.name == "nt" else os.fsencode(path)


def _mp3_tells_length(path: Path) -> bool:
    """Look for the number of frames in the first frame of an MP3 file, where encoders write it."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # titles and pictures come first, their size in four times seven bits
            file.seek(10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False)))
        head += file.read(2048)
    at = max(head.find(b"Xing"), head.find(b"Info"))
    return at >= 0 and len(head) > at + 7 and bool(head[at + 7] & 1)


@contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    """Open a sound file with libsndfile or, where that cannot read it, with ffmpeg."""
    if path.is_dir():
        raise AudioError(f"{path}: is a folder, not a sound file")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise AudioError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from error
    if empty:
        raise AudioError(f"{path}: is empty (0 bytes)")
    with closing(_source(path)) as source:
        if not 1000 <= source.header.sr <= 1_000_000:
            raise AudioError(
                f"{path}: a sampling rate of {source.header.sr} Hz is none of sound: is the header damaged?"
            )
        yield source


def _source(path: Path) -> _Source:
    reason = "no sound in it"
    if not ffmpeg.suffix_needs_ffmpeg(path):
        try:
            source = _Libsndfile(path)
            if source.exact or source.header.format == "MP3":
                return source
            source.close()
            reason = "its length is missing"
        except TypeError:  # soundfile wants to be told what is in .raw files
            raise AudioError(f"{path}: raw samples without a header: convert it to WAV first") from None
        except sf.LibsndfileError as error:
            reason = error.error_string.rstrip(".") or "it is damaged"
    elif not ffmpeg.installed():
        raise AudioError(f"{path}: needs ffmpeg, which is not installed: install it, or convert the sound to WAV")
    if isinstance(path, Path) and ffmpeg.installed() and (found := ffmpeg.probe(path)):
        return _Ffmpeg(path, found)
    raise AudioError(f"{path}: not a sound file that can be read ({reason}): convert it to WAV or FLAC")


def _damaged(header: AudioInfo, position: int, reason: str) -> AudioError:
    at_s = position / header.sr
    remedy = f": take the part before that (--end {at_s:.2f})" if position else ""
    return AudioError(f"{header.path}: damaged after {at_s:.2f} s of {header.duration_s:.2f} s ({reason}){remedy}")


def _checked(y: NDArray[np.float32], header: AudioInfo, position: int) -> NDArray[np.float32]:
    sound = np.abs(y) <= LOUDEST  # false for NaN
    if not sound.all():
        first = int(np.argmin(sound.all(axis=0)))
        value = y[np.argmin(sound[:, first]), first]
        at_s = (position + first) / header.sr
        raise AudioError(
            f"{header.path}: the sample at {at_s:.3f} s is {value:.3g}: repair the file or take another part of it"
        )
    return y
