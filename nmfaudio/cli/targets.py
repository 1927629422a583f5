"""Names of outputs, words on them, and folders that hold them."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import soundfile as sf

from ..audio import FORMATS_OF_SUFFIX
from ..errors import NmfaudioError
from ..files import PathLike, is_same
from .console import say

_MARK = ".nmfaudio"  # in folders of outputs that lie below one of inputs, which are no inputs at the next run


def target_of(
    source: str, given: str | None, ending: str, *, format: str | None, in_place: bool, folders: bool = False
) -> str:
    """Return the output that is given or, of a folder, a file in it; if none is given, one beside the input.

    Parameters
    ----------
    source
        File to read.
    given
        Output of the command line.
    ending
        Ending of the name beside the input, before the suffix.
    format
        Container to write, if not that of the name.
    in_place
        If no output is given, name the input itself.
    folders
        The command has -o for folders.

    Raises
    ------
    NmfaudioError
        If the name was meant for a folder, or has no suffix, or if a file in its own place is to have another format.
    """
    path = Path(source)
    if given is None and in_place:
        if renamed(path, format) != path:
            raise NmfaudioError(
                f"{source}: --in-place keeps its name, which is not of {format}: leave out one of the two"
            )
        return source
    if given is None:
        return str(renamed(path.with_name(f"{path.stem}{ending}{path.suffix}"), format))
    if os.path.isdir(given):
        return str(Path(given, renamed(Path(path.name), format)))
    if given.endswith(("/", os.sep)):
        made = f", or give -o {given} to have it made" if folders else ""
        raise NmfaudioError(f"{given}: no such folder: make it first{made}")
    if path.suffix and not (Path(given).suffix or given == "-" or format or os.path.exists(given)):
        meant = f", or -o {given} if a folder is meant" if folders else ""
        raise NmfaudioError(f"{given}: has no suffix: give {given}{path.suffix}{meant}")
    return given


def renamed(name: Path, format: str | None) -> Path:
    """Give a name the suffix of a container, unless it has one already."""
    if format is None or format.upper() in FORMATS_OF_SUFFIX.get(name.suffix.lower(), ()):
        return name
    return name.with_suffix(f".{format.lower()}")


def clipping(where: str, n_samples: int, file: str) -> str:
    """Say that samples are clipped in a file, and which options keep them."""
    formats = FORMATS_OF_SUFFIX.get(Path(file).suffix.lower(), ("OGG",))
    container = "" if "FLOAT" in sf.available_subtypes(formats[0]) else "--format WAV "
    samples = f"{n_samples} sample{'s' * (n_samples > 1)}"
    return f"{where}: {samples} beyond full scale clipped: {container}--subtype FLOAT keeps what is there"


def check_quotes(missing: PathLike, words: Sequence[PathLike]) -> None:
    """Refuse words that together name a file: its name has spaces and was given without quotes."""
    whole = " ".join(map(str, words))
    if len(words) > 1 and os.path.isfile(whole):
        raise NmfaudioError(f"{missing}: no such file: put the name in quotes, '{whole}'")


def mark_below(folder: PathLike, inputs: Iterable[PathLike]) -> None:
    """Mark a folder of outputs if it lies below one of inputs, so that no later run takes it for input."""
    above = Path(os.path.realpath(folder)).parents
    if any(Path(os.path.realpath(path)) in above for path in inputs):
        with suppress(FileExistsError), Path(folder, _MARK).open("x") as mark:  # a link is not followed
            mark.write("Written by nmfaudio, and no input of it where it reads a folder around.\n")


def has_outputs(folder: Path, outputs: Iterable[PathLike], quiet: bool) -> bool:
    """Tell whether a folder is one of these outputs, or was written by an earlier run: the latter is said."""
    if any(is_same(folder, other) for other in outputs):
        return True
    marked = Path(folder, _MARK).is_file()
    if marked and not quiet:
        say(f"{folder}: passed over, as nmfaudio wrote it: to take it too, remove {folder / _MARK}")
    return marked
