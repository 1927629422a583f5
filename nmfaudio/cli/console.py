"""Errors in one line, and progress, on stderr."""

from __future__ import annotations

import argparse
import atexit
import gc
import io
import os
import re
import shlex
import shutil
import signal
import sys
import textwrap
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import NmfaudioError
from ..suggestions import suggestion

OK, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
_NO_MEMORY = "not enough memory: give less sound at a time, or smaller numbers"


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one line, whose help keeps its lines, and which shows its help if nothing is given.

    Parameters
    ----------
    examples
        Command lines to show at the end of the help.
    options
        Arguments of ArgumentParser.
    """

    def __init__(self, *, examples: Iterable[str] = (), epilog: str | None = None, **options: Any) -> None:
        self.examples = list(examples)
        lines = "\n".join(["examples:", *(f"  {line}" for line in self.examples)]) if self.examples else None
        epilog = "\n\n".join(filter(None, (epilog, lines)))
        super().__init__(formatter_class=_Help, epilog=epilog, **options)
        self._mixing = False

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments, and keep them as they were given."""
        given = sys.argv[1:] if args is None else args
        parsed = super().parse_args(given, namespace)
        parsed.command_line = shlex.join([self.prog, *given])
        return parsed

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments; one that a subcommand does not know is that one's error, with its --help."""
        if self._mixing:
            return super().parse_known_args(args, namespace)
        if not args and any(action.required for action in self._actions):
            self.print_help()
            self.exit(OK)
        args = self._in_order(args)
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown and not self._subparsers:
            self._mixing = True
            try:  # INPUT, options, OUTPUT: OUTPUT may be left out, so that it is not waited for
                parsed, unknown = self.parse_known_intermixed_args(self._in_order(_undashed(args)), namespace)
            finally:
                self._mixing = False
        if unknown:
            options = (suggestion(arg.partition("=")[0], self._option_string_actions) for arg in unknown)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{next(filter(None, options), '')}")
        return parsed, unknown

    def _in_order(self, args: list[str]) -> list[str]:
        """Move options whose value is left out behind the files, one of which would be taken for the value."""
        last = args.index("--") if "--" in args else len(args)
        actions = [self._option_string_actions.get(arg) for arg in args[:last]]
        bare = [i for i, action in enumerate(actions[:-1]) if action and action.nargs == "?" and _is_file(args[i + 1])]
        rest = [arg for i, arg in enumerate(args[:last]) if i not in bare]
        return [*rest, *(args[i] for i in bare), *args[last:]]

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and exit."""
        if choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            message += suggestion(choice[1], re.split(", ", choice[2].replace("'", "")))
        say(f"{self.prog}: error: {message} (see {self.prog} --help)")
        self.exit(BAD_INPUT)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help or the version at once, where an error of it is seen: argparse passes over it."""
        print(message, end="", file=file, flush=True)


def _undashed(args: list[str]) -> list[str]:
    """Write the files behind "--" so that they are not taken for options without it."""
    last = args.index("--") if "--" in args else len(args)
    return args[:last] + [f"./{name}" if name.startswith("-") and name != "-" else name for name in args[last + 1 :]]


def _is_file(text: str) -> bool:
    """Tell a file's name from a number."""
    try:
        float(text)
        return False
    except ValueError:
        return os.path.splitext(text)[1] != ""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help of at most 80 columns: short usage, names of an option before its value, defaults at the end."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=min(80, shutil.get_terminal_size((80, 24)).columns))

    def _format_usage(self, usage: Any, actions: Any, groups: Any, prefix: Any) -> str:
        if usage is None:
            needed = [action for action in actions if action.option_strings and action.required]
            values = [action for action in actions if not action.option_strings]
            words = [self._format_args(action, action.dest) for action in values]
            words += [f"{action.option_strings[0]} {self._format_args(action, action.dest)}" for action in needed]
            words = [self._prog, *["[options]"] * (len(actions) > len(words)), *words]
            usage = textwrap.fill(" ".join(words), self._width - 7, subsequent_indent=" " * 9)
        return super()._format_usage(usage, actions, groups, prefix)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        names = ", ".join(action.option_strings)
        if not names or action.nargs == 0:
            return names or super()._format_action_invocation(action)
        return f"{names} {self._format_args(action, action.dest.upper())}"

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        shown = action.option_strings and action.nargs != 0 and action.default not in (None, argparse.SUPPRESS, "", [])
        return f"{text} (default: %(default)s)" if shown and "default:" not in text else text


def call(prog: str, run: Callable[[], int]) -> int:
    """Run a command and give its exit code; an error that the user can mend is one line on stderr.

    The program ends by way of all clean-up when it is interrupted, told to stop, or its terminal is closed.
    """
    atexit.register(gc.freeze)  # no search for garbage in all that Numba has loaded, which took a tenth of a second
    _open_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files go out as they are, Unicode or not

    def started() -> int:
        _check_folder()
        return run()

    code = _attempt(prog, started)
    return _attempt(prog, sys.stdout.flush) or code or OK  # here, where an error of it is seen


def _attempt(prog: str, act: Callable[[], int | None]) -> int | None:
    """Return what a function returns, or say its error and return the exit code."""
    try:
        with _tidy_end() as told:
            try:
                return act()
            except Exception as error:
                if told:  # the compiler and other libraries swallow an interruption, and fail because of it
                    raise KeyboardInterrupt from error
                raise
    except NmfaudioError as error:
        say(f"{prog}: error: {error}")
        return BAD_INPUT
    except BrokenPipeError:  # who reads stdout has enough, as `head` at some point
        forget_stdout()
        return OK
    except OSError as error:
        where = error.filename
        try:
            sys.stdout.flush()
        except OSError:
            forget_stdout()
            where = where or "standard output"
        say(f"{prog}: error: {': '.join(str(part) for part in (where, error.strerror or error) if part)}")
        return BAD_INPUT
    except MemoryError:
        say(f"{prog}: error: {_NO_MEMORY}")
        return BAD_INPUT
    except KeyboardInterrupt:
        say(f"{prog}: interrupted")
        return INTERRUPTED


def _check_folder() -> None:
    """Refuse to work in a folder that was deleted, of which every name of a file would be an error."""
    try:
        os.getcwd()
    except OSError as error:
        name = os.environ.get("PWD", "the working folder")
        raise NmfaudioError(f"{name}: cannot work in this folder ({error.strerror}): cd to one that exists") from None


def _open_streams() -> None:
    """Put the null device in the place of streams that are closed: the next file would take their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))


def forget_stdout() -> None:
    """Let go of standard output that nobody reads, about which Python would complain at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _tidy_end() -> Iterator[list[int]]:
    """Interrupt what runs at each signal that ends a program; give a list of those that have come.

    One that is ignored stays so: by nohup it is that of a closed terminal, in the background of a script Ctrl-C.
    """
    told: list[int] = []

    def interrupt(number: int, _: object) -> None:
        told.append(number)
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    heeded = [number for number in numbers if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    former = {number: signal.signal(number, interrupt) for number in heeded}
    try:
        yield told
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def printable(text: str) -> str:
    r"""Spell out the characters that a terminal would obey.

    Examples
    --------
    >>> printable("a\tb\x1b[31m") == r"a\tb\x1b[31m"
    True
    """
    return "".join(repr(c)[1:-1] if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)


def naming(message: str, *files: str) -> str:
    """Let a message begin with the name of a file: of one of these, as it does already, or else of the first.

    Examples
    --------
    >>> naming("not enough memory: give less sound at a time", "talk.wav")
    'talk.wav: not enough memory: give less sound at a time'
    """
    return message if message.startswith(tuple(f"{file}: " for file in files)) else f"{files[0]}: {message}"


def explained(error: Exception, files: list[str], where: str) -> str:
    """Say in a line that names a file why one of many could not be done.

    Parameters
    ----------
    error
        Error of any kind.
    files
        Names that may begin the line: that of the input, and others that an error may be about.
    where
        How to see where in the program an error arose that nobody expected.

    Examples
    --------
    >>> explained(KeyError("x"), ["talk.wav"], "-v shows where")
    "talk.wav: unexpected KeyError: 'x' (-v shows where)"
    """
    if isinstance(error, OSError):
        return f"{error.filename or files[0]}: {error.strerror or error}"
    if isinstance(error, NmfaudioError):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = _NO_MEMORY
    else:
        text = f"unexpected {type(error).__name__}: {error} ({where})"
    return naming(text, *files)


def say(line: str) -> None:
    """Print a line on stderr, above a progress bar if there is one; what a terminal would obey is spelled out."""
    line = printable(line)
    with suppress(OSError):  # nobody reads it, or its disk is full: no reason to stop
        if "tqdm" in sys.modules:
            sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
            sys.stderr.flush()
        else:
            print(line, file=sys.stderr, flush=True)


_BAR = "[{bar:20}] {percentage:3.0f} %  {desc}"


@contextmanager
def progress_bar(label: str = "", shown: bool = True) -> Iterator[Callable[..., None]]:
    """Show a progress bar with the time left on stderr, where that is a terminal.

    Parameters
    ----------
    label
        Name of the work.
    shown
        False for no bar.

    Yields
    ------
    progress
        Function to call with the part that is done, from 0 to 1, and a new label if there is one.
    """
    if not (shown and sys.stderr.isatty()):
        yield lambda part, label="": None
        return
    with _bar(1.0, _BAR + "  {remaining} left") as bar:

        def progress(part: float, label: str = "") -> None:
            if label:
                bar.set_description_str(_fitting(label), refresh=False)
            bar.update(part - bar.n)

        progress(0.0, label)
        bar.refresh()
        yield progress


@dataclass
class Compilation:
    """Number of kernels that were compiled so far, and the seconds that it took."""

    n_kernels: int = 0
    seconds: float = 0.0


@contextmanager
def compilation_bar(shown: bool = True, n_kernels: int = 13) -> Iterator[Compilation]:
    """Say on stderr, with a bar of its own, when kernels are compiled, where that is a terminal.

    Parameters
    ----------
    shown
        False for no bar.
    n_kernels
        Kernels that are expected; 13 is what the dictionary "speech" needs.

    Yields
    ------
    compilation
    """
    from ..kernels.compilation import watched

    compilation = Compilation()
    visible = shown and sys.stderr.isatty()
    bars = ExitStack()
    depth, since = 0, 0.0  # kernels that call others compile them meanwhile

    def begun(kept: bool) -> None:
        nonlocal depth, since
        if not depth:
            since = time.perf_counter()
            if visible:
                once = "compiling for this machine, once" if kept else "compiling (nmfaudio warmup says why each time)"
                bar = bars.enter_context(_bar(max(n_kernels, compilation.n_kernels + 1), _BAR))
                bar.set_description_str(once, refresh=False)
                bar.update(compilation.n_kernels)
                bar.refresh()
        depth += 1

    def ended() -> None:
        nonlocal depth
        depth -= 1
        compilation.n_kernels += 1
        if not depth:
            compilation.seconds += time.perf_counter() - since
            bars.close()

    with bars, watched(begun, ended):
        yield compilation


_LOCK = threading.RLock()  # that of tqdm is one of processes, which starts another process


def _bar(total: float, layout: str) -> Any:
    from tqdm import tqdm

    tqdm.set_lock(_LOCK)
    return tqdm(total=total, bar_format=layout, leave=False, dynamic_ncols=True, ascii=" #")


def _fitting(label: str) -> str:
    """Shorten a label so that it and the bar fit in one line, for a line that wraps is not erased."""
    label = printable(label)
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        columns = 80
    room = max(10, columns - 48)
    return label if len(label) <= room else f"...{label[3 - room :]}"
