"""`nmfaudio repair`: mend gaps, clicks, clipped peaks, holes in the spectrogram and a lost band."""

import argparse
from typing import Any

from .console import OK, compilation_bar, progress_bar, say
from .options import add_formats, format_options, hertz, number, span

DESCRIPTION = """Repair the damaged parts of a recording, from a model of the rest. Without
options, look for clipped peaks and dropouts. --clicks looks for clicks, and may
take the pulses of a creaky voice for them. Several options are done in this
order: samples, holes, band.

Without OUTPUT the result lies beside the input: tape.wav becomes
tape_repaired.wav."""
EXAMPLES = (
    "nmfaudio repair tape.wav",
    "nmfaudio repair --clicks --gap 1:02.5-1:02.52 record.flac mended.flac",
)
_LONGEST_GAP_S = 0.08  # in speech; see benchmarks/repair.md
FINDERS = {"dropouts": "digital silence within sound", "clicks": "clicks and crackle", "clipped": "clipped peaks"}


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("repair", description=DESCRIPTION, examples=EXAMPLES)
    parser.add_argument("input", metavar="INPUT", help="sound file")
    parser.add_argument("output", nargs="?", metavar="OUTPUT", help="sound file to write")
    what = parser.add_argument_group("damage")
    for name, summary in FINDERS.items():
        what.add_argument(f"--{name}", dest="damage", action="append_const", const=name, help=f"look for {summary}")
    what.add_argument(
        "--gap", type=span, action="append", default=[], metavar="START-END", help="lost samples; repeatable"
    )
    what.add_argument(
        "--hole",
        type=_hole,
        action="append",
        default=[],
        metavar="START-END@LOW-HIGH",
        help="lost part of the spectrogram, in seconds and Hz; repeatable",
    )
    cutoff = number("a frequency in Hz", 1, 1e9)
    what.add_argument(
        "--band",
        type=cutoff,
        nargs="?",
        const=True,
        default=False,
        metavar="HZ",
        help="extend speech above HZ (default: the rate's own limit)",
    )
    what.add_argument("-d", "--dictionary", default="speech-sparse", metavar="NAME", help="for --band")
    files = parser.add_argument_group("files")
    add_formats(files.add_argument)
    files.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it exists")
    files.add_argument("--in-place", action="store_true", help="allow INPUT to be OUTPUT, and replace it")
    files.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Mend a file; return the exit code."""
    from ..repair.files import repair_file
    from .targets import clipping, target_of

    output = target_of(args.input, args.output, "_repaired", format=args.format, in_place=args.in_place)
    with compilation_bar(not args.quiet), progress_bar(args.input, not args.quiet) as progress:
        report = repair_file(
            args.input,
            output,
            damage=args.damage,
            gaps=args.gap,
            holes=args.hole,
            band=args.band,
            dictionary=args.dictionary,
            overwrite=args.overwrite,
            in_place=args.in_place,
            progress=progress,
            **format_options(args),
        )
    if clipped := report.clipped_samples:
        say(clipping(output, clipped, output))
    for start_s, stop_s in args.gap:
        if stop_s - start_s > _LONGEST_GAP_S:
            say(
                f"warning: the gap {start_s:g}-{stop_s:g} s is longer than {_LONGEST_GAP_S:g} s: what fills it has the "
                "right level, but is not the sound that was there"
            )
    if not args.quiet:
        kinds = "" if args.damage else ": neither clipped peaks nor dropouts; --clicks looks for clicks"
        say(f"{args.input} -> {output}: {'; '.join(report.repairs) or f'found no damage{kinds}'}")
        if args.output is None:
            print(output)
    return OK


def _hole(text: str) -> tuple[float, float, float, float]:
    times, _, band = text.partition("@")
    try:
        low_hz, high_hz = map(hertz, band.split("-"))
        start_s, stop_s = span(times)
    except (ValueError, argparse.ArgumentTypeError):
        low_hz = high_hz = start_s = stop_s = float("nan")
    if not low_hz < high_hz:
        raise argparse.ArgumentTypeError(f"{text!r} is not START-END@LOW-HIGH: give times and Hz, as in 1-1.2@500-3000")
    return start_s, stop_s, low_hz, high_hz
