"""The command `nmfaudio`: one subcommand a module of this package."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from importlib import import_module

from .. import __version__
from .console import Parser, call

# Each module has add_parser(subparsers) and run(args) -> int; only the one that is called is imported.
SUBCOMMANDS = {
    "denoise": "take the noise out of speech in sound files",
    "live": "take the noise out of speech from the microphone, live",
    "separate": "separate a song, or any mixture, into stems",
    "repair": "repair gaps, clicks, clipped peaks and lost bands",
    "dictionaries": "list, describe, verify and export dictionaries",
    "train": "make a dictionary from your own recordings",
    "report": "make a page to hear and see what denoising does to a recording",
    "evaluate": "score noisy speech before and after denoising",
    "app": "clean recordings on a page in the browser",
    "warmup": "compile before the first use",
    "completion": "let a shell complete commands and options",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `nmfaudio`; return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    name = [word for word in argv[:1] if word in SUBCOMMANDS]

    def run() -> int:
        args = build_parser(name).parse_args(argv)
        return import_module(f".{args.command}", __package__).run(args)

    return call(" ".join(["nmfaudio", *name]), run)


def build_parser(commands: Collection[str] = SUBCOMMANDS) -> Parser:
    """Make the parser of `nmfaudio`, with the options of the given commands, whose modules are imported."""
    parser = Parser(
        prog="nmfaudio",
        description="Clean noisy speech, separate mixtures, repair recordings.",
        epilog="`nmfaudio COMMAND --help` lists the options of each.",
        examples=["nmfaudio denoise talk.wav", "nmfaudio separate --help"],
    )
    parser.add_argument("--version", action="version", version=f"nmfaudio {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", required=True)
    for name, summary in SUBCOMMANDS.items():
        if name in commands:
            import_module(f".{name}", __package__).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser
