"""`nmfaudio train`: a dictionary from folders or lists of speech and noise, or of any one source."""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NmfaudioError
from ..files import replacing
from .console import OK, Progress, add_workers, count, say, seed, spare

if TYPE_CHECKING:
    from ..compute.processes import Map
    from ..dictionary import Dictionary
    from ..spectra.front_end import FrontEnd
    from ..training.data.corpus import Corpus

    Corpora = dict[str, Corpus]

_MOST_HEARD_S = 300.0  # of one source, whose sound is kept in memory
_OF_SOURCE = 80, 1, 0.064  # atoms, taps, and the window in seconds
KINDS = ("sparse", "file", "file-fast", "causal", "causal-fast")
_HELD_OUT, _MOST_HELD_OUT_S = 0.2, 240.0  # of a corpus that none else is given for


def add_parser(subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "train",
        description="Train a dictionary, or adapt a shipped one, on folders of sound files, or on text files with one\n"
        "path or address (s3://...) a line. At the end it is compared with the shipped one on what was held out.",
        usage="nmfaudio train [options] --speech DIR|LIST --noise DIR|LIST -o OUT.npz\n"
        "       nmfaudio train [options] --adapt NAME [--noise DIR|LIST] [--speech DIR|LIST] -o OUT.npz\n"
        "       nmfaudio train [options] --name NAME DIR|LIST -o OUT.npz",
        epilog="A sparse dictionary takes minutes, an adapted one seconds. The other kinds are trained for the mask\n"
        "on mixtures made on the fly and take hours. With --checkpoint all go on where they were stopped.",
    )
    parser.add_argument("--speech", metavar="DIR|LIST", help="speech, as clean as can be had")
    parser.add_argument("--noise", metavar="DIR|LIST", help="noise without speech")
    parser.add_argument("-o", "--output", required=True, metavar="OUT.npz", help="dictionary to write")
    parser.add_argument("--kind", choices=KINDS, default="sparse", help="what to train (default: %(default)s)")
    parser.add_argument("--adapt", metavar="NAME", help="start from this dictionary, and fit it to your sound")
    parser.add_argument("--seed", type=seed, default=0, help="seed of all that is drawn (default: %(default)s)")
    parser.add_argument("--note", default="", help="kept in the dictionary's record: corpora, licences")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="keep the state here, and go on from it")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.npz and its card if they exist")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors and a bad verdict only")
    add_workers(parser)
    held_out = parser.add_argument_group("held out, to compare on (default: a fifth of SPEECH and NOISE)")
    held_out.add_argument("--dev-speech", metavar="DIR|LIST", help="speech that is not trained on")
    held_out.add_argument("--dev-noise", metavar="DIR|LIST", help="noise that is not trained on")
    sparse = parser.add_argument_group("kind sparse")
    sparse.add_argument("--tune", action="store_true", help="choose atoms and penalty on held-out sound; OUT.png shows")
    unfolded = parser.add_argument_group("kinds other than sparse, which also watch the learning on what is held out")
    unfolded.add_argument("--steps", type=int, nargs="+", metavar="N", help="batches of each stage (default: 30000)")
    unfolded.add_argument("--first", metavar="DICTIONARY", help="take over the first stage of this dictionary")
    unfolded.add_argument("--start", metavar="DICTIONARY", help="go on from the stages of this dictionary")
    unfolded.add_argument("--bf16", action="store_true", help="faster, coarser matrix products (needs torch)")
    source = parser.add_argument_group("any one source, for nmfaudio separate")
    source.add_argument("sound", nargs="?", metavar="DIR|LIST", help="recordings of it alone; five minutes are heard")
    source.add_argument("--name", help="what it is called: piano, drums, a speaker, ...")
    source.add_argument(
        "--atoms", type=count, default=_OF_SOURCE[0], metavar="K", help="how many (default: %(default)s)"
    )
    source.add_argument(
        "--taps",
        type=count,
        default=_OF_SOURCE[1],
        metavar="T",
        help="frames of an atom; 8 for drums (default: %(default)s)",
    )
    source.add_argument(
        "--window", type=_window, default=_OF_SOURCE[2], metavar="SECONDS", help="of a frame (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Train, write, compare; return the exit code."""
    _check(args)
    from ..compute.processes import workers
    from ..dictionary import Dictionary
    from ..spectra.front_end import FrontEnd
    from ..training.data.corpus import Corpus

    began = time.monotonic()
    base = Dictionary.load(args.adapt) if args.adapt else None
    front_end = base.front_end if base else FrontEnd(exponent=0.6)
    sr = _highest_rate(args.sound) if args.name else front_end.sr
    sources = {args.name: args.sound} if args.name else {"speech": args.speech, "noise": args.noise}
    with workers(args.jobs, args.scheduler) as each:
        corpora = {name: Corpus(path, sr, each=each) for name, path in sources.items() if path}
        if not args.quiet:
            for name, corpus in corpora.items():
                say(f"{name}: {len(corpus.files)} files, {corpus.hours * 60:.1f} min")
        if args.name:
            trained = corpora
            dictionary = _source(args, corpora[args.name])
        else:
            trained, held_out = _held_out(args, corpora, sr)
            dictionary = _trained(args, base, trained, held_out, front_end, each)
        record = {
            **dictionary.record,
            **{name: _summary(corpus) for name, corpus in trained.items()},
            "note": args.note,
            "seed": args.seed,
            "command": args.command_line,
            "hours": round((time.monotonic() - began) / 3600, 3),
        }
        dictionary = _write(args, replace(dictionary, record=record))
        if not args.name:  # what a source is good for shows in mixtures with others, which are not here
            _judge(args, base, dictionary, held_out, each)
    return OK


def _check(args: argparse.Namespace) -> None:
    given = [text is not None for text in (args.name, args.sound, args.speech, args.noise)]
    if args.adapt is not None:
        if args.name or args.sound or not (args.speech or args.noise):
            raise NmfaudioError("--adapt needs --noise or --speech, and goes without --name")
        if args.kind != "sparse" or args.tune or args.checkpoint:
            raise NmfaudioError("--adapt takes seconds and keeps the kind: leave out --kind, --tune and --checkpoint")
    elif given not in ([True, True, False, False], [False, False, True, True]):
        raise NmfaudioError("give --speech and --noise, or --name NAME and one DIR|LIST of that source alone")
    if args.tune and (args.kind != "sparse" or args.name):
        raise NmfaudioError("--tune is for dictionaries of kind sparse")
    if args.kind == "sparse" and (args.steps or args.first or args.start or args.bf16):
        raise NmfaudioError("--steps, --first, --start and --bf16 are for the other kinds: give one by --kind")
    if args.name and (args.kind != "sparse" or args.checkpoint or args.dev_speech or args.dev_noise):
        raise NmfaudioError("--name trains one source, in a minute: leave out --kind, --checkpoint and --dev-...")
    if args.name is None and (args.atoms, args.taps, args.window) != _OF_SOURCE:
        raise NmfaudioError("--atoms, --taps and --window are for a dictionary of one source: give --name")
    if args.tune and find_spec("matplotlib") is None:
        raise NmfaudioError("--tune draws a picture, without matplotlib: pip install 'nmfaudio[notebooks]'")
    output = Path(args.output)
    if output.suffix != ".npz":
        raise NmfaudioError(f"{output}: a dictionary's file name must end in .npz")
    for suffix in (".npz", ".png", ".md") if args.tune else (".npz", ".md"):
        spare(output.with_suffix(suffix), args.overwrite)
    if not output.parent.is_dir():
        raise NmfaudioError(f"{output.parent}: no such folder to write the dictionary to")


def _held_out(args: argparse.Namespace, corpora: "Corpora", sr: int) -> "tuple[Corpora, Corpora]":
    """Part what is trained on from what is held out."""
    from ..training.data.corpus import Corpus

    trained, held_out = {}, {}
    for name, path in (("speech", args.dev_speech), ("noise", args.dev_noise)):
        if path:
            held_out[name] = Corpus(path, sr)
        if name in corpora:
            trained[name] = corpora[name]
            if not path:
                known = args.adapt is not None and name == "noise"  # to be met again, and not another of its kind
                parts = corpora[name].split(_HELD_OUT, _MOST_HELD_OUT_S, args.seed, in_time=known)
                trained[name], held_out[name] = parts
    return trained, held_out


def _trained(
    args: argparse.Namespace,
    base: "Dictionary | None",
    trained: "Corpora",
    held_out: "Corpora",
    front_end: "FrontEnd",
    each: "Map",
) -> "Dictionary":
    if base is not None:
        from ..training.adapt import adapt

        return adapt(base, trained.get("speech"), trained.get("noise"), args.seed)
    return (_sparse if args.kind == "sparse" else _unfolded)(args, trained, held_out, front_end, each)


def _write(args: argparse.Namespace, dictionary: "Dictionary", quiet: bool = False) -> "Dictionary":
    """Write the dictionary and its model card."""
    from ..dictionary import Dictionary, model_card

    output = Path(args.output)
    dictionary.save(output, compact=dictionary.kind == "unfolded")
    card = output.with_suffix(".md")
    written = Dictionary.load(output)
    with replacing(card) as temporary:
        temporary.write_text(model_card(written), encoding="utf-8")
    if not (args.quiet or quiet):
        say(f"{output}: {output.stat().st_size / 1e6:.2f} MB, described in {card}")
    return written


def _judge(
    args: argparse.Namespace, base: "Dictionary | None", dictionary: "Dictionary", held_out: "Corpora", each: "Map"
) -> None:
    """Compare with what is shipped, say what came of it, and keep it in the record."""
    from ..denoising.decomposition import decomposition_for
    from ..dictionary import Dictionary
    from ..training.comparison import compare, mixtures

    if "speech" not in held_out or "noise" not in held_out:
        missing = "speech" if "speech" not in held_out else "noise"
        say(f"verdict: none, for want of {missing} to compare on: give --{missing} or --dev-{missing}")
        return
    default = "speech" if decomposition_for(dictionary).future_frames else "speech-causal"
    pairs: list = []
    for rival in dict.fromkeys([args.adapt or default, default]):  # an adapted one has to beat what it was, and that
        names = Path(rival).stem, dictionary.name
        try:
            # what was adapted may have been overwritten since
            known = base if base is not None and rival == args.adapt else Dictionary.load(rival)
            pairs = pairs or mixtures(held_out["speech"], held_out["noise"], random_state=args.seed)
            found = compare(known, dictionary, pairs, dictionary.front_end.sr, names=names, each=each)
        except NmfaudioError as error:
            say(f"verdict: none: {error}")
            return
        watched = ", on which the learning was watched too" if args.kind != "sparse" and args.dev_speech else ""
        title = f"{len(found.new)} held-out mixtures at 0 to 10 dB, against {names[0]}{watched}"
        verdict = {f"against {names[0]}": found.verdict, title: found.table()}
        dictionary = _write(args, replace(dictionary, record={**dictionary.record, **verdict}), quiet=True)
        if not args.quiet:
            print(f"{title}:\n\n{found.text()}\n", flush=True)
        if not args.quiet or found.is_worse:
            say(f"verdict: {found.verdict}")


def _summary(corpus: "Corpus") -> dict:
    folders = sorted({path.parent.name for path in corpus.files})
    return {"source": corpus.source, "files": len(corpus.files), "hours": round(corpus.hours, 3), "folders": folders}


def _highest_rate(source: str) -> int:
    from .. import audio
    from ..training.data.corpus import list_files

    return max(audio.info(path).sr for path in list_files(source))


def _source(args: argparse.Namespace, corpus: "Corpus") -> "Dictionary":
    from ..training.source import train_dictionary

    recordings, left_s = [], _MOST_HEARD_S
    for piece in corpus.pieces(np.random.default_rng(args.seed)):
        recordings.append(piece.read(corpus.sr))
        left_s -= len(recordings[-1]) / corpus.sr
        if left_s <= 0:
            break
    return train_dictionary(
        args.name,
        recordings,
        corpus.sr,
        n_components=args.atoms,
        n_taps=args.taps,
        window_s=args.window,
        random_state=args.seed,
    )


def _sparse(
    args: argparse.Namespace, trained: "Corpora", held_out: "Corpora", front_end: "FrontEnd", each: "Map"
) -> "Dictionary":
    from ..training.sparse import build_sparse

    corpora = trained["speech"], trained["noise"]
    build = partial(build_sparse, *corpora, front_end=front_end, random_state=args.seed, each=each)
    options = _tuned(args, build, held_out, each) if args.tune else {}
    with Progress("training", not args.quiet) as progress:
        return build(checkpoint=args.checkpoint, progress=progress, **options)


def _tuned(
    args: argparse.Namespace, build: Callable[..., "Dictionary"], held_out: "Corpora", each: "Map"
) -> dict[str, Any]:
    """Choose options on half of what is held out, which leaves the other half to judge the result on."""
    from ..display import tuningshow
    from ..training.comparison import mixtures
    from ..training.sparse import LEAST_CORPUS_S
    from ..training.tune import tune

    parts = {name: corpus.split(0.5, np.inf, args.seed) for name, corpus in held_out.items()}
    held_out.update({name: part[0] for name, part in parts.items()})
    speech, noise = (parts[name][1] for name in ("speech", "noise"))
    report = (lambda line: None) if args.quiet else say
    pairs = mixtures(speech, noise, random_state=args.seed)
    found = tune(partial(build, most_s=LEAST_CORPUS_S), pairs, speech.sr, each=each, report=report)
    picture = Path(args.output).with_suffix(".png")
    tuningshow(found)[0].figure.savefig(picture, dpi=120)
    report(f"{picture}: shows it")
    return found.best


def _unfolded(
    args: argparse.Namespace, trained: "Corpora", held_out: "Corpora", front_end: "FrontEnd", each: "Map"
) -> "Dictionary":
    from threadpoolctl import threadpool_limits

    from ..denoising.unfolded.decomposition import stages_of
    from ..dictionary import Dictionary
    from ..training.unfolded.build import build_unfolded, mixers
    from ..training.unfolded.gradient import coarse_matmul
    from ..training.unfolded.loss import Objective
    from ..training.unfolded.presets import PRESETS
    from ..training.unfolded.stage import Schedule

    preset = PRESETS[args.kind]
    n_stages = len(preset.contexts)
    steps = args.steps or [Schedule.steps]
    if len(steps) not in (1, n_stages) or min(steps) < 1:
        raise NmfaudioError(f"--steps {' '.join(map(str, steps))}: give one positive number, or one for each stage")
    schedules = [Schedule(steps=n) for n in (steps * n_stages if len(steps) == 1 else steps)]
    watched = dict(held_out)
    for name, path in (("speech", args.dev_speech), ("noise", args.dev_noise)):
        if not path:  # watch one half, and judge on the other
            held_out[name], watched[name] = held_out[name].split(0.5, np.inf, args.seed)
    corpora = trained["speech"], trained["noise"], watched["speech"], watched["noise"]
    mixer, dev_mixer = mixers(*corpora, front_end, args.seed)

    def report(stage: int, entry: dict[str, float]) -> None:
        if not args.quiet:
            say(
                f"stage {stage + 1}/{n_stages}  step {entry['step']:6.0f}/{schedules[stage].steps}  "
                f"loss {entry['train']:.5f}  development {entry['dev']:.5f}  {entry['seconds'] / 60:.1f} min"
            )

    with threadpool_limits(1, "blas"):
        return build_unfolded(
            mixer,
            dev_mixer,
            preset,
            front_end=front_end,
            schedules=schedules,
            objective=Objective(),
            first_stages=stages_of(Dictionary.load(args.first))[:1] if args.first else [],
            start=stages_of(Dictionary.load(args.start)) if args.start else [],
            random_state=args.seed,
            checkpoint=args.checkpoint,
            report=report,
            **({"matmul": coarse_matmul()} if args.bf16 else {}),
        )


def _window(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.005 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.005 to 1")
    return value
