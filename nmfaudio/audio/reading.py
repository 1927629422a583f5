"""Read sound files block by block, by libsndfile or by ffmpeg."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from ..arguments import check_number, checked
from ..errors import AudioError
from ..files import is_device
from . import ffmpeg
from .containers import find_pieces
from .films import fault_of
from .formats import NOMINAL_AT, TAGS, AudioInfo, format_of
from .pieces import Piece, Window
from .signal import LOUDEST
from .speakers import speakers_of

_ENDLESS = 2**60  # libsndfile's frames of a file that does not say how many
_LARGEST_BLOCK = 2**24  # samples of all channels
_FRAMES = {"aac", "ac3", "eac3"}  # of these a file may be nothing else, and does not say its bit rate
_TOLERANCE_S = 0.25  # by which ffmpeg's decoders may give less than a film says


@checked
def locate(path: str | os.PathLike[str]) -> Path:
    """Make a path of a name, or of an address as ``s3://bucket/file.wav``.

    Parameters
    ----------
    path : path
        File or folder on this machine, or an address that fsspec knows.

    Returns
    -------
    Path
        For an address, a `upath.UPath`, which is used like a `pathlib.Path`.

    Raises
    ------
    AudioError
        For an address, if universal-pathlib or the package for its kind of place is missing.

    Examples
    --------
    >>> from nmfaudio import audio
    >>> audio.locate("tapes/talk.wav").name
    'talk.wav'
    """
    if not (isinstance(path, (str, os.PathLike)) or hasattr(path, "open")):
        raise AudioError(f"{path!r}: give the name of a file or folder, as a string or a path")
    if not (isinstance(path, str) and "://" in path):
        return path if hasattr(path, "open") else Path(path)  # type: ignore[return-value]
    try:
        from upath import UPath
    except ImportError:
        raise AudioError(f"{path}: is an address: pip install 'nmfaudio[remote]', or fetch the file first") from None
    try:
        location = UPath(path)
        _ = location.fs  # loads the package for its kind of place
        return location  # type: ignore[return-value]
    except (ImportError, ValueError) as error:
        raise AudioError(
            f"{path}: cannot be reached ({error}): install what is missing, or fetch the file first"
        ) from None


@checked
def info(path: str | os.PathLike[str]) -> AudioInfo:
    """Read the header of a sound file.

    Parameters
    ----------
    path : path
        Sound file, or an address: see `locate`.

    Returns
    -------
    AudioInfo

    Raises
    ------
    AudioError
        If the file is missing, empty, or not sound.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile as sf
    >>> from nmfaudio import audio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sf.write(f"{folder}/tape.wav", np.zeros((16000, 2)), 16000)
    ...     header = audio.info(f"{folder}/tape.wav")
    >>> header.sr, header.channels, header.duration_s, header.subtype
    (16000, 2, 1.0, 'PCM_16')
    """
    with _opened(locate(path)) as source:
        if source.header.frames >= 0:
            return source.header
        frames = source.skip(sys.maxsize)
        header = replace(source.header, frames=frames)
        if header.picture or header.subtype not in _FRAMES or not frames:
            return header
        return replace(header, bit_rate=round(8 * header.path.stat().st_size / header.duration_s))


@checked
def blocks(
    path: str | os.PathLike[str], block_s: float = 2.0, *, start_s: float | None = None, stop_s: float | None = None
) -> Generator[NDArray[np.float32], None, None]:
    """Read a sound file block by block, in constant memory.

    Parameters
    ----------
    path : path
        Sound file of any format that libsndfile or, if it is installed, ffmpeg reads.
    block_s : float
        Seconds in a block; the last one may be shorter.
    start_s, stop_s : float, optional
        Part of the file to read, in seconds.

    Yields
    ------
    y : ndarray of float32, shape (channels, samples)
        Samples; integers are scaled so that full scale is 1.

    Raises
    ------
    AudioError
        If the file cannot be read to its end, or a sample is NaN, infinite or absurdly large (above 1e10).

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile as sf
    >>> from nmfaudio import audio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sf.write(f"{folder}/tape.wav", np.zeros((16000, 2)), 16000)
    ...     [y.shape for y in audio.blocks(f"{folder}/tape.wav", 0.4)]
    [(2, 6400), (2, 6400), (2, 3200)]
    """
    check_number("block_s", block_s, 0)
    with _opened(locate(path)) as source:
        header = source.header
        position = 0 if start_s is None else round(start_s * header.sr)
        if position < 0:
            raise AudioError(f"{path}: has nothing before its beginning, as at {start_s:g} s")
        if source.skip(position) < position:
            raise AudioError(f"{path}: is over before {start_s} s")
        if source.fault and (stop_s is None or stop_s > source.breaks_s + 1e-6):  # or rounding would break the advice
            raise _damaged(header, source.breaks_s, source.fault)
        stop = header.frames if source.exact else sys.maxsize
        if stop_s is not None:
            stop = round(min(stop, stop_s * header.sr))
        n = max(1, min(int(block_s * header.sr), _LARGEST_BLOCK // header.channels))
        while position < stop and len(block := source.read(min(n, stop - position))):
            yield _checked(np.ascontiguousarray(block.T), header, position)
            position += len(block)
        if position < stop and source.exact:
            raise _damaged(header, position / header.sr, "the sound ends early")


@checked
def read(
    path: str | os.PathLike[str], *, start_s: float | None = None, stop_s: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Read a sound file, or a part of it, in one piece.

    Parameters
    ----------
    path : path
        Sound file of any format that libsndfile or, if it is installed, ffmpeg reads.
    start_s, stop_s : float, optional
        Part of the file to read, in seconds.

    Returns
    -------
    y : ndarray of float32, shape (channels, samples)
        Samples; integers are scaled so that full scale is 1.
    sr : int
        Sampling rate in Hz.

    Raises
    ------
    AudioError
        As in `blocks`.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import soundfile as sf
    >>> from nmfaudio import audio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sf.write(f"{folder}/tape.wav", np.zeros((16000, 2)), 16000)
    ...     y, sr = audio.read(f"{folder}/tape.wav", stop_s=0.5)
    >>> y.shape, sr
    ((2, 8000), 16000)
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
    breaks_s, fault
        Until when the sound is whole, and why it breaks off, if that is known.
    mixed
        Whether it breaks off since it goes on with another rate or number of channels.
    """

    header: AudioInfo
    exact: bool
    breaks_s: float = math.inf
    fault: str = ""
    mixed: bool = False

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
        try:
            self._open(path)
        except BaseException:
            self._files.close()
            raise

    def _open(self, path: Path) -> None:
        file = self._files.enter_context(path.open("rb"))
        self._parts: list[sf.SoundFile] = []
        self._next = self._position = frames = 0
        self.exact = True
        before_s = 0.0
        pieces = _pieces_of(path, file)
        for piece in pieces:
            try:
                part = self._files.enter_context(_sound_of(path, file, piece))
            except sf.LibsndfileError as error:
                if not self._parts:
                    raise
                self.breaks_s, self.fault = before_s, error.error_string.rstrip(".")
                break
            if not self._parts:
                shown = part if piece.raw_at is None else self._files.enter_context(_sound_of(path, file, _whole(file)))
                tags = {name: value for name in TAGS if (value := getattr(shown, name))}
                kind = shown.samplerate, shown.channels, 0, shown.format, shown.subtype, shown.endian
                self.header = AudioInfo(path, *kind, tags, speakers=speakers_of(shown))
            elif (part.samplerate, part.channels) != (self.header.sr, self.header.channels):
                self.mixed = True
                self.breaks_s = before_s
                self.fault = f"it goes on with {part.channels} channels at {part.samplerate} Hz"
                break
            self._parts.append(part)
            self.exact &= part.frames < _ENDLESS and not piece.endless
            frames += round(part.frames * piece.claimed)
            guessed = piece.endless or piece.fault
            before_s += piece.duration_s if guessed and piece.duration_s else part.frames / part.samplerate
            if fault := piece.fault or _fault_in_log(part):
                self.breaks_s, self.fault = before_s, fault
                break
        lossy = self.header.subtype in ("VORBIS", "OPUS") or self.header.format == "MP3"
        rate = _bit_rate(file, self.header.subtype, pieces, before_s) if lossy else None
        self.header = replace(self.header, frames=frames if self.exact else -1, bit_rate=rate)

    def read(self, frames: int) -> NDArray[np.float32]:
        block = np.empty((frames, self.header.channels), np.float32)
        done = 0
        try:  # in small pieces, to know where a damaged file ends
            while done < frames and self._next < len(self._parts):
                got = len(self._parts[self._next].read(out=block[done : min(frames, done + 2**12)]))
                done += got
                self._next += not got
        except sf.LibsndfileError as error:
            raise _damaged(
                self.header, (self._position + done) / self.header.sr, error.error_string.rstrip(".")
            ) from error
        self._position += done
        return block[:done]

    def skip(self, frames: int) -> int:
        if not frames or len(self._parts) > 1 or not self._parts[0].seekable():
            return super().skip(frames)
        try:
            self._position = self._parts[0].seek(min(frames, self._parts[0].frames))
        except sf.LibsndfileError as error:
            raise _damaged(self.header, 0, error.error_string.rstrip(".")) from error
        return self._position

    def close(self) -> None:
        self._files.close()


def _bit_rate(file: BinaryIO, subtype: str, pieces: list[Piece], duration_s: float) -> int | None:
    """Bits a second: what Vorbis means to have, and what others have."""
    if subtype == "VORBIS":
        file.seek(NOMINAL_AT)
        return int.from_bytes(file.read(4), "little") % 2**31 or None
    size = sum(piece.n_bytes or piece.stop - piece.start for piece in pieces)
    return round(8 * size / duration_s) if duration_s else None


def _fault_in_log(f: sf.SoundFile) -> str:
    """Look whether libsndfile found a file of a rare format shorter than it says."""
    if f.format not in ("AVR", "MAT4", "MAT5", "MPC2K", "VOC", "WVE"):
        return ""
    claims = [int(frames) for frames in re.findall(r"(?:Frames|Cols) *: *(\d+)", f.extra_info)]
    short = bool(claims) and claims[-1] > f.frames or re.search("truncated|should be", f.extra_info)
    return "the file is shorter than it says" if short else ""


def _pieces_of(path: Path, file: BinaryIO) -> list[Piece]:
    size = file.seek(0, os.SEEK_END)
    found = _pieces(path, size, path.stat().st_mtime_ns) if isinstance(path, Path) else find_pieces(file)
    return found or [_whole(file)]


def _whole(file: BinaryIO) -> Piece:
    return Piece(0, file.seek(0, os.SEEK_END))


@lru_cache(maxsize=16)
def _pieces(path: Path, size: int, changed: int) -> list[Piece]:
    with path.open("rb") as file:
        return find_pieces(file)


def _sound_of(path: Path, file: BinaryIO, piece: Piece) -> sf.SoundFile:
    """Open a piece of a file."""
    if piece.raw_at is not None:
        with _sound_of(path, file, _whole(file)) as f:
            order = f.endian if f.endian != "FILE" else "LITTLE" if f.format.startswith("WAV") else "BIG"
            samples = Window(file, Piece(piece.raw_at, piece.stop))
            return sf.SoundFile(samples, "r", f.samplerate, f.channels, f.subtype, order, "RAW")
    by_name = isinstance(path, Path) and replace(piece, lead=b"", duration_s=None, n_bytes=None) == _whole(file)
    if piece == _whole(file) and path.suffix.lower() == ".mp3":
        by_name = False  # by this name libsndfile asks mpg123, which prints what it thinks of a file without frames
    f = sf.SoundFile(_name(path) if by_name else Window(file, piece))
    if f.format == "MP3" or f.subtype.startswith("DWVW"):
        f.seekable = lambda: False  # soundfile seeks after every read, which clicks in MP3 and fails in DWVW
    return f


class _Ffmpeg(_Source):
    exact = False

    def __init__(self, path: Path, found: ffmpeg.Probe) -> None:
        format = format_of(path.suffix[1:], *found.container.split(","))
        frames = round(found.duration_s * found.sr) or -1
        tags = {name: found.tags[name] for name in TAGS if name in found.tags}
        self.header = AudioInfo(
            path, found.sr, found.channels, frames, format, found.codec, "FILE", tags, found.picture, found.bits
        )
        if not found.bits and found.bit_rate:
            self.header = replace(self.header, bit_rate=int(found.bit_rate))
        self._found = found
        self._decoder: ffmpeg.Decoder | None = None
        self._position = 0
        self._trouble_at: int | None = None
        self._ahead = 2**12 // found.channels + 2**13  # samples that ffmpeg may have decoded but not given yet
        with path.open("rb") as file:
            self._fault = fault_of(file)

    def read(self, frames: int) -> NDArray[np.float32]:
        if self._decoder is None:
            self._decoder = ffmpeg.Decoder(self.header.path, self._found)
        parts = []
        while frames > 0:  # in small pieces, to know where ffmpeg says that there is something wrong
            wanted = min(frames, 2**12)
            parts.append(self._decoder.read(wanted))
            if self._decoder.trouble and self._trouble_at is None:
                self._trouble_at = self._position
            self._position += len(parts[-1])
            self._check(ended=len(parts[-1]) < wanted)
            frames -= wanted if len(parts[-1]) == wanted else frames
        return np.concatenate(parts)

    def _check(self, ended: bool) -> None:
        """Refuse what is damaged, but for a frame that is cut off at either end of a stream of frames."""
        assert self._decoder is not None
        sr, at = self.header.sr, self._trouble_at
        claimed = self._found.claimed_s and self._position < (self._found.claimed_s - _TOLERANCE_S) * sr
        reason = self._decoder.trouble or self._fault or "the sound ends early"
        if at is not None and (at or not self._found.framed) and self._position - at > self._ahead:
            raise _damaged(self.header, at / sr, reason)
        if ended and at is not None and not (self._found.framed and self._position):
            raise _damaged(self.header, at / sr, reason)
        if ended and (claimed or self._fault):
            raise _damaged(self.header, self._position / sr, reason)

    def close(self) -> None:
        if self._decoder:
            self._decoder.close()


def _name(path: Path) -> Path | bytes:
    """Name by which soundfile opens a file; it would refuse one that is not Unicode, as old disks have them."""
    return path if os.name == "nt" else os.fsencode(path)


@contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    """Open a sound file with libsndfile or, where that cannot read it, with ffmpeg."""
    if path.is_dir():
        raise AudioError(f"{path}: is a folder, not a sound file")
    if isinstance(path, Path) and is_device(path):  # which could wait for ever, and sound files need seeking
        raise AudioError(f"{path}: is a pipe or a device: copy it to a file first, or give it to `denoise`")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise AudioError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from error
    if empty:
        raise AudioError(f"{path}: is empty (0 bytes)")
    try:
        with closing(_source(path)) as source:
            if not 1000 <= source.header.sr <= 1_000_000:
                raise AudioError(
                    f"{path}: a sampling rate of {source.header.sr} Hz is none of sound: is the header damaged?"
                )
            yield source
    except OSError as error:  # of a disk that fails, say: else it would be taken for one of what is written meanwhile
        raise AudioError(f"{path}: cannot be read ({error.strerror or error})") from error


def _source(path: Path) -> _Source:
    reason = "no sound in it"
    if not ffmpeg.suffix_needs_ffmpeg(path):
        try:
            source = _Libsndfile(path)
            known = source.exact or source.header.format == "MP3"
            found = ffmpeg.probe(path) if ffmpeg.installed() and (source.mixed or not known) else None
            if known and not found:
                return source
            source.close()
            if found:
                return _Ffmpeg(path, replace(found, duration_s=0.0) if source.mixed else found)
            reason = "its length is missing"
        except TypeError:  # soundfile needs the format of .raw files
            raise AudioError(f"{path}: raw samples without a header: convert it to WAV first") from None
        except sf.LibsndfileError as error:
            reason = error.error_string.rstrip(".") or "it is damaged"
    elif not ffmpeg.installed():
        raise AudioError(f"{path}: needs ffmpeg, which is not installed: install it, or convert the sound to WAV")
    if isinstance(path, Path) and ffmpeg.installed() and (found := ffmpeg.probe(path)):
        return _Ffmpeg(path, found)
    if isinstance(path, Path):
        with path.open("rb") as file:
            reason = fault_of(file) or reason
    raise AudioError(f"{path}: not a sound file that can be read ({reason}): convert it to WAV or FLAC")


def _damaged(header: AudioInfo, at_s: float, reason: str) -> AudioError:
    at_s = math.floor(100 * at_s) / 100  # not rounded: the end has to be before the damage
    part = f"denoise, separate and report take the part before that with --end {at_s:.2f} (in Python stop_s={at_s:.2f})"
    remedy = f": {part}" if at_s else ""
    of = f" of {header.duration_s:.2f} s" if header.duration_s > at_s else ""
    return AudioError(f"{header.path}: damaged after {at_s:.2f} s{of} ({reason}){remedy}")


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
