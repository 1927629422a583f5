"""Stems of a recording in a temporary folder: any part of them at once, and mixes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import audio
from ..report.page import hop_peaks
from ..separation import separate_file

_HOP_S = 0.016


class Stems:
    """Stems of a sound file, separated as `nmfaudio separate` does it.

    Parameters
    ----------
    source : path
        Sound file.
    folder : path
        Folder for the stems, empty.
    progress : callable
        Called with the part that is done, from 0 to 1.
    """

    def __init__(self, source: Path, folder: Path, progress: Callable[[float], None]) -> None:
        # Float WAV clips nothing, and can be read from anywhere.
        found = separate_file(source, folder, format="WAV", subtype="FLOAT", overwrite=True, progress=progress)
        self._paths = {name: Path(path) for name, path in found.stems.items()}
        self.names = list(self._paths)
        self._peaks: NDArray[np.float32] | None = None

    def sound(self, start_s: float, stop_s: float) -> NDArray[np.float32]:
        """Sound of a part, shape (stems, channels, samples); more than two channels as their mean."""
        parts = np.stack([audio.read(path, start_s=start_s, stop_s=stop_s)[0] for path in self._paths.values()])
        return parts if parts.shape[1] <= 2 else parts.mean(axis=1, keepdims=True)

    def peaks(self) -> NDArray[np.float32]:
        """Outline of each stem: the peak of each hop, shape (stems, hops)."""
        if self._peaks is None:
            self._peaks = np.stack([_outline(path) for path in self._paths.values()])
        return self._peaks

    def write(self, target: Path, like: audio.AudioInfo, levels: Mapping[str, float]) -> None:
        """Write the mix of the stems, each at a level, in the format of `like`."""
        with audio.open_like(target, like) as out:
            for block in self._mixed(levels):
                out.write(block)

    def _mixed(self, levels: Mapping[str, float]) -> Iterator[NDArray[np.float32]]:
        tracks = [(audio.blocks(path), levels.get(name, 0.0)) for name, path in self._paths.items()]
        for parts in zip(*(blocks for blocks, _ in tracks), strict=True):
            yield sum(np.float32(level) * y for y, (_, level) in zip(parts, tracks, strict=True))


def _outline(path: Path) -> NDArray[np.float32]:
    sr = audio.info(path).sr
    hop = max(1, round(_HOP_S * sr))
    return np.concatenate([hop_peaks(y, hop) for y in audio.blocks(path, (1000 * hop + 0.5) / sr)])
