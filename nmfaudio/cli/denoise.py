"""The command `denoise`: sound files in, cleaned sound files out."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from typing import Any

from .. import __version__
from .console import Parser, add_workers, call, decibels, seconds, strength

USAGE = """denoise [options] INPUT OUTPUT
       denoise [options] INPUT... --out-dir FOLDER"""
DESCRIPTION = """Take the noise out of speech. Length, rate, channels, sample format and tags
stay as they are.

INPUT is a sound file, - for standard input or, with --out-dir, a folder.
OUTPUT is a sound file or - for standard output; its suffix sets the format."""


def build_parser() -> Parser:
    """Make the parser of `denoise`."""
    parser = Parser(prog="denoise", usage=USAGE, description=DESCRIPTION, add_help=False)
    add_arguments(parser)
    return parser


def add_parser(subparsers: Any) -> None:
    """Add `nmfaudio denoise`."""
    usage = USAGE.replace("denoise [", "nmfaudio denoise [")
    add_arguments(subparsers.add_parser("denoise", usage=usage, description=DESCRIPTION, add_help=False))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `denoise` can be told."""
    parser.add_argument("paths", nargs="+", metavar="INPUT", help=argparse.SUPPRESS)
    add_sound(parser)

    files = parser.add_argument_group("files")
    add = files.add_argument
    add("--out-dir", metavar="FOLDER", help="write into this folder, under the same names")
    add("--format", metavar="NAME", help="container: WAV, FLAC, OGG, MP3, AIFF, CAF, W64, ...")
    add("--subtype", metavar="NAME", help="sample format: PCM_16, PCM_24, FLOAT, OPUS, ...")
    add("--residual", metavar="FILE", help="write what was taken away (--out-dir: a folder)")
    add("--save-profile", type=_profile, metavar="FILE", help="keep what --noise taught in FILE.npz")
    existing = files.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    existing.add_argument("--skip-existing", action="store_true", help="pass over inputs whose output exists")

    running = parser.add_argument_group("running")
    add_workers(running)
    add = running.add_argument
    add("--report", metavar="FILE", help="write what was done: an .html page, else JSON")
    add("-q", "--quiet", action="store_true", help="say nothing but errors")
    add("-v", "--verbose", action="store_true", help="say a line for each file")
    add("--version", action="version", version=f"denoise {__version__} (nmfaudio)")
    add("-h", "--help", action="help", help="show this help")


def add_sound(parser: argparse.ArgumentParser) -> None:
    """Add how sound is cleaned, which `nmfaudio report` can be told too."""
    add = parser.add_argument_group("sound").add_argument
    add("-d", "--dictionary", default="speech", metavar="NAME", help="trained dictionary, by name or path (speech)")
    add(
        "--causal",
        dest="dictionary",
        action="store_const",
        const="speech-causal",
        help="look at the past alone: -d speech-causal",
    )
    add("--noise", type=_noise, metavar="WHAT", help="the noise alone: a file, or START-END of INPUT")
    add("--channels", choices=("linked", "independent"), default="linked", help="one gain for all, or each its own")
    add("--attenuation-limit", type=decibels, metavar="DB", help="take away at most DB decibels; 0 changes nothing")
    add("--strength", type=strength, default=1.0, metavar="X", help="below 1 is gentler, above 1 is stronger (1)")
    add("--start", type=_time, metavar="TIME", help="take what is from TIME on: seconds or [h:]m:ss")
    add("--end", type=_time, metavar="TIME", help="take what is before TIME")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `denoise`; return its exit code: 0, 1 if some files failed, 2 for bad usage or input."""
    args = build_parser().parse_args(argv)
    return call("denoise", lambda: run(args))


def run(args: argparse.Namespace) -> int:
    """Clean all files; one that cannot be used is reported and the others go on."""
    from .batch import run_batch

    return run_batch(args)


def _noise(text: str) -> str | tuple[float, float]:
    """File, or a part of the input as seconds."""
    start, _, end = text.partition("-")
    try:
        part = seconds(start), seconds(end)
    except ValueError:
        if not text[:1].isdigit() or os.path.exists(text):
            return text
        part = math.nan, math.nan
    if not part[0] < part[1]:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a file nor a part of a recording: START-END, each seconds or m:ss"
        )
    return part


def _profile(text: str) -> str:
    if not text.endswith(".npz"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a profile: it ends in .npz")
    return text


def _time(text: str) -> float:
    try:
        return seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: give seconds, m:ss or h:mm:ss") from None
