"""The command `denoise`: sound files in, cleaned sound files out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from .. import __version__
from .console import Parser, call
from .options import add_denoising, add_formats, add_workers, lufs, settle

USAGE = """denoise [options] INPUT [OUTPUT]
       denoise [options] INPUT... -o FOLDER"""
DESCRIPTION = """Take the noise out of speech. Length, rate, channels, sample format and tags
stay as they are.

INPUT is a sound file, - for standard input or, with -o, a folder. OUTPUT is a
sound file or - for standard output; its suffix sets the format. Without it the
result lies beside the input: talk.wav becomes talk_cleaned.wav."""
EXAMPLES = (
    "denoise --preset podcast talk.wav talk.mp3",
    "denoise -j 4 recordings/ -o cleaned/",
)


def build_parser() -> Parser:
    """Make the parser of `denoise`."""
    parser = Parser(prog="denoise", usage=USAGE, description=DESCRIPTION, examples=EXAMPLES, add_help=False)
    add_arguments(parser)
    return parser


def add_parser(subparsers: Any) -> None:
    """Add `nmfaudio denoise`."""
    usage = USAGE.replace("denoise [", "nmfaudio denoise [")
    examples = [f"nmfaudio {line}" for line in EXAMPLES]
    add_arguments(
        subparsers.add_parser("denoise", usage=usage, description=DESCRIPTION, examples=examples, add_help=False)
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `denoise`."""
    parser.add_argument("paths", nargs="+", metavar="INPUT", help=argparse.SUPPRESS)
    add_denoising(parser)

    files = parser.add_argument_group("files")
    add = files.add_argument
    add("-o", "--out-dir", metavar="FOLDER", help="write into this folder, under the same names")
    add_formats(add)
    add(
        "--loudness",
        dest="loudness_lufs",
        type=lufs,
        metavar="LUFS",
        help="loudness to reach: -16 for podcasts, -23 for radio",
    )
    add("--residual", metavar="FILE", help="write what was removed (with -o: a folder)")
    add("--save-profile", type=_profile, metavar="FILE.npz", help="save the profile of --noise")
    existing = files.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    existing.add_argument("--skip-existing", action="store_true", help="skip inputs whose output exists")
    add("--in-place", action="store_true", help="allow an input to be its own output, and replace it")

    running = parser.add_argument_group("running")
    add_workers(running)
    add = running.add_argument
    add("--report", metavar="FILE", help="write a report: an .html page, else JSON")
    add("-q", "--quiet", action="store_true", help="print errors only")
    add("-v", "--verbose", action="store_true", help="print a line for each file")
    add("--version", action="version", version=f"denoise {__version__} (nmfaudio)")
    add("-h", "--help", action="help", help="show this help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `denoise`; return its exit code: 0, 1 if some files failed, 2 for bad usage or input."""
    return call("denoise", lambda: run(build_parser().parse_args(argv)))


def run(args: argparse.Namespace) -> int:
    """Clean all files; one that cannot be used is reported and the others go on."""
    from .batch import run_batch  # loads NumPy and more, which --help does not need

    settle(args)
    return run_batch(args)


def _profile(text: str) -> str:
    if not text.endswith(".npz"):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a profile: it ends in .npz")
    return text
