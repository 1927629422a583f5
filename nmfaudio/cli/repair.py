"""`nmfaudio repair`: mend gaps, clicks, clipped peaks, holes in the spectrogram and a lost band."""

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import audio
from ..errors import NmfaudioError
from .console import OK, Progress, say, seconds, spare

DESCRIPTION = """Mend what is damaged in a recording, from a model of all the rest of it. Without options it looks for
clipped peaks and dropouts, which can be told for certain; give --clicks for clicks, which a creaky voice has too.
Several options together are done in turn: samples, holes, band."""
FINDERS = {"dropouts": "digital silence amid sound", "clicks": "clicks and crackle", "clipped": "clipped peaks"}
CERTAIN = {"dropouts", "clipped"}


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("repair", description=DESCRIPTION)
    parser.add_argument("input", type=Path, metavar="INPUT", help="sound file")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="sound file to write")
    what = parser.add_argument_group("what to mend")
    for name, summary in FINDERS.items():
        what.add_argument(f"--{name}", action="store_true", help=f"look for {summary}")
    what.add_argument("--gap", type=_gap, action="append", default=[], metavar="START-END", help="samples are lost")
    what.add_argument(
        "--hole",
        type=_hole,
        action="append",
        default=[],
        metavar="START-END@LOW-HIGH",
        help="this part of the spectrogram is lost: times, and frequencies in Hz",
    )
    what.add_argument(
        "--band", type=_cutoff, nargs="?", const=0.0, metavar="HZ", help="speech has lost what is above HZ"
    )
    what.add_argument("-d", "--dictionary", default="speech-sparse", metavar="NAME", help="for --band (%(default)s)")
    files = parser.add_argument_group("files")
    files.add_argument("--format", metavar="NAME", help="container: WAV, FLAC, ...")
    files.add_argument("--subtype", metavar="NAME", help="sample format: PCM_16, PCM_24, FLOAT, ...")
    files.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it exists")
    files.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Mend a file; return the exit code."""
    spare(args.output, args.overwrite)
    header = audio.info(args.input)
    like = header.written_to(args.output, args.format, args.subtype)
    y, sr = audio.read(args.input)
    if not y.size:
        raise NmfaudioError(f"{args.input}: has no sound in it")
    with Progress(str(args.input), not args.quiet) as progress:
        y, sr, done = _mended(y, sr, args, progress)
    room = float(np.abs(y).max())
    if room > 1 and like.subtype not in ("FLOAT", "DOUBLE"):
        y /= room
        done.append(f"lowered by {20 * math.log10(room):.1f} dB to make room for restored peaks")
    with audio.open_like(args.output, replace(like, sr=sr)) as out:
        out.write(y.astype(np.float32))
    if not args.quiet:
        say(f"{args.input} -> {args.output}: {'; '.join(done) or 'found no damage'}")
    return OK


def _mended(y: np.ndarray, sr: int, args: argparse.Namespace, progress: Progress) -> tuple[np.ndarray, int, list[str]]:
    """Signal, its rate, and what was done to it."""
    from ..repair import extend_band, fill_regions, restore_samples

    chosen = {name for name in FINDERS if getattr(args, name)}
    if not (chosen or args.gap or args.hole or args.band is not None):
        chosen = CERTAIN
    done = []
    lost = np.zeros(y.shape, bool)
    for start_s, stop_s in args.gap:
        if stop_s * sr > y.shape[1]:
            raise NmfaudioError(f"the gap {start_s:g}-{stop_s:g} s is beyond the end of {args.input}")
        lost[:, round(start_s * sr) : round(stop_s * sr)] = True
        done.append(f"filled {start_s:g}-{stop_s:g} s")
    clipped, found = _look(y, sr, chosen)
    for name, mask in found.items():
        lost |= mask
        if mask.any():
            done.append(f"{name}: {1e3 * mask.any(axis=0).sum() / sr:.1f} ms replaced")
    progress(0.1)
    if lost.any():
        y = restore_samples(y, sr, lost)
    progress(0.4)
    clipped &= ~lost
    if clipped.any():
        y = restore_samples(y, sr, clipped, clipped=True)
        done.append(f"clipped: {clipped.sum()} samples restored")
    progress(0.7)
    if args.hole:
        y = fill_regions(y, sr, args.hole)
        done.append(f"filled {len(args.hole)} hole{'s' * (len(args.hole) > 1)} in the spectrogram")
    if args.band is not None:
        y, sr = extend_band(y, sr, args.band or None, dictionary=args.dictionary)
        done.append("extended the band")
    return y, sr, done


def _look(y: np.ndarray, sr: int, chosen: set[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Clipped samples, and those lost to each other kind of damage."""
    from ..repair import find_clicks, find_clipped, find_dropouts

    clipped = find_clipped(y) if "clipped" in chosen else np.zeros(y.shape, bool)
    found = {}
    if "dropouts" in chosen:
        found["dropouts"] = find_dropouts(y, sr)
    if "clicks" in chosen:
        found["clicks"] = find_clicks(y, sr)
    return clipped, found


def _gap(text: str) -> tuple[float, float]:
    try:
        start_s, stop_s = map(seconds, text.split("-"))
    except ValueError:
        start_s, stop_s = math.nan, math.nan
    if not start_s < stop_s:
        raise argparse.ArgumentTypeError(f"{text!r} is not START-END: give seconds, m:ss or h:mm:ss, as in 1.5-1.52")
    return start_s, stop_s


def _hole(text: str) -> tuple[float, float, float, float]:
    times, _, band = text.partition("@")
    try:
        low_hz, high_hz = map(_hertz, band.split("-"))
        start_s, stop_s = _gap(times)
    except (ValueError, argparse.ArgumentTypeError):
        low_hz = high_hz = start_s = stop_s = math.nan
    if not low_hz < high_hz:
        raise argparse.ArgumentTypeError(f"{text!r} is not START-END@LOW-HIGH: give times and Hz, as in 1-1.2@500-3000")
    return start_s, stop_s, low_hz, high_hz


def _cutoff(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a frequency in Hz; without one, give --band at the end")
    return value


def _hertz(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a frequency in Hz")
    return value
