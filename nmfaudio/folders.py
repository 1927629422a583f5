"""Walk through folders, and make some that do not stay empty."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def walk(
    top: str | os.PathLike[str],
    *,
    skip: Callable[[Path], bool] = lambda folder: False,
    trouble: Callable[[Path, str], object] = lambda path, reason: None,
) -> Iterator[Path]:
    """Find the files in a folder and below it. Links to folders are followed; each folder is looked into once.

    Hidden files and folders are left out. Real folders come before links, so that files have their own names.

    Parameters
    ----------
    top : path
        Folder to begin at.
    skip : callable
        Called with a folder below, to tell whether it is left out.
    trouble : callable
        Called with what cannot be looked into, and the reason.

    Yields
    ------
    file : Path

    Examples
    --------
    >>> from nmfaudio.folders import walk
    >>> def largest(folder):
    ...     return max(walk(folder), key=lambda path: path.stat().st_size)
    """
    above = {_identity(os.stat(folder)) for folder in Path(os.path.realpath(top)).parents}
    seen: set[tuple[int, int]] = set()
    folders, links = [Path(top)], list[Path]()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        below = []
        try:
            identity = _identity(os.stat(folder))
            if identity in above:
                trouble(folder, f"leads to a folder that {top} is in")
            if identity in seen | above or (folder != Path(top) and skip(folder)):
                continue
            seen.add(identity)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            trouble(folder, f"cannot be read ({error.strerror})")
            continue
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith("."):
                continue
            try:
                is_folder = entry.is_dir()
            except OSError as error:
                trouble(path, f"cannot be read ({error.strerror})")
                continue
            if not is_folder:
                yield path
            elif entry.is_symlink():
                links.append(path)
            else:
                below.append(path)
        folders += reversed(below)


@contextmanager
def not_left_empty(folders: Iterable[str | os.PathLike[str]]) -> Iterator[None]:
    """Remove in the end what is made of these folders, and of those around them, and has nothing in it."""
    missing = set[Path]()
    for folder in set(map(Path, folders)):
        for path in (folder, *folder.parents):
            if path in missing or os.path.exists(path):
                break
            missing.add(path)
    try:
        yield
    finally:
        for path in sorted(missing, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):  # it holds something
                path.rmdir()


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
