"""`nmfaudio report`: a page to hear and see what denoising does to a recording; `denoise --report` makes one too."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from .. import audio
from ..arguments import check_part
from ..errors import NmfaudioError
from ..files import check_output
from .console import OK
from .options import add_denoising, denoiser_options, is_page, settle

DESCRIPTION = """Make a page of a recording before and after denoising: players that switch in
place, spectrograms, the most active atoms, the numbers. It is one HTML file
below 20 MB, which needs no network; of a long recording it shows the first
part, or that from --start on."""
EXAMPLES = ("nmfaudio report talk.wav", "nmfaudio report --noise 0-1.5 talk.wav page.html")


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    parser = subparsers.add_parser("report", description=DESCRIPTION, examples=EXAMPLES)
    parser.add_argument("input", metavar="INPUT", help="sound file")
    parser.add_argument(
        "output", metavar="OUTPUT", nargs="?", help="page to write (default: INPUT with the suffix .html)"
    )
    add_denoising(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace a page that exists")


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    from ..report import report_file
    from .cleaning import Cleaner, Options

    settle(args)
    check_part(args.start, args.end)
    audio.info(args.input)  # before its name is made another, and before the dictionary is loaded
    target = Path(args.input).with_suffix(".html") if args.output is None else Path(args.output)
    if not is_page(target):
        raise NmfaudioError(f"{target}: a page's name ends in .html")
    others = [path for path in (args.noise, args.dictionary) if isinstance(path, str) and os.path.isfile(path)]
    check_output(target, overwrite=args.overwrite, inputs=[args.input, *others])
    cleaner = Cleaner(Options(denoiser_options(args), {}))
    cleaner.learn_noise(args.input)
    report_file(
        args.input,
        target,
        cleaner.denoiser,
        command=args.command_line,
        start_s=args.start,
        stop_s=args.end,
        overwrite=args.overwrite,
    )
    print(target)
    return OK
