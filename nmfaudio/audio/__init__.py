"""Sound files in and out, block by block, in the format that they came in; arrays of any type to float."""

from __future__ import annotations

import math
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile as sf
from numpy.typing import ArrayLike, NDArray

from ..errors import AudioError
from . import ffmpeg

__all__ = ["AudioInfo", "as_signal", "blocks", "info", "open_like", "read", "replacing", "resample", "to_float"]

# libsndfile's names; where a suffix has several, a file keeps the one it came with, else takes the first.
FORMATS_OF_SUFFIX = {
    **{f".{name.lower()}": (name,) for name in sf.available_formats() if name != "RAW"},
    **dict.fromkeys((".wav", ".wave", ".bwf"), ("WAV", "WAVEX", "RF64")),
    **dict.fromkeys((".aif", ".aifc"), ("AIFF",)),
    **dict.fromkeys((".oga", ".opus"), ("OGG",)),
    **dict.fromkeys((".sph",), ("NIST",)),
    **dict.fromkeys((".snd",), ("AU",)),
}
SUFFIXES = {*FORMATS_OF_SUFFIX, *(f".{name}" for name in ffmpeg.MUXERS)}
_TAGS = ("title", "artist", "album", "tracknumber", "date", "genre", "comment", "copyright", "license", "software")
_WIDE = {"PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAC_20", "ALAC_24", "ALAC_32"}
_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "ALAC_16": 16, "PCM_24": 24, "ALAC_24": 24}
_LARGEST_WAV = 2**32 - 2**16
_SUBTYPE_OF_CODEC = {
    "pcm_u8": "PCM_U8",
    "pcm_s16": "PCM_16",
    "pcm_s24": "PCM_24",
    "pcm_s32": "PCM_32",
    "pcm_f32": "FLOAT",
}
_ENDLESS = 2**60  # libsndfile's frames of a file that does not say how many
_LOUDEST = 1e10  # beyond any scaling that sound comes in; squares of it still fit float32
_LARGEST_BLOCK = 2**24  # samples of all channels


@dataclass(frozen=True)
class AudioInfo:
    """What a sound file's header says.

    Attributes
    ----------
    path
        The file.
    sr
        Sampling rate in Hz.
    channels, frames
        Channels, and samples in each.
    format, subtype, endian
        Container, sample format and byte order by libsndfile's names: "WAV", "PCM_16", "FILE"; or what ffmpeg reads,
        by suffix and codec: "MP4", "aac".
    tags
        Title, artist and the like, where the file has them.
    picture
        Whether it is a video.
    """

    path: Path
    sr: int
    channels: int
    frames: int
    format: str
    subtype: str
    endian: str = "FILE"
    tags: dict[str, str] = field(default_factory=dict)
    picture: bool = False

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.frames / self.sr

    def written_to(
        self, path: str | os.PathLike[str], format: str | None = None, subtype: str | None = None
    ) -> AudioInfo:
        """Choose the format of a copy at `path`: as it is now, unless the suffix or an argument asks for another.

        Samples of more than 16 bits become 24 bits where the new format has no float. WAV over 4 GB becomes RF64.

        Raises
        ------
        AudioError
            If there is no such format or subtype; the message lists those that exist.
        """
        suffix = Path(path).suffix.lower()
        if format is None:
            if suffix not in (*SUFFIXES, "", Path(self.path).suffix.lower()):
                raise AudioError(f"{path}: no sound format is known by the suffix {suffix}: take another, or --format")
            usual = (suffix[1:],) if suffix[1:] in ffmpeg.MUXERS else FORMATS_OF_SUFFIX.get(suffix, (self.format,))
            format = self.format if self.format in usual else usual[0]
        format = format.upper()
        if format.lower() in ffmpeg.MUXERS:
            if subtype and not ffmpeg.can_encode(subtype.lower()):
                raise AudioError(f"no subtype {subtype!r} for {format}: choose a codec that `ffmpeg -encoders` lists")
            codec = subtype.lower() if subtype else self.subtype if format == self.format else ""
            return replace(self, format=format, subtype=codec, endian="FILE")
        if format not in sf.available_formats():
            choice = ", ".join([*sf.available_formats(), *(name.upper() for name in ffmpeg.MUXERS)])
            raise AudioError(f"no sound format {format!r}: choose one of {choice}")
        if subtype is not None and subtype.upper() not in sf.available_subtypes(format):
            choice = ", ".join(sf.available_subtypes(format))
            raise AudioError(f"no subtype {subtype.upper()!r} in {format}: choose one of {choice}")
        now = _SUBTYPE_OF_CODEC.get(self.subtype[:7], self.subtype)
        if now.startswith("MPEG"):  # layers I and II cannot be written, nor III in other containers
            now = "MPEG_LAYER_III" if format == "MP3" else "PCM_16"
        wishes = [subtype.upper()] if subtype else ["OPUS"] if suffix == ".opus" else []
        wishes += [now, *(["PCM_24"] if now in _WIDE else []), sf.default_subtype(format)]
        subtype = next(wish for wish in wishes if sf.check_format(format, wish))
        if format in ("WAV", "WAVEX") and self.frames * self.channels * _bytes_of(subtype) > _LARGEST_WAV:
            format = "RF64"
        endian = self.endian if (format, subtype) == (self.format, self.subtype) else "FILE"
        return replace(self, format=format, subtype=subtype, endian=endian)


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
    with replacing(Path(path)) as temporary:
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
    f = sf.SoundFile(_name(path), "w", info.sr, info.channels, info.subtype, info.endian, info.format)
    for name, value in info.tags.items():
        with suppress(sf.LibsndfileError):  # some formats have no place for tags
            setattr(f, name, value)
    return f


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, beside `path`, and rename it at the end; if anything fails nothing is left behind.

    Raises
    ------
    AudioError
        If the folder is missing or cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(6)}{target.suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise AudioError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):  # the folder is not writable or gone: then there is no file either
            temporary.unlink(missing_ok=True)


def resample(y: NDArray[np.floating], sr_in: int, sr_out: int) -> NDArray[np.floating]:
    """Change the sampling rate of a signal, shape (..., samples), keeping its dtype (by soxr, high quality)."""
    if sr_in == sr_out:
        return y
    import soxr

    channels = soxr.resample(y.reshape(math.prod(y.shape[:-1]), y.shape[-1]).T, sr_in, sr_out)
    return np.ascontiguousarray(channels.T).reshape(*y.shape[:-1], len(channels))


def to_float(y: ArrayLike) -> NDArray[np.floating]:
    """Convert samples of any real type to float, full scale to 1.

    Parameters
    ----------
    y
        Samples, any shape. Floats keep their scale; signed integers are divided by full scale; unsigned ones have
        their zero in the middle, as in 8-bit WAV files.

    Returns
    -------
    y
        float32 where it holds every value exactly, otherwise float64.

    Raises
    ------
    AudioError
        If the values are not real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> to_float(np.array([-32768, 0, 16384], np.int16))
    array([-1. ,  0. ,  0.5], dtype=float32)
    """
    y = np.asarray(y)
    if y.dtype in (np.float32, np.float64):
        return y
    if y.dtype.kind not in "fiu":
        raise AudioError(f"sound is real numbers, not {y.dtype}: convert the array to float first")
    dtype = np.result_type(y.dtype, np.float32)
    if y.dtype.kind == "f":
        return y.astype(dtype, copy=False)
    half = 2.0 ** (8 * y.dtype.itemsize - 1)
    offset = half if y.dtype.kind == "u" else 0.0
    return ((y.astype(np.float64) - offset) / half).astype(dtype)


def as_signal(y: ArrayLike) -> NDArray[np.floating]:
    """Convert an array to a signal of float samples, shape (samples,) or (..., channels, samples).

    Raises
    ------
    AudioError
        If the values are not real numbers, finite and below 1e10, or the axes look swapped.
    """
    y = to_float(y)
    if y.ndim == 0:
        raise AudioError("a signal has shape (samples,) or (channels, samples); a single number was given")
    if y.ndim > 1 and y.shape[-2] > 64 and y.shape[-2] > y.shape[-1]:
        raise AudioError(f"shape {y.shape} looks like (samples, channels): give (channels, samples), as y.T")
    check_sound(y)
    return y


def check_sound(y: NDArray[np.floating]) -> None:
    """Refuse samples, shape (..., samples), that cannot be meant.

    Raises
    ------
    AudioError
        If one is NaN, infinite or beyond 1e10.
    """
    if not (sound := np.abs(y) <= _LOUDEST).all():  # false for NaN
        where = np.argwhere(~sound)[0]
        raise AudioError(f"sample {where[-1]} is {y[tuple(where)]:.3g}: mend the sound first, as by numpy.nan_to_num")


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
        here = isinstance(path, Path)
        f = self._files.enter_context(sf.SoundFile(_name(path) if here else self._files.enter_context(path.open("rb"))))
        self.exact = f.frames < _ENDLESS
        if f.format == "MP3":
            self.exact = _mp3_tells_length(path)
            file = self._files.enter_context(path.open("rb"))
            f = self._files.enter_context(_Sequential(file if self.exact else _Endless(file)))
        self._f = f
        tags = {name: value for name in _TAGS if (value := getattr(f, name))}
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
        format = _format_of(path.suffix[1:], *found.container.split(","))
        frames = round(found.duration_s * found.sr) or -1
        tags = {name: found.tags[name] for name in _TAGS if name in found.tags}
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


class _Sequential(sf.SoundFile):
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


def _format_of(*names: str) -> str:
    """Find the first of these suffixes or names that sound can be written in."""
    for name in names:
        if name.lower() in ffmpeg.MUXERS:
            return name.upper()
        if f".{name.lower()}" in FORMATS_OF_SUFFIX:
            return FORMATS_OF_SUFFIX[f".{name.lower()}"][0]
    return "WAV"


def _damaged(header: AudioInfo, position: int, reason: str) -> AudioError:
    at_s = position / header.sr
    remedy = f": take the part before that (--end {at_s:.2f})" if position else ""
    return AudioError(f"{header.path}: damaged after {at_s:.2f} s of {header.duration_s:.2f} s ({reason}){remedy}")


def _checked(y: NDArray[np.float32], header: AudioInfo, position: int) -> NDArray[np.float32]:
    sound = np.abs(y) <= _LOUDEST  # false for NaN
    if not sound.all():
        first = int(np.argmin(sound.all(axis=0)))
        value = y[np.argmin(sound[:, first]), first]
        at_s = (position + first) / header.sr
        raise AudioError(
            f"{header.path}: the sample at {at_s:.3f} s is {value:.3g}: repair the file or take another part of it"
        )
    return y


def _bytes_of(subtype: str) -> int:
    return {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}.get(subtype, 1)
