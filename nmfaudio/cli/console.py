"""Errors in one line, and progress, on stderr."""

from __future__ import annotations

import argparse
import atexit
import difflib
import gc
import io
import os
import re
import shlex
import shutil
import signal
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from ..errors import NmfaudioError

OK, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one line and whose help keeps its lines."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, **options)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments, and keep them as they were given."""
        given = sys.argv[1:] if args is None else args
        parsed = super().parse_args(given, namespace)
        parsed.command_line = shlex.join([self.prog, *given])
        return parsed

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments; one that a subcommand does not know is that one's error, with its --help."""
        if not args and self._subparsers is not None:
            self.print_help()
            self.exit(OK)
        parsed, unknown = super().parse_known_args(self._in_order(args), namespace)
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
        self.exit(BAD_INPUT, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Ask whether one of the known names was meant, if one is like this one.

    Examples
    --------
    >>> suggestion("denose", ["denoise", "train"])
    ': did you mean denoise?'
    """
    names = {other.lstrip("-"): other for other in known}
    like = difflib.get_close_matches(name.lstrip("-"), names, 1, cutoff=0.8)
    return f": did you mean {names[like[0]]}?" if like else ""


def _is_file(text: str) -> bool:
    """Tell a file's name from a number."""
    try:
        float(text)
        return False
    except ValueError:
        return os.path.splitext(text)[1] != ""


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=min(110, shutil.get_terminal_size((100, 24)).columns))


def call(prog: str, run: Callable[[], int]) -> int:
    """Run a command and give its exit code; an error that the user can mend is one line on stderr.

    The program ends by way of all clean-up when it is interrupted, told to stop, or its terminal is closed.
    """
    atexit.register(gc.freeze)  # no search for garbage in all that Numba has loaded, which took a tenth of a second
    _open_streams()
    out = sys.stdout if isinstance(sys.stdout, io.TextIOWrapper) else None
    if out is not None:
        out.reconfigure(errors="surrogateescape")  # names of files go out as they are, Unicode or not
    try:
        with _tidy_end():
            code = run()
            if out is not None:
                out.flush()  # here, where an error of it is seen
            return code
    except NmfaudioError as error:
        say(f"{prog}: error: {error}")
        return BAD_INPUT
    except BrokenPipeError:  # who reads stdout has enough, as `head` at some point
        forget_stdout()
        return OK
    except OSError as error:
        say(f"{prog}: error: {': '.join(str(part) for part in (error.filename, error.strerror or error) if part)}")
        return BAD_INPUT
    except MemoryError:
        say(f"{prog}: error: not enough memory: give less sound at a time")
        return BAD_INPUT
    except KeyboardInterrupt:
        say(f"{prog}: interrupted")
        return INTERRUPTED


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
def _tidy_end() -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        names = []
    former = {number: signal.signal(number, interrupt) for number in (getattr(signal, name) for name in names)}
    try:
        yield
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


def say(line: str) -> None:
    """Print a line on stderr, above a progress bar if there is one; what a terminal would obey is spelled out."""
    line = printable(line)
    with suppress(OSError):  # nobody reads it, or its disk is full: no reason to stop
        if "tqdm" in sys.modules:
            sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
            sys.stderr.flush()
        else:
            print(line, file=sys.stderr, flush=True)


@contextmanager
def progress_bar(label: str, shown: bool = True) -> Iterator[Callable[[float], None]]:
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
        Function to call with the part that is done, from 0 to 1.
    """
    if not (shown and sys.stderr.isatty()):
        yield lambda part: None
        return
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # its own is one of processes, which starts another process
    layout = "[{bar:20}] {percentage:3.0f} %  {desc}  {remaining} left"
    with tqdm(total=1.0, bar_format=layout, leave=False, dynamic_ncols=True, ascii=" #") as bar:
        bar.set_description_str(printable(label))
        yield lambda part: bar.update(part - bar.n) and None
