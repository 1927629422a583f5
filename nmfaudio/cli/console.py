"""What the commands share: errors in one line, progress, times."""

from __future__ import annotations

import argparse
import atexit
import gc
import io
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and exit."""
        self.exit(BAD_INPUT, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=min(110, shutil.get_terminal_size((100, 24)).columns))


def call(prog: str, run: Callable[[], int]) -> int:
    """Run a command and give its exit code; an error that the user can mend is one line on stderr.

    The program ends by way of all clean-up when it is interrupted, told to stop, or its terminal is closed.
    """
    atexit.register(gc.freeze)  # no search for garbage in all that Numba has loaded, which took a tenth of a second
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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain at its end
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


def spare(path: str | os.PathLike[str], overwrite: bool) -> None:
    """Refuse to write over what exists, unless asked to.

    Raises
    ------
    NmfaudioError
        If it exists.
    """
    if os.path.lexists(path) and not overwrite:
        raise NmfaudioError(f"{path}: exists already: give --overwrite to replace it")


def say(line: str) -> None:
    """Print a line on stderr."""
    print(line, file=sys.stderr, flush=True)


class Progress:
    """Progress bar on stderr, where that is a terminal.

    Parameters
    ----------
    label
        What goes on.
    shown
        False for none at all.
    """

    def __init__(self, label: str, shown: bool = True) -> None:
        self.label = label
        self._shown = shown and sys.stderr.isatty()
        self._drawn_at = 0.0

    def __enter__(self) -> Progress:
        """Begin."""
        return self

    def __call__(self, part: float) -> None:
        """Draw the bar for what is done, a number from 0 to 1."""
        now = time.monotonic()
        if not self._shown or now - self._drawn_at < 0.1:
            return
        self._drawn_at = now
        columns = shutil.get_terminal_size().columns
        bar = "#" * round(20 * part)
        line = f"[{bar:<20}] {100 * part:3.0f} %  {self.label}"
        sys.stderr.write(f"\r{line[: columns - 1]}\x1b[K")
        sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        """Wipe the bar."""
        if self._drawn_at:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def seconds(text: str) -> float:
    """Parse a time: seconds, m:ss or h:mm:ss, all with decimals where wanted.

    Examples
    --------
    >>> seconds("90.5"), seconds("1:30.5"), seconds("1:00:00")
    (90.5, 90.5, 3600.0)
    """
    parts = [float(part) for part in text.split(":")]
    if len(parts) > 3 or not all(0 <= part < float("inf") for part in parts) or any(part >= 60 for part in parts[1:]):
        raise ValueError(text)
    return sum(part * 60**i for i, part in enumerate(reversed(parts)))


def decibels(text: str) -> float:
    """Parse an attenuation limit."""
    return _number(text, "a number of decibels from 0 to 1000", 0, 1000)


def strength(text: str) -> float:
    """Parse a strength."""
    return _number(text, "a strength from 0 to 10", 0, 10)


def count(text: str) -> int:
    """Parse a number of things."""
    if not text.isdecimal() or not int(text) > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)


def seed(text: str) -> int:
    """Parse a seed of random numbers."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed: give a whole number from 0 up")
    return int(text)


def add_workers(parser: Any) -> None:
    """Add where work is done, which all commands on many files can be told; see `nmfaudio.compute.processes`."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-j", "--jobs", type=count, default=1, metavar="N", help="work in N processes (1)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="work on a Dask cluster: tcp://host:8786")


def seen_elsewhere(path: Any) -> Any:
    """Full path of a file, for workers that were started in another folder; what names no file stays as it is."""
    return os.path.abspath(path) if isinstance(path, (str, os.PathLike)) and os.path.isfile(path) else path


def _number(text: str, what: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value
