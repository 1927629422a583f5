"""`nmfaudio completion`: what a shell needs to complete commands, options and names."""

import argparse
import re
from collections.abc import Iterator
from typing import Any

import shtab

from ..dictionary import available
from . import denoise
from .console import OK

SHELLS = ("bash", "zsh", "fish")
DESCRIPTION = """Print what a shell needs to complete the commands `nmfaudio` and `denoise`. Put
the line of your shell into ~/.bashrc, ~/.zshrc (after compinit) or
~/.config/fish/config.fish."""
EXAMPLES = (
    'eval "$(nmfaudio completion bash)"',
    'eval "$(nmfaudio completion zsh)"',
    "nmfaudio completion fish | source",
)

_OF_FILES = re.compile("FILE|DIR|FOLDER|DICT|INPUT|OUT|SONG|WHAT")


def add_parser(subparsers: Any) -> None:
    """Add the command to those of `nmfaudio`."""
    parser = subparsers.add_parser("completion", description=DESCRIPTION, examples=EXAMPLES)
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}")


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    from .main import SUBCOMMANDS, build_parser

    whole = build_parser()
    commands = next(action for action in whole._actions if isinstance(action, argparse._SubParsersAction))
    for name, summary in SUBCOMMANDS.items():  # shtab passes over commands without a summary
        commands._choices_actions.append(commands._ChoicesPseudoAction(name, (), summary))
    for parser in (whole, denoise.build_parser()):
        for action in _actions(parser):
            _complete(action)
        print(shtab.complete(parser, args.shell))
    return OK


def _actions(parser: argparse.ArgumentParser) -> Iterator[Any]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)


def _complete(action: Any) -> None:
    """Say what may be the value of an argument: one of few words, or the name of a file, as its name says."""
    if action.help == argparse.SUPPRESS:  # shtab passes over arguments without help
        action.help = action.metavar
    if action.dest == "dictionary" and action.nargs != 0:
        action.choices = list(available())
    elif action.nargs != 0 and not action.choices and _OF_FILES.search(action.metavar or ""):
        action.complete = shtab.FILE
