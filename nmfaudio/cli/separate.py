"""`nmfaudio separate`: take a mixture apart into stems, one file each."""

import argparse
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from .. import audio
from ..dictionary import Dictionary
from ..errors import NmfaudioError
from ..files import replacing
from ..spectra.phase import METHODS
from .console import OK, Progress, count, say, seed

DESCRIPTION = """Take a mixture apart into stems that add up to it, each a file in DIR.

With --source the stems are those of dictionaries (see `nmfaudio train --name`), and --learn adds sources that
are learnt from the mixture. With --split it is cut into what sounds on and what strikes. Without any of
these, components of the mixture are grouped into sources by how they sound; DIR/groups.json tells which, and
a changed copy of it can be given back with --groups."""

_BLIND = 2, 24, 1  # stems, components and taps


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("separate", description=DESCRIPTION)
    parser.add_argument("input", type=Path, metavar="MIX", help="sound file")
    parser.add_argument("-o", "--out-dir", type=Path, required=True, metavar="DIR", help="folder for the stems")
    known = parser.add_argument_group("sources that are known")
    known.add_argument(
        "--source", action="append", default=[], metavar="[NAME=]DICT", help="a dictionary, by name or path; repeatable"
    )
    known.add_argument(
        "--learn", type=_learn, action="append", default=[], metavar="NAME=N", help="learn N atoms of it; repeatable"
    )
    known.add_argument("--guidance", type=Path, metavar="FILE", help="JSON: where sources are silent or alone")
    blind = parser.add_argument_group("sources that are not")
    blind.add_argument("--stems", type=count, default=_BLIND[0], metavar="N", help="number of sources (%(default)s)")
    blind.add_argument(
        "--components", type=count, default=_BLIND[1], metavar="K", help="components to group (%(default)s)"
    )
    blind.add_argument(
        "--taps", type=count, default=_BLIND[2], metavar="T", help="frames of a component; about 8 for drums"
    )
    blind.add_argument("--groups", type=Path, metavar="FILE", help="JSON: the components of each stem")
    blind.add_argument("--split", action="store_true", help="into a harmonic and a percussive part")
    add = parser.add_argument_group("sound and files").add_argument
    add("--phase", choices=(*METHODS, "spatial"), help="default: spatial for two channels and more, else mixture")
    add("--seed", type=seed, default=0, help="seed of what is learnt (%(default)s)")
    add("--format", metavar="NAME", help="container: WAV, FLAC, ...")
    add("--subtype", metavar="NAME", help="sample format; FLOAT keeps the stems' sum exact")
    add("--overwrite", action="store_true", help="replace files that exist")
    add("-q", "--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Take a file apart; return the exit code."""
    if args.split + bool(args.source or args.learn) + bool(args.groups) > 1:
        raise NmfaudioError("--split, --groups and --source or --learn are different ways: choose one")
    if (args.split or args.source or args.learn) and (args.stems, args.components, args.taps) != _BLIND:
        raise NmfaudioError("--stems, --components and --taps are about sources that are not known: leave them out")
    if args.split and args.phase:
        raise NmfaudioError("--split keeps the phase of the mixture: leave out --phase")
    if args.guidance and not (args.source or args.learn):
        raise NmfaudioError("--guidance is about sources with names: give them with --source or --learn")
    if args.out_dir.exists() and not args.out_dir.is_dir():
        raise NmfaudioError(f"{args.out_dir}: is a file: give a folder for the stems")
    if args.out_dir.is_dir() and any(args.out_dir.iterdir()) and not args.overwrite:
        raise NmfaudioError(f"{args.out_dir}: is not empty: give --overwrite to replace what is in it")
    header = audio.info(args.input)
    suffix = f".{args.format.lower()}" if args.format else ".wav" if header.picture else args.input.suffix
    like = header.written_to(f"stem{suffix}", args.format, args.subtype)
    y, sr = audio.read(args.input)
    if not y.size:
        raise NmfaudioError(f"{args.input}: has no sound in it")
    args.phase = args.phase or ("spatial" if len(y) > 1 else "mixture")
    with Progress(str(args.input), not args.quiet) as progress:
        progress(0.0)
        stems, groups = _separated(y, sr, args)
    args.out_dir.mkdir(parents=True, exist_ok=True)
    paths = {name: args.out_dir / f"{name}{suffix}" for name in stems}
    clipped = 0
    with ExitStack() as files:
        for name, path in paths.items():
            out = files.enter_context(audio.open_like(path, like))
            out.write(stems[name].astype(np.float32))
            clipped += out.clipped
        if groups:
            listing = files.enter_context(replacing(args.out_dir / "groups.json"))
            listing.write_text(json.dumps(groups, indent=2) + "\n")
    if clipped:
        say(f"{args.out_dir}: {clipped} samples beyond full scale are clipped: --subtype FLOAT keeps them")
    if not args.quiet:
        say(f"{args.input} -> {', '.join(str(path) for path in paths.values())}")
    return OK


def _separated(
    y: np.ndarray, sr: int, args: argparse.Namespace
) -> tuple[dict[str, np.ndarray], Mapping[str, list[int]] | None]:
    """Stems, and the groups of components that they are made of if they are."""
    from ..separation import Components, Separator, harmonic_percussive

    if args.split:
        return harmonic_percussive(y, sr), None
    if args.source or args.learn:
        guidance = _json(args.guidance) if args.guidance else None
        separate = Separator(_sources(args), phase=args.phase, random_state=args.seed)
        _check_names(separate.names)
        return separate(y, sr, guidance), None
    given = _json(args.groups) if args.groups else {}
    _check_names(given)
    components = Components(y, sr, n_components=args.components, n_taps=args.taps, random_state=args.seed)
    groups = given if args.groups else components.group(args.stems)
    return components.stems(groups, args.phase), groups


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


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not name or Path(name).name != name:
            raise NmfaudioError(f"{name!r} cannot be the name of a stem's file: leave out slashes")


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
