"""Pieces of a sound file, each of which libsndfile reads as a file of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO


@dataclass(frozen=True)
class Piece:
    """Part of a file that would be a sound file by itself; most files have one.

    Attributes
    ----------
    start, stop : int
        The bytes.
    lead : bytes
        What should stand before them.
    patch : mapping of int to bytes
        What the header should say, by place in the file.
    claimed : float
        How many times as long as it is the piece says to be.
    raw_at : int or None
        Where the samples begin, if they are too many for the header.
    endless : bool
        Does not say how long it is.
    duration_s : float or None
        How long it is, where the header does not know.
    n_bytes : int or None
        Bytes of the sound, where there are others.
    fault : str
        Why the sound breaks off at the end of the piece.
    """

    start: int
    stop: int
    lead: bytes = b""
    patch: Mapping[int, bytes] = field(default_factory=dict)
    claimed: float = 1.0
    raw_at: int | None = None
    endless: bool = False
    duration_s: float | None = None
    n_bytes: int | None = None
    fault: str = ""


class Bytes:
    """Bytes of an open file by their place in it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)

    def at(self, place: int, n: int) -> bytes:
        """Read up to n bytes."""
        self._file.seek(place)
        return self._file.read(n)

    def number(self, place: int, n: int, order: str, signed: bool = False) -> int:
        """Read an integer of n bytes."""
        return int.from_bytes(self.at(place, n), order, signed=signed)  # type: ignore[arg-type]

    def find(self, what: bytes, place: int, step: int = 2**20) -> int:
        """Look for bytes from a place on; -1 if there are none."""
        while place < self.size:
            if (i := self.at(place, step + len(what) - 1).find(what)) >= 0:
                return place + i
            place += step
        return -1


class Window:
    """Piece of a file, for libsndfile to read as if it were all of a file.

    Where the length is missing the window says that it is a thousand times as long, or libsndfile would guess the
    length of an MP3 file from its first frame, and stop there.
    """

    def __init__(self, file: BinaryIO, piece: Piece) -> None:
        self._file, self._piece = file, piece
        self._place = 0
        self._length_is_asked = False

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        size = len(self._piece.lead) + self._piece.stop - self._piece.start
        self._length_is_asked = (offset, whence) == (0, os.SEEK_END)
        self._place = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: size}[whence])
        return self._place

    def tell(self) -> int:
        """Say the place."""
        return self._place * (1000 if self._length_is_asked and self._piece.endless else 1)

    def read(self, size: int) -> bytes:
        """Read up to so many bytes."""
        lead = self._piece.lead[self._place : self._place + size]
        begin = max(self._piece.start, self._piece.start + self._place - len(self._piece.lead))
        self._file.seek(begin)
        data = self._file.read(max(0, min(size - len(lead), self._piece.stop - begin)))
        for place, right in self._piece.patch.items():
            if begin < place + len(right) and place < begin + len(data):
                patched = bytearray(data)
                for i, byte in enumerate(right, place - begin):
                    if 0 <= i < len(data):
                        patched[i] = byte
                data = bytes(patched)
        self._place += len(lead + data)
        return lead + data

    def write(self, data: bytes) -> int:
        """Refuse."""
        raise OSError("opened for reading")
