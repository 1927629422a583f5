"""List sound files."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..arguments import checked
from ..errors import AudioError
from ..folders import walk
from .formats import SUFFIXES
from .reading import locate


@checked
def list_files(source: str | os.PathLike[str]) -> list[Path]:
    """List the sound files in a folder and below it, or in a text file (UTF-8) with one path a line.

    Parameters
    ----------
    source : path
        A folder, in which links are followed and hidden files left out; one sound file; or a list. Relative paths in
        a list start at the list's folder, empty lines and lines that begin with ``#`` are skipped. Each may be an
        address such as ``s3://bucket/voices``; see :func:`nmfaudio.audio.locate`.

    Returns
    -------
    list of Path
        Sorted for a folder, in the order of the lines for a list.

    Raises
    ------
    AudioError
        If the source does not exist, names no sound file, or has a folder that cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("b.wav", "a.flac", "notes.txt"):
    ...         Path(folder, name).touch()
    ...     [path.name for path in list_files(folder)]
    ['a.flac', 'b.wav']
    """
    path = locate(source)
    if path.is_dir():
        local = isinstance(path, type(Path()))  # others have no links
        found = walk(path, trouble=_refuse) if local else _remote(path)
        files = sorted(p for p in found if p.suffix.lower() in SUFFIXES and p.is_file())
    elif path.suffix.lower() in SUFFIXES and path.is_file():
        files = [path]
    elif path.is_file():
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        except UnicodeDecodeError:
            raise AudioError(f"{path}: neither a folder, a sound file nor a text file with one path a line") from None
        named = [line for line in lines if line and not line.startswith("#")]
        files = [locate(line) if "://" in line else path.parent / line for line in named]
        missing = [p for p in files if not p.is_file()]
        if missing:
            raise AudioError(
                f"{path}: names {missing[0]}, which does not exist ({len(missing)} of {len(files)} are missing)"
            )
    else:
        raise AudioError(f"{path}: no such folder, sound file or list")
    if not files:
        raise AudioError(f"{path}: no sound files in it")
    return files


def _remote(top: Path) -> Iterator[Path]:
    """Find the files below an address, without hidden ones."""
    for path in top.rglob("*"):
        if not any(name.startswith(".") for name in path.relative_to(top).parts):
            yield path


def _refuse(path: Path, reason: str) -> None:
    raise AudioError(f"{path}: {reason}")
