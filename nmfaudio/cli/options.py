"""Options that several commands have, and conversions of their values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from ..denoising.presets import PRESETS


def add_denoising(parser: argparse.ArgumentParser) -> None:
    """Add the options of the denoiser; see `settle` and `denoiser_options`."""
    add = parser.add_argument_group("sound").add_argument
    add("--preset", choices=PRESETS, metavar="NAME", help=f"for a purpose: {', '.join(PRESETS)}")
    add("-d", "--dictionary", metavar="NAME", help="trained dictionary, by name or path (default: speech)")
    add(
        "--causal",
        dest="dictionary",
        action="store_const",
        const="speech-causal",
        help="use past samples only: -d speech-causal",
    )
    add("--noise", type=noise, metavar="WHAT", help="the noise alone: a file, or START-END of INPUT")
    ways = ("linked", "independent")
    add("--channels", choices=ways, metavar="HOW", help="gain: linked or independent (default: linked)")
    add_strength(add)
    add_keep_tones(add)
    add("--start", type=seconds, metavar="TIME", help="begin at TIME: seconds or [h:]m:ss")
    add("--end", type=seconds, metavar="TIME", help="end before TIME")


def add_strength(add: Callable[..., Any]) -> None:
    """Add how much noise is removed."""
    add(
        "--attenuation-limit",
        dest="attenuation_limit_db",
        type=decibels,
        metavar="DB",
        help="remove at most DB decibels (default: 40)",
    )
    add("--strength", type=strength, metavar="X", help="below 1 is gentler, above 1 is stronger (default: 1)")


def add_keep_tones(add: Callable[..., Any]) -> None:
    """Add whether steady tones are left."""
    add("--keep-tones", action="store_true", help="keep steady tones, which are else removed as hum")


_MOST = 100_000  # of things that are counted: no machine holds more stems, atoms or processes
_DEFAULTS = {"dictionary": "speech", "channels": "linked", "attenuation_limit_db": None, "strength": 1.0}


def settle(args: argparse.Namespace) -> None:
    """Fill in the options of the denoiser that were not given: from the preset, or by default."""
    preset = PRESETS[args.preset].options if args.preset else {}
    for name, value in {**_DEFAULTS, **preset}.items():
        if getattr(args, name, None) is None:
            setattr(args, name, value)


def denoiser_options(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `nmfaudio.Denoiser` that `add_denoising` has asked for."""
    return {name: getattr(args, name) for name in (*_DEFAULTS, "noise", "keep_tones")}


def add_formats(add: Callable[..., Any]) -> None:
    """Add the format of what is written; see `format_options`."""
    add("--format", metavar="NAME", help="container: WAV, FLAC, OGG, MP3, AIFF, CAF, W64, ...")
    add("--subtype", metavar="NAME", help="sample format: PCM_16, PCM_24, FLOAT, OPUS, ...")
    add("--bitrate", type=bit_rate, metavar="RATE", help="bit rate, as 128k (default: the input's)")
    add("--quality", type=quality, metavar="X", help="quality of MP3, Vorbis, Opus: 0 to 1 (best)")


def format_options(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `nmfaudio.denoise_file` that `add_formats` has asked for."""
    return {"format": args.format, "subtype": args.subtype, "bit_rate": args.bitrate, "quality": args.quality}


def add_workers(parser: Any) -> None:
    """Add where work is done; see `nmfaudio.compute.processes`."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-j", "--jobs", type=count, default=1, metavar="N", help="work in N processes")
    where.add_argument("--scheduler", metavar="ADDRESS", help="work on a Dask cluster: tcp://host:8786")


def absolute(path: Any) -> Any:
    """Full path of a file, for workers that were started in another folder; what names no file stays as it is."""
    return os.path.abspath(path) if isinstance(path, (str, os.PathLike)) and os.path.isfile(path) else path


def number(what: str, low: float, high: float) -> Callable[[str], float]:
    """Make a conversion to a number from `low` to `high`.

    Examples
    --------
    >>> number("a share from 0 to 1", 0, 1)("0.5")
    0.5
    """

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return convert


decibels = number("a number of decibels from 0 to 1000", 0, 1000)
strength = number("a strength from 0 to 10", 0, 10)
quality = number("a quality from 0 to 1", 0, 1)
lufs = number("a loudness in LUFS from -70 to 0", -70, 0)
hertz = number("a frequency in Hz", 0, 1e9)


def bit_rate(text: str) -> int:
    """Convert to bits a second.

    Examples
    --------
    >>> bit_rate("128k"), bit_rate("96000")
    (128000, 96000)
    """
    digits = text[:-1] if text[-1:] in ("k", "K") else text
    rate = int(digits) * (1000 if digits != text else 1) if digits.isdecimal() else 0
    if not 500 <= rate <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bits a second, as 128k or 128000")
    return rate


def count(text: str) -> int:
    """Convert to a number of things."""
    if not text.isdecimal() or not 0 < int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST}")
    return int(text)


def seed(text: str) -> int:
    """Convert to a seed of random numbers."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed: give a whole number from 0 up")
    return int(text)


def seconds(text: str) -> float:
    """Convert a time: seconds, m:ss or h:mm:ss, each with decimals or without.

    Examples
    --------
    >>> seconds("90.5"), seconds("1:30.5"), seconds("1:00:00")
    (90.5, 90.5, 3600.0)
    """
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    inside = all(0 <= part < float("inf") for part in parts) and all(part < 60 for part in parts[1:])
    if not (inside and 1 <= len(parts) <= 3):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: give seconds, m:ss or h:mm:ss")
    return sum(part * 60**i for i, part in enumerate(reversed(parts)))


def span(text: str) -> tuple[float, float]:
    """Convert START-END to two times in seconds.

    Examples
    --------
    >>> span("0.5-1:00")
    (0.5, 60.0)
    """
    start, _, end = text.partition("-")
    try:
        part = seconds(start), seconds(end)
    except argparse.ArgumentTypeError:
        part = float("nan"), float("nan")
    if not part[0] < part[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is not START-END: give seconds, m:ss or h:mm:ss, as in 1.5-1.52")
    return part


def noise(text: str) -> str | tuple[float, float]:
    """Convert to the name of a file, or to a part of the input in seconds."""
    try:
        return span(text)
    except argparse.ArgumentTypeError:
        if not text[:1].isdigit() or os.path.exists(text):
            return text
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a file nor a part of a recording: START-END, each seconds or m:ss"
        ) from None


def is_page(path: str | os.PathLike[str]) -> bool:
    """Tell whether a report's name asks for a page."""
    return os.fspath(path).lower().endswith((".html", ".htm"))
