"""Write files whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import NmfaudioError


@contextmanager
def replacing(path: str | os.PathLike[str], kind: type[NmfaudioError] = NmfaudioError) -> Iterator[Path]:
    """Give a path to write to, beside `path`, and rename it at the end; if anything fails nothing is left behind.

    Parameters
    ----------
    path : path
        File to write; one that exists is replaced at the end.
    kind : type
        Error to raise.

    Yields
    ------
    temporary : Path
        New empty file with a random name and the suffix of `path`.

    Raises
    ------
    NmfaudioError
        If the folder is missing or cannot be written.

    Examples
    --------
    >>> from nmfaudio.files import replacing
    >>> def keep(text):
    ...     with replacing("notes.txt") as temporary:
    ...         temporary.write_text(text)
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(6)}{target.suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise kind(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):  # the folder is not writable or gone: then there is no file either
            temporary.unlink(missing_ok=True)
