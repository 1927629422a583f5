"""Standard input, standard output and named pipes in the place of files."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import AudioError, NmfaudioError
from ..files import PathLike, is_device, is_full
from .console import forget_stdout


@contextmanager
def readable(source: str) -> Iterator[PathLike]:
    """Give the file to read: a copy of standard input or of a pipe, as sound files need seeking."""
    if source != "-" and not is_device(source):
        yield source
        return
    name = "standard input" if source == "-" else source
    with _temporary(name) as copy:
        try:
            with copy.open("wb") as f:
                if source == "-":
                    if sys.__stdin__ is None:
                        raise AudioError("standard input: is closed")
                    if sys.stdin.isatty():
                        raise AudioError("standard input: nothing is piped in")
                    shutil.copyfileobj(sys.stdin.buffer, f)
                else:
                    if not stat.S_ISFIFO(os.stat(source).st_mode):
                        raise AudioError(f"{source}: is a device, not a sound file or a pipe")
                    with open(source, "rb") as pipe:
                        shutil.copyfileobj(pipe, f)
        except OSError as error:
            remedy = ": make room there, or set TMPDIR to another folder" if is_full(error) else ""
            folder = tempfile.gettempdir()
            raise AudioError(f"{name}: cannot be copied to {folder} ({error.strerror or error}){remedy}") from error
        yield copy


@contextmanager
def writable(target: str) -> Iterator[Path]:
    """Give the file to write; for standard output it is copied there when it is whole.

    Who reads it may stop when they have enough, as `head` does.
    """
    if target != "-":
        yield Path(target)
        return
    if sys.__stdout__ is None:
        raise AudioError("standard output: is closed")
    with _temporary("standard output") as whole:
        yield whole
        try:
            with whole.open("rb") as f:
                shutil.copyfileobj(f, sys.stdout.buffer)
                sys.stdout.buffer.flush()
        except BrokenPipeError:
            forget_stdout()
        except OSError as error:
            forget_stdout()
            raise AudioError(f"{whole}: cannot be written ({error.strerror})") from error


@contextmanager
def _temporary(name: str) -> Iterator[Path]:
    """Give a file for a while; error messages call it by the name that the user knows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sound")
        try:
            yield path
        except NmfaudioError as error:
            raise type(error)(str(error).replace(str(path), name)) from error
