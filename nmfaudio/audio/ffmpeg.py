"""Sound of video files and of formats that libsndfile does not know, where the program ffmpeg is installed."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError

# File suffix without its dot: ffmpeg's name for the container.
MUXERS = {
    "aac": "adts",
    "ac3": "ac3",
    "amr": "amr",
    "avi": "avi",
    "flv": "flv",
    "m2ts": "mpegts",
    "m4a": "ipod",
    "m4b": "ipod",
    "m4v": "mp4",
    "mka": "matroska",
    "mkv": "matroska",
    "mov": "mov",
    "mp2": "mp2",
    "mp4": "mp4",
    "mpeg": "mpeg",
    "mpg": "mpeg",
    "mts": "mpegts",
    "ogv": "ogg",
    "ts": "mpegts",
    "tta": "tta",
    "webm": "webm",
    "wma": "asf",
    "wmv": "asf",
    "wv": "wv",
    "3gp": "3gp",
}
PICTURED = {"avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts", "webm", "wmv", "3gp"}
# What a container holds unless something else is asked for.
_CODECS = {
    "adts": "aac",
    "ac3": "ac3",
    "amr": "amr_nb",
    "asf": "wmav2",
    "avi": "mp3",
    "flv": "mp3",
    "ipod": "aac",
    "matroska": "vorbis",
    "mov": "aac",
    "mp2": "mp2",
    "mp4": "aac",
    "mpeg": "mp2",
    "mpegts": "mp2",
    "ogg": "vorbis",
    "tta": "tta",
    "webm": "opus",
    "wv": "wavpack",
    "3gp": "aac",
}
# Samples by which what an encoder writes comes late, in containers that have no room to say so.
_LATE = {"aac": 1024, "ac3": 256, "dts": 512, "eac3": 256, "mp2": 481, "mp3": 1105}
_TIMED = {"3gp", "ipod", "mov", "mp4", "mov,mp4,m4a,3gp,3g2,mj2"}
# Sample formats of encoders that have several, for 16 bits and for more.
_SAMPLES = {"alac": ("s16p", "s32p"), "flac": ("s16", "s32"), "tta": ("s16", "s32"), "wavpack": ("s16p", "s32p")}
LOSSLESS = {*_SAMPLES, "ape", "dst", "mlp", "ralf", "shorten", "tak", "truehd", "wmalossless"}
# Encoders that are not called like their codec.
_ENCODERS = {
    "dts": "dca",
    "mp3": "libmp3lame",
    "opus": "libopus",
    "speex": "libspeex",
    "vorbis": "libvorbis",
    "amr_nb": "libopencore_amrnb",
}
_TRUST = 50  # ffprobe's score of what it takes a file for; noise gets less
_EXACT = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}  # these say of each track how long it is
_FRAMED = {"aac", "ac3", "amr", "dts", "eac3", "flv", "loas", "mp3", "mpeg", "mpegts", "truehd"}
# ffprobe guesses length and bit rate from the first frames of these.
_BARE = {"aac", "ac3", "amr", "caf", "eac3", "mp3"}
# What it says of a place that cannot be written, or not to the end.
_FULL = re.compile("|".join(re.escape(os.strerror(number)) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)))
_WRITING = re.compile(rf"{_FULL.pattern}|{re.escape(os.strerror(errno.EIO))}|Error (writing|muxing)|_write_frame")
_QUIET = ["-v", "error", "-protocol_whitelist", "file,pipe"]
# Real containers: not playlists and the like, which name other files.
_REAL = [
    "-format_whitelist",
    "3gp,aa,aac,ac3,adx,aiff,amr,amrnb,amrwb,ape,asf,asf_o,au,avi,avr,caf,dsf,dts,dtshd,dv,eac3,flac,flv,gsm,gxf,iff,"
    "ircam,loas,m4a,matroska,mlp,mov,mp3,mp4,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nistsphere,nut,oma,ogg,paf,pvf,rm,rso,shn,"
    "sox,spdif,tak,truehd,tta,voc,w64,wav,webm,wsd,wtv,wv,xwma",
]


@dataclass(frozen=True)
class Probe:
    """The first sound track of a file.

    Its duration is 0 where the file does not say, and its bit rate None. One shorter than `claimed_s` is damaged.
    """

    sr: int
    channels: int
    layout: list[str]  # options that keep each channel at its place
    duration_s: float
    claimed_s: float
    delay_s: float
    codec: str
    bit_rate: str | None
    container: str
    picture: bool
    tags: dict[str, str]
    others: tuple[str, ...]  # codecs of the other tracks
    bits: int  # of a sample of a lossless codec of integers, else 0
    framed: bool  # a stream of frames that may be cut anywhere


def suffix_needs_ffmpeg(path: Path) -> bool:
    """Tell whether a file of this name is read and written by ffmpeg, not libsndfile."""
    return path.suffix[1:].lower() in MUXERS


def installed() -> bool:
    """Tell whether ffmpeg and ffprobe are there."""
    return bool(shutil.which("ffmpeg") and shutil.which("ffprobe"))


def can_encode(codec: str) -> bool:
    """Tell whether ffmpeg can write sound in a codec."""
    return _ENCODERS.get(codec, codec) in _known_encoders()


def usual_codec(format: str) -> str:
    """Return the codec that a container (a key of `MUXERS`) has unless another is asked for."""
    return _CODECS[MUXERS[format]]


def probe(path: Path) -> Probe | None:
    """Look for sound in a file; None where ffmpeg finds none."""
    status = path.stat()
    return _probe(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _probe(path: Path, size: int, changed: int) -> Probe | None:
    command = ["ffprobe", *_QUIET, *_REAL, "-of", "json", "-show_streams", "-show_format", f"file:{path}"]
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    try:
        facts = json.loads(answer.stdout)
        container, streams = facts["format"], facts["streams"]
        stream = next(s for s in streams if s["codec_type"] == "audio" and int(s.get("channels", 0)))
        begin_s = float(container.get("start_time", 0))
        bare = container["format_name"] in _BARE
        found = Probe(
            sr=int(stream["sample_rate"]),
            channels=int(stream["channels"]),
            layout=_layout_of(stream),
            duration_s=0.0 if bare else float(stream.get("duration", container.get("duration", 0))),
            claimed_s=_claimed_s(stream) if container["format_name"] in _EXACT else 0.0,
            delay_s=float(stream.get("start_time", begin_s)) - begin_s,
            codec=stream["codec_name"],
            bit_rate=None if bare else stream.get("bit_rate") or stream.get("tags", {}).get("BPS"),
            container=container["format_name"],
            picture=any(s["codec_type"] == "video" and not _is_cover(s) for s in streams),
            tags={name.lower(): value for s in (stream, container) for name, value in s.get("tags", {}).items()},
            framed=container["format_name"] in _FRAMED or stream["codec_name"] == "mp3",
            bits=_bits_of(stream),
            others=tuple({s.get("codec_name", "") for s in streams if s is not stream} - {stream["codec_name"]}),
        )
    except (ValueError, KeyError, StopIteration):
        return None
    return found if int(container.get("probe_score", 0)) >= _TRUST or suffix_needs_ffmpeg(path) else None


class Decoder:
    """The first sound track of a file, as a stream of float samples.

    Parameters
    ----------
    path
        The file.
    found
        What `probe` says of it.

    Attributes
    ----------
    trouble
        What ffmpeg has said of a damage by now.
    """

    def __init__(self, path: Path, found: Probe) -> None:
        self.channels, self._others = found.channels, found.others
        self.trouble: str | None = None
        command = ["ffmpeg", *_QUIET, *_REAL, "-nostdin", "-i", f"file:{path}", "-map", "0:a:0", "-f", "f32le"]
        command += ["-flush_packets", "1"]
        command += ["-ar", str(found.sr), *found.layout, "pipe:1"]
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors, pipesize=2**14
        )

    def read(self, frames: int) -> NDArray[np.float32]:
        """Give the next samples, shape (frames, channels): fewer, then none, at the end."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(4 * self.channels * frames)
        if len(data) < 4 * self.channels * frames and self._process.wait():
            self.trouble = _reason(self._errors, self._process.returncode)
        if self.trouble is None and os.fstat(self._errors.fileno()).st_size:
            whole_lines = _text(self._errors).rpartition("\n")[0].splitlines()
            lines = [line for line in whole_lines if not self._is_of_others(line)]
            self.trouble = _cause(lines) if lines else None
        whole = len(data) // (4 * self.channels)
        return np.frombuffer(data, "<f4", whole * self.channels).reshape(whole, self.channels).astype(np.float32)

    def _is_of_others(self, line: str) -> bool:
        return "non monoton" in line or any(line.startswith(f"[{codec} @") for codec in self._others)

    def close(self) -> None:
        """Stop ffmpeg."""
        with self._process:
            self._process.kill()
        self._errors.close()


class Encoder:
    """A new file in a format of ffmpeg.

    Parameters
    ----------
    path, format, codec
        The file, its container (a key of `MUXERS`) and codec ("" for the container's usual one).
    sr, channels
        Sampling rate in Hz, and channels.
    tags
        Title and the like.
    source
        File whose picture, subtitles, chapters and tags are taken over, where it has them.
    bit_rate, bits
        Bits a second of the sound, and bits of a sample, where the codec leaves it open.

    Raises
    ------
    AudioError
        If ffmpeg stops on an error.
    """

    def __init__(
        self,
        path: Path,
        format: str,
        codec: str,
        sr: int,
        channels: int,
        tags: dict[str, str],
        source: Path,
        bit_rate: int | None = None,
        bits: int = 0,
    ) -> None:
        self.path = path
        muxer = MUXERS[format]
        codec = codec or _CODECS[muxer]
        if format == "webm" and codec == "opus" and sr not in (8000, 12000, 16000, 24000, 48000):
            codec = "vorbis"
        if muxer == "ipod" and codec not in ("aac", "ac3", "alac"):
            muxer = "mp4"
        found = probe(source) if source.is_file() else None
        command = ["ffmpeg", *_QUIET, "-y"]
        if found:
            command += ["-itsoffset", str(found.delay_s)]
        layout = found.layout if found and found.channels == channels else ["-ac", str(channels)]
        command += ["-f", "f32le", "-ar", str(sr), *layout, "-i", "pipe:0"]
        if found:
            same = source.suffix.lower() == f".{format}"
            command += [*_REAL, "-i", f"file:{source}"]
            command += ["-map", "1:v?"] if same or (found.picture and format in PICTURED) else []
            command += ["-map", "0:a"]
            command += ["-map", "1:s?"] if same else []
            command += ["-c:v", "copy", "-c:s", "copy", "-map_metadata", "1", "-map_chapters", "1"]
        for name, value in tags.items():
            command += ["-metadata", f"{name}={value}"]
        command += ["-c:a", _ENCODERS.get(codec, codec), "-strict", "-2"]
        command += ["-b:a", str(bit_rate)] if bit_rate and codec not in LOSSLESS else []
        command += ["-sample_fmt", _SAMPLES[codec][bits > 16]] if bits and codec in _SAMPLES else []
        command += ["-f", muxer, f"file:{path}"]
        late = 0 if muxer in _TIMED else _LATE.get(codec, 0)
        was_late = found is not None and found.container not in _TIMED and found.codec in _LATE
        self._to_drop = late if was_late or (found and found.picture and format in PICTURED) else 0
        self._lead = _lost_by_wma(sr) if codec in ("wmav1", "wmav2") else 0
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self._errors)

    def write(self, y: NDArray[np.float32]) -> None:
        """Append samples, shape (frames, channels)."""
        assert self._process.stdin is not None
        if self._lead:  # the decoder leaves out as much
            y = np.concatenate([np.zeros((self._lead, y.shape[1]), y.dtype), y])
            self._lead = 0
        dropped = min(self._to_drop, len(y))  # before the sound, or it would come later with each copy
        y, self._to_drop = y[dropped:], self._to_drop - dropped
        try:
            self._process.stdin.write(np.ascontiguousarray(y, "<f4").data)
        except BrokenPipeError:
            self._process.wait()
            raise self._failure() from None

    def __enter__(self) -> Encoder:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file; stop ffmpeg if there was an error."""
        try:
            if kind is not None:
                self._process.kill()
            self._process.communicate()
            if kind is None and (self._process.returncode or _WRITING.search(_text(self._errors))):
                raise self._failure()  # it ends with 0 if only the last bytes have no room
        finally:
            self._errors.close()

    def _failure(self) -> AudioError:
        return AudioError(
            f"{self.path}: cannot be written by ffmpeg ({_reason(self._errors, self._process.returncode)})"
        )


def _lost_by_wma(sr: int) -> int:
    """Samples of a frame of Windows Media Audio, of which ffmpeg's decoder leaves out the first."""
    return 512 << sum(sr > limit for limit in (16000, 22050, 48000, 96000))


def _bits_of(stream: dict[str, Any]) -> int:
    samples = stream.get("sample_fmt", "")
    if stream["codec_name"] not in LOSSLESS or samples.startswith("flt"):
        return 0
    return int(stream.get("bits_per_raw_sample", 0)) or (16 if samples.startswith("s16") else 32)


def _layout_of(stream: dict[str, Any]) -> list[str]:
    """Options for the channels of a stream; by their number alone ffmpeg would mix four at the corners to others."""
    layout = stream.get("channel_layout", "unknown")
    return ["-ac", str(stream["channels"])] + ([] if "unknown" in layout else ["-channel_layout", layout])


def _is_cover(stream: dict[str, Any]) -> bool:
    return bool(stream.get("disposition", {}).get("attached_pic"))


@lru_cache(maxsize=1)
def _known_encoders() -> set[str]:
    if not installed():
        return set()
    listing = subprocess.run(["ffmpeg", "-v", "error", "-encoders"], capture_output=True, text=True, check=False).stdout
    return {line.split()[1] for line in listing.splitlines() if line.startswith(" A")}


def _text(errors: IO[bytes]) -> str:
    """Read what ffmpeg has said so far, without moving the place where it goes on writing, which it shares."""
    if sys.platform == "win32":  # which has no such call
        errors.seek(0)
        return errors.read().decode(errors="replace")
    return os.pread(errors.fileno(), os.fstat(errors.fileno()).st_size, 0).decode(errors="replace")


def _reason(errors: IO[bytes], returncode: int) -> str:
    """Give the cause among what ffmpeg says: no room on the disk, or else its first line."""
    text = _text(errors)
    if full := _FULL.search(text):
        return full.group()
    if not text.strip() and returncode < 0:
        return f"it was stopped by {signal.Signals(-returncode).name}"
    return _cause(text.strip().splitlines())


def _cause(lines: list[str]) -> str:
    return re.sub(r"^\[[^]]*\] *", "", lines[0]) if lines else "it did not say why"


def _claimed_s(stream: dict[str, Any]) -> float:
    """Duration of a track by the file; what Matroska calls that is the time of its end."""
    end = stream.get("tags", {}).get("DURATION", "0")
    end_s = sum(float(part) * 60**i for i, part in enumerate(reversed(end.split(":"))))
    return float(stream.get("duration", 0)) or end_s - float(stream.get("start_time", 0))
