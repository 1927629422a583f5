"""Names of outputs, and words on them."""

import os
from pathlib import Path

import soundfile as sf

from ..audio import FORMATS_OF_SUFFIX
from ..errors import NmfaudioError


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
