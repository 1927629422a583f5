"""`nmfaudio separate`: separate a mixture into stems, one file each."""

import argparse
import json
from pathlib import Path
from typing import Any

from ..dictionary import Dictionary
from ..errors import NmfaudioError
from ..spectra.phase import METHODS
from .console import OK, compilation_bar, progress_bar, say
from .options import add_formats, count, format_options, number, seconds, seed

DESCRIPTION = """Separate a mixture into stems that add up to it, each a file in DIR.

--source gives a dictionary for each stem (see `nmfaudio train source`), and
--learn adds sources that are learnt from the mixture. --split gives a harmonic
and a percussive part. Without any of these, components of the mixture are
grouped into sources by their sound; DIR/groups.json lists them. Change a copy
of it, and give it to --groups, to group them differently."""
EXAMPLES = (
    "nmfaudio separate --split song.wav -o stems/",
    "nmfaudio separate --source piano.npz --learn rest=20 mix.wav -o stems/",
)

_MUCH = 1e9  # bytes of memory to speak of


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("separate", description=DESCRIPTION, examples=EXAMPLES)
    parser.add_argument("input", type=Path, metavar="MIX", help="sound file")
    parser.add_argument("-o", "--out-dir", type=Path, required=True, metavar="DIR", help="folder for the stems")
    known = parser.add_argument_group("known sources")
    known.add_argument(
        "--source", action="append", default=[], metavar="[NAME=]DICT", help="a dictionary, by name or path; repeatable"
    )
    known.add_argument(
        "--learn", type=_learn, action="append", default=[], metavar="NAME=N", help="learn N atoms of it; repeatable"
    )
    known.add_argument(
        "--penalty",
        type=number("a penalty from 0 to 100", 0, 100),
        metavar="P",
        help="L1 penalty; 1 for voices, 0 for few notes (default: 0.2)",
    )
    known.add_argument("--guidance", type=Path, metavar="FILE", help="JSON: where sources are silent or alone")
    blind = parser.add_argument_group("unknown sources")
    blind.add_argument("--stems", type=count, metavar="N", help="number of sources (default: 2)")
    blind.add_argument("--components", type=count, metavar="K", help="components to group (default: 24)")
    blind.add_argument("--taps", type=count, metavar="T", help="frames of a component; 8 for drums (default: 1)")
    blind.add_argument("--groups", type=Path, metavar="FILE", help="JSON: the components of each stem")
    blind.add_argument("--split", action="store_true", help="split into a harmonic and a percussive part")
    add = parser.add_argument_group("sound and files").add_argument
    add(
        "--phase",
        choices=(*METHODS, "spatial"),
        metavar="HOW",
        help=f"{', '.join(METHODS)}, or spatial, as for stereo by default",
    )
    add("--seed", type=seed, default=0, metavar="N", help="seed of what is learnt")
    add("--start", type=seconds, metavar="TIME", help="begin at TIME: seconds or [h:]m:ss")
    add("--end", type=seconds, metavar="TIME", help="end before TIME")
    add_formats(add)
    add("--overwrite", action="store_true", help="replace files that exist")
    add("-q", "--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Separate a file; return the exit code."""
    from ..separation.files import HARMONIC_PERCUSSIVE, memory_for, separate_file

    known = bool(args.source or args.learn)
    if args.split + known + bool(args.groups) > 1:
        raise NmfaudioError("--split, --groups and --source or --learn are different ways: choose one")
    if (args.split or known) and any(value is not None for value in (args.stems, args.components, args.taps)):
        raise NmfaudioError("--stems, --components and --taps are for unknown sources: leave them out")
    if args.groups and args.stems is not None:
        raise NmfaudioError("--groups lists the stems: leave out --stems")
    if args.split and args.phase:
        raise NmfaudioError("--split keeps the phase of the mixture: leave out --phase")
    if args.penalty is not None and not known:
        raise NmfaudioError("--penalty is for named sources: give them with --source or --learn")
    if args.guidance and not known:
        raise NmfaudioError("--guidance is for named sources: give them with --source or --learn")
    if args.end is not None and (args.start or 0.0) >= args.end:
        raise NmfaudioError(f"--start {args.start or 0:g} s is not before --end {args.end:g} s")
    if not (args.quiet or args.split or known):
        needed = memory_for(args.input, args.stems or 2, start_s=args.start, stop_s=args.end)
        if needed > _MUCH:
            say(f"{args.input}: needs about {needed / 1e9:.1f} GB of memory; less for a part (--start, --end)")
    with compilation_bar(not args.quiet), progress_bar(str(args.input), not args.quiet) as progress:
        progress(0.0)
        report = separate_file(
            args.input,
            args.out_dir,
            _sources(args) if known else HARMONIC_PERCUSSIVE if args.split else args.stems or 2,
            guidance=_json(args.guidance) if args.guidance else None,
            groups=_json(args.groups) if args.groups else None,
            n_components=args.components,
            n_taps=args.taps,
            penalty=args.penalty,
            phase=args.phase,
            random_state=args.seed,
            start_s=args.start,
            stop_s=args.end,
            overwrite=args.overwrite,
            progress=progress,
            **format_options(args),
        )
    if clipped := report.clipped_samples:
        say(f"{args.out_dir}: {clipped} samples beyond full scale are clipped: --subtype FLOAT keeps them")
    if not args.quiet:
        say(f"{args.input} -> {', '.join(report.stems.values())}")
    return OK


def _sources(args: argparse.Namespace) -> dict[str, Any]:
    sources: dict[str, Any] = {}
    for text in args.source:
        name, _, path = text.rpartition("=")
        dictionary = Dictionary.load(path)
        for source in [name] if name else dictionary.arrays:
            if source in sources:
                raise NmfaudioError(f"{path}: a second source named {source!r}: give it a name, as in NAME={path}")
            sources[source] = dictionary
    for name, n_atoms in args.learn:
        if name in sources:
            raise NmfaudioError(f"--learn {name}={n_atoms}: there is a dictionary of that name")
        sources[name] = n_atoms
    return sources


def _json(path: Path) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NmfaudioError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise NmfaudioError(f"{path}: must hold a JSON object with the names of sources")
    return value


def _learn(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=N, as in rest=20")
    return name, count(number)
