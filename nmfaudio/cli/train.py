"""`nmfaudio train`: a dictionary from folders or lists of speech and noise, or of any one source."""

import argparse
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NmfaudioError
from .common import OK, Progress, say

if TYPE_CHECKING:
    from ..dictionary import Dictionary, FrontEnd
    from ..training.corpus import Corpus

_LEAST_HEARD_S = 1800.0  # a small corpus is heard several times
_MOST_HEARD_S = 300.0  # of one source, whose sound is kept in memory
KINDS = ("sparse", "file", "file-fast", "causal", "causal-fast")


def add_parser(subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "train",
        help="train a dictionary on your own speech and noise",
        description="Train a dictionary on folders of sound files, or on text files with one path a line.",
        usage="nmfaudio train [options] --speech DIR|LIST --noise DIR|LIST -o OUT.npz\n"
        "       nmfaudio train [options] --name NAME DIR|LIST -o OUT.npz",
        epilog="A sparse dictionary takes minutes. The other kinds are trained for the mask on mixtures made on the\n"
        "fly and take hours: with --checkpoint they go on where they were stopped.",
    )
    parser.add_argument("--speech", metavar="DIR|LIST", help="speech, as clean as can be had")
    parser.add_argument("--noise", metavar="DIR|LIST", help="noise without speech")
    parser.add_argument("-o", "--output", required=True, metavar="OUT.npz", help="dictionary to write")
    parser.add_argument("--kind", choices=KINDS, default="sparse", help="what to train (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all that is drawn (default: %(default)s)")
    parser.add_argument("--note", default="", help="kept in the dictionary's record: corpora, licences")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.npz if it exists")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    unfolded = parser.add_argument_group("kinds other than sparse")
    unfolded.add_argument("--dev-speech", metavar="DIR|LIST", help="speech to watch the learning on (default: SPEECH)")
    unfolded.add_argument("--dev-noise", metavar="DIR|LIST", help="noise to watch the learning on (default: NOISE)")
    unfolded.add_argument("--steps", type=int, nargs="+", metavar="N", help="batches of each stage (default: 30000)")
    unfolded.add_argument("--first", metavar="DICTIONARY", help="take over the first stage of this dictionary")
    unfolded.add_argument("--checkpoint", type=Path, metavar="FILE", help="keep the state here, and go on from it")
    unfolded.add_argument("--bf16", action="store_true", help="faster, coarser matrix products (needs torch)")
    source = parser.add_argument_group("any one source, for nmfaudio separate")
    source.add_argument("sound", nargs="?", metavar="DIR|LIST", help="recordings of it alone; five minutes are heard")
    source.add_argument("--name", help="what it is called: piano, drums, a speaker, ...")
    source.add_argument("--atoms", type=_count, default=80, metavar="K", help="how many (default: %(default)s)")
    source.add_argument(
        "--taps", type=_count, default=1, metavar="T", help="frames of an atom; 8 for drums (default: %(default)s)"
    )
    source.add_argument(
        "--window", type=_window, default=0.064, metavar="SECONDS", help="of a frame (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Train; return the exit code."""
    given = [args.name, args.sound, args.speech, args.noise]
    if [text is not None for text in given] not in ([True, True, False, False], [False, False, True, True]):
        raise NmfaudioError("give --speech and --noise, or --name NAME and one DIR|LIST of that source alone")
    output = Path(args.output)
    if output.suffix != ".npz":
        raise NmfaudioError(f"{output}: a dictionary's file name must end in .npz")
    if output.exists() and not args.overwrite:
        raise NmfaudioError(f"{output}: exists; choose another name or give --overwrite")
    if not output.parent.is_dir():
        raise NmfaudioError(f"{output.parent}: no such folder to write the dictionary to")
    from ..dictionary import Dictionary, FrontEnd, model_card
    from ..training.corpus import Corpus

    front_end = FrontEnd(exponent=0.6)
    sources = {args.name: args.sound} if args.name else {"speech": args.speech, "noise": args.noise}
    sr = _highest_rate(args.sound) if args.name else front_end.sr
    corpora = {name: Corpus(source, sr) for name, source in sources.items()}
    if not args.quiet:
        for name, corpus in corpora.items():
            say(f"{name}: {len(corpus.files)} files, {corpus.hours * 60:.1f} min")
    began = time.monotonic()
    train: Callable[..., Dictionary] = _source if args.name else _sparse if args.kind == "sparse" else _unfolded
    dictionary = train(args, *corpora.values(), front_end)
    command = shlex.join(["nmfaudio", "train", *sys.argv[2:]])
    record = {
        **dictionary.record,
        **{name: _summary(corpus) for name, corpus in corpora.items()},
        "note": args.note,
        "seed": args.seed,
        "command": command,
        "hours": round((time.monotonic() - began) / 3600, 3),
    }
    replace(dictionary, record=record).save(output, compact=dictionary.kind == "unfolded")
    card = output.with_suffix(".md")
    card.write_text(model_card(Dictionary.load(output)))
    if not args.quiet:
        say(f"{output}: {output.stat().st_size / 1e6:.2f} MB, described in {card}")
    return OK


def _summary(corpus: "Corpus") -> dict:
    folders = sorted({path.parent.name for path in corpus.files})
    return {"source": corpus.source, "files": len(corpus.files), "hours": round(corpus.hours, 3), "folders": folders}


def _highest_rate(source: str) -> int:
    from .. import audio
    from ..training.corpus import list_files

    return max(audio.info(path).sr for path in list_files(source))


def _source(args: argparse.Namespace, corpus: "Corpus", front_end: "FrontEnd") -> "Dictionary":
    import numpy as np

    from ..training.source import train_dictionary

    recordings, left_s = [], _MOST_HEARD_S
    for y in corpus.blocks(np.random.default_rng(args.seed)):
        recordings.append(y)
        left_s -= len(y) / corpus.sr
        if left_s <= 0:
            break
    return train_dictionary(
        args.name,
        recordings,
        corpus.sr,
        n_atoms=args.atoms,
        n_taps=args.taps,
        window_s=args.window,
        seed=args.seed,
    )


def _sparse(args: argparse.Namespace, speech: "Corpus", noise: "Corpus", front_end: "FrontEnd") -> "Dictionary":
    from ..dictionary import Dictionary
    from ..training.build import spectrograms
    from ..training.sparse import train_sparse

    heard_s = {name: max(c.hours * 3600, _LEAST_HEARD_S) for name, c in (("speech", speech), ("noise", noise))}
    with Progress("training", not args.quiet) as progress:

        def show(name: str, frames: int, objective: float) -> None:
            progress((0.5 if name == "noise" else 0.0) + 0.5 * min(1, frames * front_end.hop_s / heard_s[name]))

        arrays = train_sparse(
            spectrograms(speech, front_end, args.seed, heard_s["speech"]),
            spectrograms(noise, front_end, args.seed + 1, heard_s["noise"]),
            seed=args.seed,
            progress=show,
        )
    return Dictionary("sparse", arrays, front_end, {"mask_power": 1.6})  # measured best on development mixtures


def _unfolded(args: argparse.Namespace, speech: "Corpus", noise: "Corpus", front_end: "FrontEnd") -> "Dictionary":
    from threadpoolctl import threadpool_limits

    from ..decompose.unfolded import stages_of
    from ..dictionary import Dictionary
    from ..training.build import build_unfolded, mixers
    from ..training.corpus import Corpus
    from ..training.discriminative import Objective, coarse_matmul
    from ..training.presets import PRESETS
    from ..training.unfolded import Schedule

    preset = PRESETS[args.kind]
    n_stages = len(preset.contexts)
    steps = args.steps or [Schedule.steps]
    if len(steps) not in (1, n_stages) or min(steps) < 1:
        raise NmfaudioError(f"--steps {' '.join(map(str, steps))}: give one positive number, or one for each stage")
    schedules = [Schedule(steps=n) for n in (steps * n_stages if len(steps) == 1 else steps)]
    dev_speech = Corpus(args.dev_speech, front_end.sr) if args.dev_speech else speech
    dev_noise = Corpus(args.dev_noise, front_end.sr) if args.dev_noise else noise
    mixer, dev_mixer = mixers(speech, noise, dev_speech, dev_noise, front_end, args.seed)

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
            seed=args.seed,
            checkpoint=args.checkpoint,
            report=report,
            **({"matmul": coarse_matmul()} if args.bf16 else {}),
        )


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text) > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)


def _window(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.005 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.005 to 1")
    return value
