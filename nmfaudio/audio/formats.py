"""Formats of sound files: what a file is, and which format a copy of it can have."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import soundfile as sf

from ..arguments import check_number, check_path, checked
from ..errors import AudioError
from ..suggestions import suggestion
from . import ffmpeg

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
TAGS = ("title", "artist", "album", "tracknumber", "date", "genre", "comment", "copyright", "license", "software")
BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "ALAC_16": 16, "PCM_24": 24, "ALAC_24": 24}
_WIDE = {"PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAC_20", "ALAC_24", "ALAC_32"}
NOMINAL_AT = 48  # where an Ogg Vorbis file says its bit rate
_LARGEST_WAV = 2**32 - 2**16
_SUBTYPE_OF_CODEC = {
    "pcm_u8": "PCM_U8",
    "pcm_s16": "PCM_16",
    "pcm_s24": "PCM_24",
    "pcm_s32": "PCM_32",
    "pcm_f32": "FLOAT",
    "pcm_f64": "DOUBLE",
    "pcm_blu": "PCM_24",
    "pcm_dvd": "PCM_24",
    "wavpack": "FLOAT",  # unless it has bits
}


@dataclass(frozen=True)
class AudioInfo:
    """Header of a sound file.

    Attributes
    ----------
    path : Path
        The file.
    sr : int
        Sampling rate in Hz.
    channels, frames : int
        Channels, and samples in each.
    format, subtype, endian : str
        Container, sample format and byte order by libsndfile's names: "WAV", "PCM_16", "FILE"; or what ffmpeg reads,
        by suffix and codec: "MP4", "aac".
    tags : dict of str to str
        Title, artist and the like, where the file has them.
    picture : bool
        True for a video.
    bits : int
        Bits of a sample, where ffmpeg reads a lossless codec of integers, else 0.
    speakers : tuple of int
        Places of the channels by libsndfile's numbers, where the file gives them.
    bit_rate, quality : number, optional
        Bits a second where the codec is lossy, and how good a copy is to be, from 0 to 1; None for what is usual.
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
    bits: int = 0
    speakers: tuple[int, ...] = ()
    bit_rate: int | None = None
    quality: float | None = None

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.frames / self.sr

    @checked
    def written_to(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        subtype: str | None = None,
        *,
        bit_rate: int | None = None,
        quality: float | None = None,
    ) -> AudioInfo:
        """Choose the format of a copy at `path`: as it is now, unless the suffix or an argument asks for another.

        Samples of more than 16 bits become 24 bits where the new format has no float. WAV over 4 GB becomes RF64.

        Parameters
        ----------
        path : path
            File to write.
        format, subtype : str, optional
            Container and sample format by libsndfile's names, or container and codec by ffmpeg's.
        bit_rate : int, optional
            Bits a second of a lossy format; that of the file by default, if the format is the same.
        quality : float, optional
            Quality of a lossy format of libsndfile instead, from 0 to 1.

        Returns
        -------
        AudioInfo

        Raises
        ------
        AudioError
            If there is no such format or subtype; the message lists those that exist. If the sound is lossless, and
            would become lossy or lose bits though no argument asks for that.
        """
        check_path(path)
        if quality is not None:
            check_number("quality", quality, 0, 1)
        if bit_rate is not None:
            check_number("bit_rate", bit_rate, 500, 10_000_000, unit=" bits a second")
        like = self._copy(path, format, subtype)
        if bit_rate is None and quality is None and like.subtype == self.subtype:
            bit_rate = self.bit_rate
        return replace(like, bit_rate=bit_rate, quality=quality)

    def _copy(self, path: str | os.PathLike[str], format: str | None, subtype: str | None) -> AudioInfo:
        suffix = Path(path).suffix.lower()
        if format is None:
            if suffix not in (*SUFFIXES, "", Path(self.path).suffix.lower()):
                raise AudioError(f"{path}: no sound format is known by the suffix {suffix}: take another, or --format")
            if self.format not in (*sf.available_formats(), *(name.upper() for name in ffmpeg.MUXERS)):
                if suffix not in SUFFIXES:
                    ways = "a name that ends in .flac or .wav, or --format FLAC"
                    raise AudioError(f"{path}: {self.format} cannot be written: give {ways}")
            usual = (suffix[1:],) if suffix[1:] in ffmpeg.MUXERS else FORMATS_OF_SUFFIX.get(suffix, (self.format,))
            format = self.format if self.format in usual else usual[0]
        format = format.upper()
        if format.lower() in ffmpeg.MUXERS:
            if subtype and not ffmpeg.can_encode(subtype.lower()):
                raise AudioError(f"no subtype {subtype!r} for {format}: choose a codec that `ffmpeg -encoders` lists")
            codec = subtype.lower() if subtype else self.subtype if format == self.format else ""
            if codec and not ffmpeg.can_encode(codec) and ffmpeg.installed():
                lossy = ffmpeg.usual_codec(format.lower())
                other = f", or --subtype {lossy}" if codec not in ffmpeg.LOSSLESS and ffmpeg.can_encode(lossy) else ""
                raise AudioError(f"{path}: {codec} cannot be written: give a name that ends in .flac or .wav{other}")
            return replace(
                self, format=format, subtype=codec, endian="FILE", bits=self.bits or BITS.get(self.subtype, 0)
            )
        if format not in sf.available_formats():
            names = [*sf.available_formats(), *(name.upper() for name in ffmpeg.MUXERS)]
            choice = ", ".join(names) + suggestion(format, names)
            raise AudioError(f"no sound format {format!r}: choose one of {choice}")
        if subtype is not None and subtype.upper() not in sf.available_subtypes(format):
            names = list(sf.available_subtypes(format))
            choice = ", ".join(names) + suggestion(subtype, names)
            raise AudioError(f"no subtype {subtype.upper()!r} in {format}: choose one of {choice}")
        now = _SUBTYPE_OF_CODEC.get(self.subtype[:7], self.subtype)
        if format == self.format == "OGG" and not (subtype or sf.check_format("OGG", now)):
            raise AudioError(
                f"{path}: {now} in OGG cannot be written: give a name that ends in .flac, or --subtype VORBIS"
            )
        if self.bits:
            now = "PCM_24" if self.bits > 16 else "PCM_16"
        if now.startswith("MPEG"):  # layers I and II cannot be written, nor III in other containers
            now = "MPEG_LAYER_III" if format == "MP3" else "PCM_16"
        wishes = [subtype.upper()] if subtype else ["OPUS"] if suffix == ".opus" else []
        wishes += [now, *(["PCM_24"] if now in _WIDE else []), sf.default_subtype(format)]
        subtype = next(wish for wish in wishes if sf.check_format(format, wish))
        if format in ("WAV", "WAVEX") and self.frames * self.channels * _bytes_of(subtype) > _LARGEST_WAV:
            format = "RF64"
        endian = self.endian if (format, subtype) == (self.format, self.subtype) else "FILE"
        return replace(self, format=format, subtype=subtype, endian=endian)


def format_of(*names: str) -> str:
    """Find the first of these suffixes or names that sound can be written in."""
    for name in names:
        if name.lower() in ffmpeg.MUXERS:
            return name.upper()
        if f".{name.lower()}" in FORMATS_OF_SUFFIX:
            return str(FORMATS_OF_SUFFIX[f".{name.lower()}"][0])
    return names[-1].upper() if names else "WAV"


def _bytes_of(subtype: str) -> int:
    return {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}.get(subtype, 1)
