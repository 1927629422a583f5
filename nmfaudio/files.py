"""Write files whole or not at all, and only where that is meant."""

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import NmfaudioError

PathLike = str | os.PathLike[str]
"""Name of a file."""

_FULL = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)}


@contextmanager
def replacing(path: PathLike, *, overwrite: bool = True, kind: type[NmfaudioError] = NmfaudioError) -> Iterator[Path]:
    """Give a path to write to, and put the file in its place at the end; if anything fails nothing is left behind.

    The new file lies beside its place, has a name that nobody can guess, and is on the disk before it is renamed.
    It gets the permissions and the owner of the file that it replaces. A device or pipe is written into.

    Parameters
    ----------
    path : path
        File to write. Of a link, the file that it points to.
    overwrite : bool
        Replace a file that exists. If false, one that appears while the new one is written stays, too.
    kind : type
        Error to raise.

    Yields
    ------
    temporary : Path
        New empty file with the suffix of `path`.

    Raises
    ------
    NmfaudioError
        If the file exists and is not to be replaced, or cannot be written: no folder, no permission, a full disk.

    Examples
    --------
    >>> from nmfaudio.files import replacing
    >>> def keep(text):
    ...     with replacing("notes.txt") as temporary:
    ...         temporary.write_text(text)
    """
    try:
        if is_device(path):
            with tempfile.TemporaryDirectory() as folder:
                temporary = Path(folder, f"new{Path(path).suffix}")
                temporary.touch()
                yield temporary
                with suppress(BrokenPipeError), temporary.open("rb") as whole, open(path, "wb") as device:
                    shutil.copyfileobj(whole, device)
            return
        target = Path(os.path.realpath(path))
        with _beside(target, overwrite) as temporary:
            yield temporary
            _settle(temporary, target)
            _rename(temporary, target, overwrite)
    except FileExistsError:
        raise kind(f"{path}: exists already: give --overwrite (in Python overwrite=True) to replace it") from None
    except OSError as error:
        raise kind(f"{path}: cannot be written ({error.strerror or error})") from error


def check_stem(name: str) -> None:
    """Refuse a name that cannot be that of a stem's file.

    Raises
    ------
    NmfaudioError

    Examples
    --------
    >>> check_stem("drums")
    """
    if not name or Path(name).name != name:
        raise NmfaudioError(f"{name!r} cannot be the name of a stem's file: leave out slashes")


def check_output(
    path: PathLike,
    *,
    overwrite: bool = False,
    inputs: Iterable[PathLike] = (),
    kind: type[NmfaudioError] = NmfaudioError,
) -> None:
    """Refuse a place that could not be written, before the work that leads to the file.

    Parameters
    ----------
    path : path
        File to write.
    overwrite : bool
        Allow a file that exists.
    inputs : iterable of path
        Files that must not be replaced, under whatever name.
    kind : type
        Error to raise.

    Raises
    ------
    NmfaudioError
        If the place is a folder, an input, exists already, or is in a folder that is missing or closed.
    """
    for other in inputs:
        if is_same(path, other):
            raise kind(f"{path}: is also the input {other}, which would be lost: choose another name")
    if is_device(path):
        if not os.access(path, os.W_OK):
            raise kind(f"{path}: cannot be written (no permission): choose another place")
        return
    if os.path.isdir(path):
        raise kind(f"{path}: is a folder: give the name of a file")
    if os.path.lexists(path) and not overwrite:
        raise kind(f"{path}: exists already: give --overwrite (in Python overwrite=True) to replace it")
    try:
        with _beside(Path(os.path.realpath(path)), overwrite=True):
            pass
    except OSError as error:
        raise kind(f"{path}: cannot be written ({error.strerror or error}): choose another place") from None


def is_device(path: PathLike) -> bool:
    """Tell whether a path is a device, pipe or socket: something to write into, not to replace."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_full(error: OSError) -> bool:
    """Tell whether an error is of a disk, a quota or a limit that leaves no room."""
    return error.errno in _FULL


def is_same(a: PathLike, b: PathLike) -> bool:
    """Tell whether two paths name one file, by links or in another spelling, or will when it is written."""
    return identity(a) == identity(b)


def identity(path: PathLike) -> tuple[int, int] | str:
    """Return what is equal for all names of a file, whether it is there already or not."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(path))
    return status.st_dev, status.st_ino


def state_of(path: PathLike) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced or written to, and is equal on all machines that share it."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


@contextmanager
def _beside(target: Path, overwrite: bool) -> Iterator[Path]:
    """Create an empty file beside `target`, private until it is as open as the one that it replaces.

    It is removed in the end if it is still there, at whatever moment the work is interrupted.
    """
    exists = os.path.lexists(target)
    if exists and not overwrite:
        raise FileExistsError
    temporary = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")
    ours = True
    try:
        try:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if exists else 0o666))
        except FileExistsError:
            ours = False
            raise
        yield temporary
    finally:
        if ours:
            temporary.unlink(missing_ok=True)


def _settle(temporary: Path, target: Path) -> None:
    """Bring the new file to the disk, with the owner and the permissions of the one that it replaces."""
    with temporary.open("r+b") as file:
        os.fsync(file.fileno())
    with suppress(FileNotFoundError):
        status = target.stat()
        if hasattr(os, "chown"):
            with suppress(OSError):  # none but root can give a file away
                os.chown(temporary, status.st_uid, status.st_gid)
        temporary.chmod(status.st_mode & 0o777)


def _rename(temporary: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, target)
    else:
        try:
            os.link(temporary, target)  # unlike renaming, fails where there is a file by now
        except FileExistsError:
            raise
        except OSError:  # this disk has no links
            if os.path.lexists(target):
                raise FileExistsError from None
            os.rename(temporary, target)
    if os.name == "posix":
        with suppress(OSError):  # not in every folder, and the file is there already
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
