"""`nmfaudio separate`: separate songs and other mixtures into stems, one file each."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from ..arguments import check_part
from ..dictionary import Dictionary
from ..errors import AudioError, NmfaudioError
from ..files import identity, is_same
from ..folders import walk
from ..spectra.phase import METHODS
from .console import BAD_INPUT, OK, SOME_FAILED, compilation_bar, explained, progress_bar, say
from .options import add_formats, count, format_options, number, seconds, seed

DESCRIPTION = """Separate songs into vocals, drums, bass and other, each a file beside the song.
The stems add up to the song. A folder is searched for songs, and needs -o.

--voice separates speech from what is behind it. For other sources, --source
gives a dictionary for each stem (see `nmfaudio train source`), and --learn adds
sources that are learnt from the mixture. --split gives a harmonic and a
percussive part. --stems groups components of the mixture into N sources by
their sound; groups.json lists them. Change a copy of it, and give it to
--groups, to group them differently."""
EXAMPLES = (
    "nmfaudio separate song.mp3",
    "nmfaudio separate --karaoke song.mp3 -o karaoke/",
    "nmfaudio separate --mix vocals=-6,drums=+3 song.mp3",
    "nmfaudio separate --source piano.npz --learn rest=20 mix.wav -o stems/",
)

Song = tuple[Path, Path | None, list[Path]]
"""Sound file to separate, the folder for its stems, if they are not beside it, and all files that may come of it."""

_MUCH = 1e9  # bytes of memory to speak of


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("separate", description=DESCRIPTION, examples=EXAMPLES)
    parser.add_argument("inputs", type=Path, nargs="+", metavar="SONG", help="sound files, or folders of them")
    parser.add_argument("-o", "--out-dir", type=Path, metavar="DIR", help="folder for the stems")
    songs = parser.add_argument_group("songs")
    songs.add_argument("--only", type=_names, metavar="NAMES", help="write these stems alone: vocals,bass")
    songs.add_argument("--karaoke", action="store_true", help="write vocals, and all the rest as karaoke")
    songs.add_argument("--mix", type=_gains, metavar="GAINS", help="write a mix: vocals=-6,drums=+3,bass=off (in dB)")
    songs.add_argument("--drums", action="store_true", help="write kick, snare and cymbals in place of drums")
    songs.add_argument("--voice", action="store_true", help="write the voice and the background of speech")
    songs.add_argument(
        "-d", "--dictionary", metavar="NAME", help="trained dictionary, by name or path (default: songs)"
    )
    known = parser.add_argument_group("known sources")
    known.add_argument(
        "--source", action="append", default=[], metavar="[NAME=]DICT", help="a dictionary, by name or path; repeatable"
    )
    known.add_argument(
        "--learn",
        type=_learn,
        action="append",
        default=[],
        metavar="NAME=N",
        help="learn source NAME with N atoms; repeatable",
    )
    known.add_argument(
        "--penalty",
        type=number("a penalty from 0 to 100", 0, 100),
        metavar="P",
        help="L1 penalty; 1 suits voices (default: 0.2, for instruments)",
    )
    known.add_argument("--guidance", type=Path, metavar="FILE", help="JSON: where sources are silent or alone")
    blind = parser.add_argument_group("unknown sources")
    blind.add_argument("--stems", type=count, metavar="N", help="number of sources (default: 2)")
    blind.add_argument("--components", type=count, metavar="K", help="components to group (default: 24)")
    blind.add_argument("--taps", type=count, metavar="T", help="frames of a component; 8 for drums (default: 1)")
    blind.add_argument("--groups", type=Path, metavar="FILE", help="JSON: the components of each stem")
    blind.add_argument("--split", action="store_true", help="split into a harmonic and a percussive part")
    files = parser.add_argument_group("sound and files")
    add = files.add_argument
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
    existing = files.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace files that exist")
    existing.add_argument("--skip-existing", action="store_true", help="skip songs whose stems exist")
    add("-q", "--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Separate files; return the exit code."""
    from ..separation.files import memory_for, separate_file
    from .targets import clipping, mark_below

    sources = _way(args)
    check_part(args.start, args.end)
    options: dict[str, Any] = {
        "only": ["vocals"] if args.karaoke else args.only or (),
        "rest": "karaoke" if args.karaoke else None,
        "gains_db": args.mix,
        "groups": _json(args.groups) if args.groups else None,
        "n_components": args.components,
    }
    guidance = _json(args.guidance) if args.guidance else None
    files = [song for top in args.inputs for song in _songs(top, args)]
    songs: list[Song] = []
    for source, name in files:
        folder = args.out_dir and (args.out_dir / (name or source.stem) if len(files) > 1 else args.out_dir)
        songs.append((source, folder, _outputs(source, folder, sources, format=args.format, **options)))
    if not args.overwrite:
        songs = _without_stems(songs, args)
    _check_places(songs)
    n_sources = sources if options["groups"] is None else len(options["groups"]) + 1
    failed = skipped = 0
    for source, out_dir, stems in songs:
        try:
            if args.skip_existing and _are_there(stems, args):
                skipped += 1
                if not args.quiet:
                    say(f"{source}: skipped, {stems[0]} exists")
                continue
            if isinstance(sources, int) and not args.quiet:
                needed = memory_for(source, n_sources, args.phase, start_s=args.start, stop_s=args.end)
                if needed > _MUCH:
                    say(f"{source}: needs about {needed / 1e9:.1f} GB of memory; less for a part (--start, --end)")
            with compilation_bar(not args.quiet), progress_bar(str(source), not args.quiet) as progress:
                progress(0.0)
                report = separate_file(
                    source,
                    out_dir,
                    sources,
                    guidance=guidance,
                    n_taps=args.taps,
                    penalty=args.penalty,
                    phase=args.phase,
                    random_state=args.seed,
                    start_s=args.start,
                    stop_s=args.end,
                    overwrite=args.overwrite,
                    progress=progress,
                    **options,
                    **format_options(args),
                )
        except Exception as error:
            if len(songs) == 1:
                raise
            line = explained(error, [str(source), str(out_dir)], "separate it alone to see where")
            say(f"nmfaudio separate: error: {line}")
            failed += 1
            continue
        if clipped := report.clipped_samples:
            say(clipping(str(out_dir or source), clipped, next(iter(report.stems.values()))))
        if args.out_dir is not None:
            mark_below(args.out_dir, args.inputs)
        if not args.quiet:
            say(f"{source} -> {', '.join(report.stems.values())}")
    if len(songs) > 1 and not args.quiet:
        counts = {"done": len(songs) - skipped - failed, "skipped": skipped, "failed": failed}
        say(f"{len(songs)} files: " + ", ".join(f"{n} {status}" for status, n in counts.items() if n))
    return OK if not failed else BAD_INPUT if failed == len(songs) else SOME_FAILED


def _songs(top: Path, args: argparse.Namespace) -> list[tuple[Path, Path | None]]:
    """List the songs that an argument names, those of a folder with their places in it."""
    from ..audio import SUFFIXES
    from .targets import check_quotes, has_outputs

    if top.is_dir():
        if args.out_dir is None or is_same(top, args.out_dir):
            raise NmfaudioError(f"{top}: is a folder: give another for the stems, as -o {top / 'stems'}")
        found = walk(top, skip=lambda folder: has_outputs(folder, [args.out_dir], args.quiet), trouble=_refuse)
        songs = sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())
        if not songs:
            raise NmfaudioError(f"{top}: no sound files in this folder")
        return [(path, path.relative_to(top).with_suffix("")) for path in songs]
    if not top.exists():
        if str(top) == "-":
            raise NmfaudioError("standard input cannot be separated: give a file")
        check_quotes(top, args.inputs)
        if len(args.inputs) > 1 or not top.suffix:
            raise NmfaudioError(f"{top}: no such file or folder: the folder for the stems is named by -o")
    return [(top, None)]


def _refuse(path: Path, reason: str) -> None:
    raise NmfaudioError(f"{path}: {reason}")


def _outputs(song: Path, folder: Path | None, sources: Any, **options: Any) -> list[Path]:
    """List the files that come of a song; none of one that cannot be read, which is said in its turn."""
    from ..separation.files import stem_files

    try:
        return stem_files(song, folder, sources, **options)
    except AudioError:
        return []


def _without_stems(songs: list[Song], args: argparse.Namespace) -> list[Song]:
    """Leave out the stems of other songs that have theirs all: after the first run *.wav names both."""
    inputs = {identity(source) for source, *_ in songs}
    whose = {
        place: song
        for song in songs
        if inputs.intersection(places := [identity(path) for path in song[2]]) and _are_there(song[2], args)
        for place in places
    }
    left = []
    for song in songs:
        other = whose.get(identity(song[0]), song)
        if other is song:
            left.append(song)
        elif not args.quiet:
            say(f"{song[0]}: passed over, as {other[0]} has a stem of that name: to separate it, give it alone")
    return left


def _are_there(stems: list[Path], args: argparse.Namespace) -> bool:
    """Tell whether a song has its stems; of unknown sources, as many as were found."""
    from ..separation.files import GROUPS

    if stems and stems[-1].name.endswith(GROUPS) and not args.groups and stems[-1].is_file():
        before = stems[-1].name.removesuffix(GROUPS)
        found = {f"{before}{name}" for name in _json(stems[-1])}
        stems = [path for path in stems if path.stem in found]
    return bool(stems) and all(path.is_file() for path in stems)


def _check_places(songs: list[Song]) -> None:
    """Refuse stems that would replace a song or each other, before the first song is separated."""
    inputs = {identity(song): song for song, *_ in songs}
    places: dict[object, Path] = {}
    for song, folder, stems in songs:
        for path in stems:
            if lost := inputs.get(identity(path)):
                raise NmfaudioError(
                    f"{path}: is also the input {lost}, which would be lost: give another folder for the stems by -o"
                )
        for path in [folder] if folder else stems:
            other = places.setdefault(identity(path), song)
            if other is not song:
                raise NmfaudioError(f"{other} and {song} would have the same stems: rename one")


def _way(args: argparse.Namespace) -> Any:
    """Sources that the options ask for."""
    from ..separation.files import HARMONIC_PERCUSSIVE, SONGS
    from ..separation.songs.separator import SongSeparator

    known = bool(args.source or args.learn)
    numbers = any(value is not None for value in (args.stems, args.components, args.taps))
    of_songs = bool(args.drums or args.karaoke or args.dictionary)
    if args.split + known + bool(args.groups) + args.voice + of_songs > 1:
        raise NmfaudioError(
            "--split, --groups, --voice, --source or --learn, and the options of songs are different ways: choose one"
        )
    if args.karaoke and (args.only or args.mix):
        raise NmfaudioError("--karaoke, --only and --mix choose stems: give one of them")
    if (args.split or known or args.voice or of_songs) and numbers:
        raise NmfaudioError("--stems, --components and --taps are for unknown sources: leave them out")
    if args.groups and args.stems is not None:
        raise NmfaudioError("--groups lists the stems: leave out --stems")
    blind = numbers or bool(args.groups)
    if args.phase and not (known or blind):
        raise NmfaudioError("songs, --voice and --split keep the phase of the mixture: leave out --phase")
    if args.penalty is not None and not known:
        raise NmfaudioError("--penalty is for named sources: give them with --source or --learn")
    if args.guidance and not known:
        raise NmfaudioError("--guidance is for named sources: give them with --source or --learn")
    if known:
        return _sources(args)
    if args.split:
        return HARMONIC_PERCUSSIVE
    if blind:
        return args.stems or 2
    if args.voice:
        from ..denoising.voice import VoiceSeparator

        return VoiceSeparator()
    if args.drums:
        from ..separation.songs.drums import DrumSeparator

        return DrumSeparator(args.dictionary or SONGS)
    return SongSeparator(args.dictionary or SONGS)


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
    if len(sources) == 1 and args.source:
        only = next(iter(sources))
        raise NmfaudioError(f"{only!r}: as the only source, it would get the whole mixture: add --learn rest=8")
    return sources


def _json(path: Path) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NmfaudioError(f"{path}: cannot be read ({error.strerror}): give a JSON file") from None
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


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _gains(text: str) -> dict[str, float]:
    """Convert NAME=DB,... to gains in decibels."""
    from ..separation.files import MOST_GAIN_DB

    gains = {}
    for part in text.split(","):
        name, _, db = part.partition("=")
        try:
            gains[name.strip()] = -math.inf if db.strip() == "off" else float(db)
        except ValueError:
            gains[name.strip()] = math.nan
        if not gains[name.strip()] <= MOST_GAIN_DB:
            raise argparse.ArgumentTypeError(f"{part!r} is not NAME=DB with up to {MOST_GAIN_DB:g} dB, or NAME=off")
    return gains
