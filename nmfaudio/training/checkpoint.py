"""State of a training on disk, so that it goes on where it was killed."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import checked
from ..errors import NmfaudioError
from ..files import replacing

Arrays = dict[str, np.ndarray]


class Checkpoint:
    """Named groups of arrays in one file, which belong to a training with certain settings.

    Parameters
    ----------
    path : Path
        File to keep them in.
    settings : dict
        Settings that the training depends on, plain JSON or numbers of NumPy. A file of a training with
        others is refused.

    Raises
    ------
    NmfaudioError
        If the file is of another training, or no checkpoint.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Checkpoint(Path(folder, "state.npz"), {"rank": 8}).save({"atoms": {"W": np.eye(3)}})
    ...     Checkpoint(Path(folder, "state.npz"), {"rank": 8}).load("atoms")["W"].shape
    (3, 3)
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path, self._settings = path, json.loads(json.dumps(settings, default=np.generic.item))
        self._groups: dict[str, Arrays] = {}
        self._began = time.monotonic()
        if path.exists():
            self._read(path)

    @property
    def seconds(self) -> float:
        """Duration of the training so far, also before it was killed."""
        return time.monotonic() - self._began

    def load(self, group: str) -> Arrays | None:
        """Return the arrays of a group, or None if the file has none of that name."""
        return self._groups.get(group)

    def save(self, groups: Mapping[str, Arrays]) -> None:
        """Replace some groups; the file is written whole or stays as it was."""
        self._groups.update(groups)
        named = {f"{name}/{key}": array for name, part in self._groups.items() for key, array in part.items()}
        with replacing(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, settings=np.array(json.dumps(self._settings)), seconds=self.seconds, **named)  # type: ignore[arg-type]

    def _read(self, path: Path) -> None:
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
                found = json.loads(str(file["settings"]))
                self._began -= float(file["seconds"]) if "seconds" in file.files else 0.0
                for name in file.files:
                    if name not in ("settings", "seconds"):
                        group, key = name.split("/", 1)
                        self._groups.setdefault(group, {})[key] = file[name]
        except Exception:  # numpy and zipfile raise a dozen kinds on another file
            raise NmfaudioError(f"{path}: not a checkpoint of this training; remove it or name another") from None
        for name in (*self._settings, *found):
            value, wanted = found.get(name), self._settings.get(name)
            if value != wanted:
                raise NmfaudioError(
                    f"{path}: checkpoint of another training ({name} {value}, not {wanted}); remove it or name another"
                )


@checked
def fingerprint(arrays: Mapping[str, np.ndarray]) -> str:
    """Return what differs where a value differs: for the settings of a training that goes on from some arrays.

    Parameters
    ----------
    arrays : dict of str to ndarray

    Returns
    -------
    str
        Twelve hexadecimal digits.

    Examples
    --------
    >>> fingerprint({"W": np.eye(2)}) == fingerprint({"W": np.eye(2)})
    True
    >>> fingerprint({"W": np.eye(2)}) == fingerprint({"W": 2 * np.eye(2)})
    False
    """
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(name.encode() + array.tobytes())
    return found.hexdigest()[:12]


@checked
def hours(record: Mapping[str, Any], began: float) -> float:
    """Return how long a training has taken, also before it was killed, as far as its record tells that.

    Parameters
    ----------
    record : dict
        Record of the dictionary: its learning curves, or its hours, count the time before, too.
    began : float
        When the training was started for the last time, by `time.monotonic`.

    Returns
    -------
    float

    Examples
    --------
    >>> hours({"stages": [{"curve": [{"seconds": 7200.0}]}, {"curve": [{"seconds": 1800.0}]}]}, time.monotonic())
    2.5
    """
    learnt_s = sum(stage["curve"][-1]["seconds"] for stage in record.get("stages", ()) if stage["curve"])
    seconds: float = max(time.monotonic() - began, learnt_s, 3600 * record.get("hours", 0.0))
    return round(seconds / 3600, 3)
