"""`nmfaudio train`: make a dictionary from folders or lists of speech and noise, or of any one source."""

import argparse
from typing import Any

from .console import OK, compilation_bar, progress_bar, say
from .options import add_workers, count, number, seed

KINDS = ("sparse", "file", "file-fast", "causal", "causal-fast")
SOUND = """DIR|LIST is a folder of sound files, or a text file with one path or address
(s3://...) a line."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "train",
        description="Make a dictionary from your own recordings.",
        examples=[
            "nmfaudio train adapt speech --noise my_noise/ -o mine.npz",
            "nmfaudio train source piano recordings/ -o piano.npz",
        ],
    )
    actions = parser.add_subparsers(dest="action", metavar="WHAT", title="what to make", required=True)
    _add_denoiser(
        actions.add_parser(
            "denoiser",
            help="a dictionary of speech and noise",
            description=f"Train a dictionary of speech and noise.\n{SOUND}\n"
            "At the end it is compared with the shipped one on held-out sound.",
            epilog="A sparse dictionary takes minutes. The other kinds are trained for the mask, on\n"
            "mixtures made during the training, and take hours. With --checkpoint an\n"
            "interrupted training can be continued.",
            examples=[
                "nmfaudio train denoiser --speech voices/ --noise noises/ -o mine.npz",
                "nmfaudio train denoiser --kind causal --speech s.txt --noise n.txt -o c.npz",
            ],
        )
    )
    _add_adapt(
        actions.add_parser(
            "adapt",
            help="a shipped dictionary fitted to your noise or voice",
            description="Fit a dictionary to half a minute of a noise, a minute of a voice, or both.\n"
            f"{SOUND}\nAt the end it is compared with the dictionary that it was made from.",
            examples=[
                "nmfaudio train adapt speech --noise my_noise/ -o mine.npz",
                "nmfaudio train adapt speech-causal --speech me/ --noise room/ -o mine.npz",
            ],
        )
    )
    _add_source(
        actions.add_parser(
            "source",
            help="a dictionary of one source, for nmfaudio separate",
            description=f"Train a dictionary of any one source, for `nmfaudio separate`.\n{SOUND}",
            examples=[
                "nmfaudio train source piano recordings/ -o piano.npz",
                "nmfaudio train source drums loops/ --taps 8 -o drums.npz",
            ],
        )
    )


def _add_denoiser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--speech", required=True, metavar="DIR|LIST", help="the cleanest speech you have")
    add("--noise", required=True, metavar="DIR|LIST", help="noise without speech")
    _add_output(parser)
    add("--kind", choices=KINDS, default="sparse", metavar="KIND", help=f"{', '.join(KINDS)}")
    add("--checkpoint", metavar="FILE", help="save the state here, and continue from it")
    _add_held_out(parser)
    sparse = parser.add_argument_group("kind sparse")
    sparse.add_argument("--tune", action="store_true", help="choose atoms and penalty on held-out sound; draw OUT.png")
    add = parser.add_argument_group("other kinds, which also check their progress on held-out sound").add_argument
    add(
        "--steps",
        type=count,
        nargs="+",
        metavar="N",
        help="batches of each stage (default: 30000); a number more is that of all stages together, at the end",
    )
    add("--first", metavar="DICTIONARY", help="keep the stages of this dictionary, and train only those after them")
    add("--start", metavar="DICTIONARY", help="continue from the stages of this dictionary")
    add("--bf16", action="store_true", help="faster, coarser matrix products (needs torch)")


def _add_adapt(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("dictionary", metavar="NAME", help="dictionary to start from, by name or path")
    add("--noise", metavar="DIR|LIST", help="your noise, without speech")
    add("--speech", metavar="DIR|LIST", help="your voice, as clean as possible")
    _add_output(parser)
    _add_held_out(parser)


def _add_source(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="name of the source: piano, drums, a speaker, ...")
    add("sound", metavar="DIR|LIST", help="recordings of it alone; five minutes are used")
    _add_output(parser)
    window = number("a number of seconds from 0.005 to 1", 0.005, 1)
    add("--atoms", type=count, default=80, metavar="K", help="number of atoms")
    add("--taps", type=count, default=1, metavar="T", help="frames of an atom; 8 for drums")
    penalty = number("a penalty from 0 to 100", 0, 100)
    add("--penalty", type=penalty, default=0.2, metavar="P", help="L1 penalty; 1 for voices")
    add("--window", type=window, default=0.064, metavar="SECONDS", help="length of a frame")


def _add_output(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-o", "--output", required=True, metavar="OUT.npz", help="dictionary to write")
    add("--overwrite", action="store_true", help="replace OUT.npz and its card if they exist")
    add("--note", default="", metavar="TEXT", help="text for the model card: corpora, licences")
    add("--seed", type=seed, default=0, metavar="N", help="seed of random numbers")
    add("-q", "--quiet", action="store_true", help="print errors and a bad verdict only")
    add_workers(parser)


def _add_held_out(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("held out, to compare on (a fifth of the sound, 4 minutes at most)").add_argument
    add("--dev-speech", metavar="DIR|LIST", help="speech that is not trained on")
    add("--dev-noise", metavar="DIR|LIST", help="noise that is not trained on")


def run(args: argparse.Namespace) -> int:
    """Train, write, compare; return the exit code."""
    from ..compute.processes import workers
    from ..training.session import adapt_denoiser, train_denoiser, train_source

    with compilation_bar(not args.quiet), workers(args.jobs, args.scheduler) as each:
        common: dict[str, Any] = {
            "random_state": args.seed,
            "note": args.note,
            "command": args.command_line,
            "overwrite": args.overwrite,
            "each": each,
            "report": (lambda line: None) if args.quiet else say,
        }
        if args.action == "source":
            sizes = {"n_components": args.atoms, "n_taps": args.taps, "penalty": args.penalty}
            sizes |= {"window_s": args.window}
            train_source(args.name, args.sound, args.output, **sizes, **common)
            return OK
        common |= {"dev_speech": args.dev_speech, "dev_noise": args.dev_noise}
        if args.action == "adapt":
            trained = adapt_denoiser(args.dictionary, args.output, speech=args.speech, noise=args.noise, **common)
        else:
            with progress_bar("training", not args.quiet and args.kind == "sparse") as progress:
                trained = train_denoiser(
                    args.speech,
                    args.noise,
                    args.output,
                    kind=args.kind,
                    tune=args.tune,
                    steps=args.steps,
                    first=args.first,
                    start=args.start,
                    bf16=args.bf16,
                    checkpoint=args.checkpoint,
                    progress=progress,
                    **common,
                )
    for title, found in trained.comparisons.items():
        if not args.quiet:
            print(f"{title}:\n\n{found.text()}\n", flush=True)
        if not args.quiet or found.is_worse:
            say(f"verdict: {found.verdict}")
    if trained.no_verdict:
        say(f"verdict: {trained.no_verdict}")
    return OK
