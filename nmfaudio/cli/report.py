"""`nmfaudio report`: a page to hear and see what denoising does to a recording; `denoise --report` makes one too."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from .. import audio
from ..errors import AudioError, NmfaudioError
from ..files import replacing
from .console import OK, spare

DESCRIPTION = """Make a page of a recording before and after denoising: players that switch in place, spectrograms,
the most active atoms, the numbers. It is one HTML file below 20 MB, which needs no network; of a long
recording it shows the first minutes, or those from --start on."""


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    from .denoise import add_sound

    parser = subparsers.add_parser("report", description=DESCRIPTION)
    parser.add_argument("input", metavar="INPUT", help="sound file")
    parser.add_argument("output", metavar="OUTPUT", nargs="?", help="page to write (INPUT with the suffix .html)")
    add_sound(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace a page that exists")


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    from .cleaning import Cleaner

    audio.info(args.input)  # before its name is made another, and before the dictionary is loaded
    target = Path(args.input).with_suffix(".html") if args.output is None else Path(args.output)
    if not is_page(target):
        raise NmfaudioError(f"{target}: a page's name ends in .html")
    spare(target, args.overwrite)
    cleaner = Cleaner(args)
    if isinstance(args.noise, tuple):
        cleaner.listen(Path(args.input), *args.noise)
    write_page(target, args.input, cleaner.denoiser, args)
    print(target)
    return OK


def is_page(path: str | Path) -> bool:
    """Whether a report's name asks for a page."""
    return Path(path).suffix.lower() in (".html", ".htm")


def write_page(target: Path, source: str, denoiser: Any, args: argparse.Namespace) -> None:
    """Write the page of a sound file, of what the arguments tell."""
    from .. import report

    header = audio.info(source)
    start_s = args.start or 0.0
    stop_s = min(args.end or math.inf, header.duration_s, start_s + report.seconds_shown(header.sr, header.channels))
    if stop_s <= start_s:
        raise AudioError(f"{source}: has no sound after {start_s:g} s")
    y, sr = audio.read(source, start_s=start_s, stop_s=stop_s)
    html = report.page(
        y,
        sr,
        denoiser,
        title=Path(source).name,
        command=args.command_line,
        start_s=start_s,
        whole_s=header.duration_s,
    )
    with replacing(target) as temporary:
        temporary.write_bytes(html.encode("utf-8", "replace"))
