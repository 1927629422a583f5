"""Dictionaries: trained arrays with their front end, settings and provenance.

A dictionary is one ``.npz`` file without pickle. It holds the arrays, and under the name ``record`` one JSON text with
the schema version, kind, front end, settings, provenance and the sha256 of the arrays. Loading checks all of it.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import check_path, checked, shown
from .errors import DictionaryError
from .files import replacing
from .spectra.front_end import FrontEnd
from .suggestions import suggestion

SCHEMA = 1
"""Version of the file format: the one that is written, and the newest that is read."""

KINDS = ("sparse", "sources", "unfolded", "songs", "profile")

_LARGEST = 2**28  # bytes of all arrays, many times those of a dictionary that is of any use

# Settings that are numbers: the lowest, the highest, and whether they are whole.
_SETTINGS = {
    "attenuation_limit_db": (0, 1000, False),
    "mask_power": (0.01, 100, False),
    "n_iter": (1, 1000, True),
    "speech_penalty": (0, 1e6, False),
    "noise_penalty": (0, 1e6, False),
    "n_free": (0, 1000, True),
    "quiet_share": (0, 1, False),
    "knot_frames": (1, 100_000, True),
    "segment_frames": (1, 100_000, True),
    "margin_frames": (0, 100_000, True),
}

_REQUIRED = {"sparse": ("speech", "noise"), "sources": (), "profile": ("noise",)}  # arrays of atoms

_FOLDERS = (Path(__file__).parent / "dictionaries", Path(__file__).parents[1] / "dictionaries")  # wheel; checkout


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Trained arrays with their front end, settings and provenance.

    Parameters
    ----------
    kind : {"sparse", "sources", "unfolded", "songs", "profile"}
        Kind of the arrays. "sparse": one array of atoms for each source, "speech" and "noise" among them, of shape
        (F, K) with columns of unit L2 norm. "sources": the same for any sources; atoms may last several frames,
        (F, T, K). "unfolded": the layers of an unfolded NMF of speech and noise. "songs": the same of the
        sources of songs, which the settings name. "profile": one array "noise" of atoms (F, K), see
        :func:`nmfaudio.noise_profile`. Dictionaries for denoising may have such atoms too, under the name "profile".
    arrays : mapping of str to ndarray
        Finite, non-negative; kept as read-only float32.
    front_end : FrontEnd
        Settings that turn a signal into the spectrogram that the atoms describe.
    settings : dict
        Settings of the decomposition; plain JSON.
    record : dict
        Provenance: corpora with licence and counts, objective, seed, command, scores; plain JSON.
    name : str
        Name of the dictionary. Loading sets it to the file's name without ``.npz``.

    Raises
    ------
    DictionaryError
        If the kind is unknown or an array does not fit it.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio import Dictionary
    >>> atoms = np.eye(257, 3)
    >>> Dictionary("sparse", {"speech": atoms, "noise": atoms}).arrays["speech"].shape
    (257, 3)
    """

    kind: str
    arrays: Mapping[str, np.ndarray]
    front_end: FrontEnd = field(default_factory=FrontEnd)
    settings: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit the kind; make them read-only float32."""
        if not (isinstance(self.kind, str) and self.kind in KINDS):
            raise DictionaryError(
                f"unknown kind of dictionary {shown(self.kind)}; this version knows {', '.join(KINDS)}"
            )
        for name, kind in (
            ("arrays", Mapping),
            ("settings", dict),
            ("record", dict),
            ("front_end", FrontEnd),
            ("name", str),
        ):
            if not isinstance(getattr(self, name), kind):
                raise DictionaryError(f"{name} must be a {kind.__name__}, not {shown(getattr(self, name))}")
        arrays = {}
        for name, array in self.arrays.items():
            arrays[name] = _checked(name, array)
        if self.kind in _REQUIRED:
            _check_atoms(arrays, self.front_end, self.kind)
        if not arrays:
            raise DictionaryError("no arrays")
        _check_settings(self.settings)
        object.__setattr__(self, "arrays", arrays)

    @property
    def sha256(self) -> str:
        """Hash of the arrays' names, shapes and float32 values."""
        digest = hashlib.sha256()
        for name in sorted(self.arrays):
            array = self.arrays[name]
            digest.update(f"{name}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array, "<f4").data)
        return digest.hexdigest()

    @property
    def profile(self) -> "Dictionary | None":
        """Noise profile of the dictionary, used unless another is given; None if there is none."""
        atoms = self.arrays.get("profile")
        if atoms is None:
            return None
        return Dictionary("profile", {"noise": atoms}, self.front_end.bins_alone(), name=self.name)

    @checked
    def save(self, path: str | os.PathLike[str], *, compact: bool = False, overwrite: bool = True) -> None:
        """Write the dictionary to an ``.npz`` file, whole or not at all.

        Parameters
        ----------
        path : path
            File to write, ending in ``.npz``.
        compact : bool
            Round the arrays to half precision with 7 significant bits, for less than half the size: the error of
            a weight is 0.8 % at most, which averages out in sums over hundreds. Otherwise float32.
        overwrite : bool
            Replace a file that exists.

        Raises
        ------
        DictionaryError
            If the path does not end in ``.npz`` or cannot be written, or if settings or record are not JSON.
        """
        check_path(path)
        path = Path(path)
        if path.suffix != ".npz":
            raise DictionaryError(f"{path}: a dictionary's file name must end in .npz")
        stored = {name: _coarse(array) if compact else array for name, array in self.arrays.items()}
        rounded = Dictionary(self.kind, stored, self.front_end)
        try:
            text = json.dumps(
                {
                    "schema": SCHEMA,
                    "kind": self.kind,
                    "front_end": asdict(self.front_end),
                    "settings": self.settings,
                    "provenance": self.record,
                    "sha256": rounded.sha256,
                },
                allow_nan=False,
            )
        except (TypeError, ValueError) as error:
            raise DictionaryError(f"{path}: settings and record must be plain JSON: {error}") from None
        with replacing(path, overwrite=overwrite, kind=DictionaryError) as temporary:
            with open(temporary, "wb") as file:
                np.savez_compressed(file, record=np.array(text), **stored)  # type: ignore[arg-type]
            if _read(temporary).sha256 != rounded.sha256:
                raise DictionaryError(f"{path}: cannot be written (what was written is read back as something else)")

    @classmethod
    def load(cls, name_or_path: "DictionaryLike") -> "Dictionary":
        """Load a shipped dictionary by name or any dictionary by path, and verify it.

        Parameters
        ----------
        name_or_path : str, path or Dictionary
            One of the names in `available`, or an ``.npz`` file; a dictionary is returned as it is.

        Returns
        -------
        Dictionary

        Raises
        ------
        DictionaryError
            If there is no such dictionary, or if the file is broken, foreign or written by a newer version.
        """
        if isinstance(name_or_path, Dictionary):
            return name_or_path
        if not isinstance(name_or_path, (str, os.PathLike)):
            raise DictionaryError(f"a dictionary is a name, a path or a Dictionary, not {type(name_or_path).__name__}")
        path = _find(name_or_path)
        try:
            return _read(path)
        except DictionaryError as error:
            raise DictionaryError(f"{path}: {error}") from None


DictionaryLike = str | os.PathLike[str] | Dictionary
"""Name of a shipped dictionary, a file, or a loaded one."""


def available() -> dict[str, Path]:
    """List the dictionaries that come with the package.

    Returns
    -------
    dict of str to Path
        File of each, by name.

    Examples
    --------
    >>> "speech" in available()
    True
    """
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    return {path.stem: path for path in sorted(folder.glob("*.npz"))} if folder else {}


@checked
def model_card(dictionary: Dictionary) -> str:
    """Describe a dictionary on a page of Markdown: kind, provenance, front end, settings, arrays.

    Parameters
    ----------
    dictionary : Dictionary
        Dictionary to describe.

    Returns
    -------
    str
        Markdown text.

    Examples
    --------
    >>> import numpy as np
    >>> print(model_card(Dictionary("profile", {"noise": np.eye(257, 1)}, name="hiss"))[:19])
    # Dictionary `hiss`
    """
    lines = [f"# Dictionary `{dictionary.name}`", ""]
    facts = {"kind": dictionary.kind, "sha256": dictionary.sha256}
    for key, value in dictionary.record.items():
        if not isinstance(value, (dict, list)):
            facts[key] = value
    lines += _table(facts)
    for key, value in dictionary.record.items():
        if isinstance(value, (dict, list)):
            heading = _HEADINGS.get(key, key.replace("_", " ").capitalize())
            lines += [f"## {heading}", "", *_table(value)]
    lines += ["## Front end", "", *_table(asdict(dictionary.front_end))]
    if dictionary.settings:
        lines += ["## Settings", "", *_table(dictionary.settings)]
    lines += ["## Arrays", "", *_table({name: f"{a.shape}" for name, a in dictionary.arrays.items()})]
    return "\n".join(lines)


_HEADINGS = {"scores": "Scores when it was trained"}  # what else the package does to the sound changes with it


def _table(value: dict[str, Any] | list[Any]) -> list[str]:
    """Lines of a Markdown table: rows of key and value, or one row for each dict of a list of dicts."""
    if isinstance(value, dict):
        header, rows = ["", ""], [[key, entry] for key, entry in value.items()]
    elif value and all(isinstance(entry, dict) for entry in value):
        header = list(dict.fromkeys(key for entry in value for key in entry))
        rows = [[entry.get(key, "") for key in header] for entry in value]
    else:
        return [*(f"- {_cell(entry)}" for entry in value), ""]
    lines = [header, ["---"] * len(header), *rows]
    return [*("| " + " | ".join(map(_cell, row)) + " |" for row in lines), ""]


def _cell(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, (dict, list)) else str(value)
    text = text.replace("|", "\\|").replace("\n", " ")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)  # none that a terminal would obey


def _checked(name: str, values: ArrayLike) -> NDArray[np.float32]:
    """Return the array as read-only float32, or say what is wrong with it."""
    array = np.asarray(values)
    if name in ("record", "file"):
        raise DictionaryError(f"no array may be named {name!r}")
    if array.dtype.kind != "f":
        raise DictionaryError(f"array {name!r} holds {array.dtype}, not floating-point numbers")
    if array.ndim == 0 or array.size == 0:
        raise DictionaryError(f"array {name!r} is empty (shape {array.shape})")
    checked: NDArray[np.float32] = array.astype(np.float32, order="C")  # a copy, for the caller may change the array
    if not np.isfinite(checked).all():
        raise DictionaryError(f"array {name!r} holds NaN or infinity")
    if checked.min() < 0:
        raise DictionaryError(f"array {name!r} holds negative values")
    checked.flags.writeable = False
    return checked


def _check_atoms(arrays: Mapping[str, np.ndarray], front_end: FrontEnd, kind: str) -> None:
    n_bins = front_end.n_bins
    if front_end.n_high:
        raise DictionaryError(f"atoms are of bins alone: n_high of the front end must be 0, not {front_end.n_high}")
    for name in _REQUIRED[kind]:
        if name not in arrays:
            raise DictionaryError(f"array {name!r} is missing")
    shapes = {2: f"({n_bins}, K)", **({3: f"({n_bins}, T, K)"} if kind == "sources" else {})}
    for name, array in arrays.items():
        if array.ndim not in shapes or array.shape[0] != n_bins:
            raise DictionaryError(f"array {name!r} must have shape {' or '.join(shapes.values())}, not {array.shape}")
        norms = np.linalg.norm(array.reshape(-1, array.shape[-1]), axis=0)
        if np.abs(norms - 1).max() > 1e-2:  # what rounding can do, and more
            raise DictionaryError(f"array {name!r} has atoms that are not of unit L2 norm")


def _check_settings(settings: Mapping[str, Any]) -> None:
    for name, (low, high, whole) in _SETTINGS.items():
        value = settings.get(name, low)
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not (number and low <= value <= high):
            kind = "a whole number" if whole else "a number"
            raise DictionaryError(f"setting {name} must be {kind} from {low:g} to {high:g}, not {value!r}")


def _find(name_or_path: str | os.PathLike[str]) -> Path:
    shipped = available()
    if isinstance(name_or_path, str) and name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.is_dir():
        raise DictionaryError(f"{path}: is a folder, not a dictionary")
    if path.suffix == ".npz" or len(path.parts) > 1:
        raise DictionaryError(f"{path}: no such file")
    names = ", ".join(shipped) or "none"
    raise DictionaryError(
        f"no dictionary named {str(path)!r}; shipped are: {names} (or give the path of an .npz file)"
        f"{suggestion(str(path), shipped)}"
    )


def _coarse(array: np.ndarray) -> np.ndarray:
    """Half precision whose last four bits are zero, which compress to nothing."""
    bits = array.astype(np.float16).view(np.uint16)
    return ((bits + np.uint16(8)) & np.uint16(0xFFF0)).view(np.float16)


def _read(path: Path) -> Dictionary:
    try:
        with open(path, "rb") as stream:
            if stream.read(6) == b"\x93NUMPY":
                raise DictionaryError("not a dictionary, but a single array")
            stream.seek(0)
            file = np.load(stream, allow_pickle=False)
            size = sum(entry.file_size for entry in file.zip.infolist())
            if size > _LARGEST:
                raise DictionaryError(f"its arrays would take {size / 1e6:.0f} MB, far more than those of a dictionary")
            arrays = {name: file[name] for name in file.files}
    except DictionaryError:
        raise
    except Exception:  # numpy, zipfile and zlib raise a dozen kinds on a damaged file
        raise DictionaryError("not a readable dictionary: give an .npz file, or get it anew") from None

    text = arrays.pop("record", None)
    if text is None or text.ndim or text.dtype.kind != "U":
        raise DictionaryError("not a dictionary of nmfaudio, but an .npz file without a record")
    try:
        record = json.loads(str(text))
        schema = record["schema"]
        if schema > SCHEMA:
            raise DictionaryError(f"written by a newer nmfaudio (schema {schema}, not {SCHEMA}); upgrade nmfaudio")
        dictionary = Dictionary(
            kind=record["kind"],
            arrays=arrays,
            front_end=FrontEnd(**record["front_end"]),
            settings=dict(record["settings"]),
            record=dict(record["provenance"]),
            name=path.stem,
        )
        expected = record["sha256"]
    except DictionaryError:
        raise
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise DictionaryError(f"its record is broken ({type(error).__name__}: {error})") from None
    if dictionary.sha256 != expected:
        raise DictionaryError("its arrays do not match the sha256 in its record; get the file anew")
    return dictionary
