"""Find where the sound lies in a file. A length in a header is a claim, so it is compared with the bytes."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import BinaryIO

_UNKNOWN = 0x7FFFF000  # sizes from here on are written by programs that cannot know it, as into a pipe
_GUID = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # ends each name of a chunk in W64
_FLAC = b"fLaC\0\0\0\x22"  # the first block of a FLAC file has a fixed size


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


def find_pieces(file: BinaryIO) -> list[Piece]:
    """List the pieces that a sound file consists of; none if it is of a format that is not known here."""
    from . import mpeg, ogg  # they need what is above

    data = Bytes(file)
    magic = data.at(0, 4)
    if magic == b"OggS":
        return ogg.pieces(data)
    if magic == b"fLaC":
        return _flac(data)
    if magic in _PARSERS:
        return _containers(data, _PARSERS[magic])
    return mpeg.pieces(data, 0, data.size)


@dataclass(frozen=True)
class _Samples:
    """Place of the samples in a container.

    Attributes
    ----------
    at, size : int
        Place, and number of bytes by the header: -1 if it does not say.
    end : int
        End of the container by the header.
    size_field : int, int, str
        Place, width and byte order of the size; none if it follows from others.
    extra : int
        What the size counts beside the samples.
    mpeg : bool
        They are MPEG frames.
    packets : list of int
        Sizes of the packets that they are in, if the header tells.
    packet_s : float
        Sound of a packet.
    """

    at: int
    size: int
    end: int
    size_field: tuple[int, int, str] | None
    extra: int = 0
    mpeg: bool = False
    packets: list[int] = field(default_factory=list)
    packet_s: float = 0.0


def _containers(data: Bytes, parse: Callable[[Bytes, int], _Samples | None]) -> list[Piece]:
    """Pieces of a container of plain samples, or of several one after the other."""
    from . import mpeg

    found: list[Piece] = []
    start = 0
    while (samples := parse(data, start)) and samples.at < data.size:
        magic = data.at(start, 4)
        more = start < samples.end < data.size and data.at(samples.end, 4) == magic
        stop = samples.end if more else data.size
        here, size = stop - samples.at, samples.size
        if samples.mpeg:
            return mpeg.pieces(data, samples.at, samples.at + size if 0 < size < here else stop)
        if size < 0 or not (size or more or _is_name(data.at(samples.at, 4))):
            found.append(_sized(start, stop, samples, here))
        elif size > here:
            unknown = _UNKNOWN <= size + samples.extra < 2**32 or size >= 2**62
            found.append(_sized(start, stop, samples, here, 1.0 if unknown else size / here))
        elif here - size >= 2**32 and samples.size_field and samples.size_field[1] == 4:
            found.append(_sized(start, stop, samples, here - (here - size) % 2**32))  # 32 bits were too few
        else:
            found.append(Piece(start, stop))
        if not more:
            break
        start = stop
    return found


def _is_name(word: bytes) -> bool:
    """Tell whether these bytes could begin another chunk, as they do where there is no sound."""
    return word.isascii() and word.decode("ascii").isprintable()


def _sized(start: int, stop: int, samples: _Samples, size: int, claimed: float = 1.0) -> Piece:
    """Piece whose header is made to tell how many bytes of samples there are."""
    fault = "the file is shorter than it says" if claimed > 1 else ""
    duration_s = samples.packet_s * sum(end <= size for end in accumulate(samples.packets)) or None
    if not samples.size_field:
        return Piece(start, stop, claimed=claimed, duration_s=duration_s, fault=fault)
    place, width, order = samples.size_field
    if size + samples.extra >= 2 ** (8 * width):
        return Piece(start, samples.at + size, raw_at=samples.at)
    right = (size + samples.extra).to_bytes(width, order)  # type: ignore[arg-type]
    return Piece(start, stop, patch={place: right}, claimed=claimed, duration_s=duration_s, fault=fault)


def _riff(data: Bytes, start: int) -> _Samples | None:
    order = "big" if data.at(start, 4) == b"RIFX" else "little"
    if data.at(start + 8, 4) != b"WAVE":
        return None
    end = start + 8 + data.number(start + 4, 4, order)
    long_at, mpeg = 0, False
    for name, place, size in _chunks(data, start + 12, 4, order):
        if name == b"ds64":
            long_at, end = place + 8, start + 8 + data.number(place, 8, order)
        if name == b"fmt ":
            mpeg = data.number(place, 2, order) in (0x50, 0x55)
        if name == b"data" and long_at and size == 2**32 - 1:
            return _Samples(place, data.number(long_at, 8, order, signed=True), end + end % 2, (long_at, 8, order))
        if name == b"data":
            return _Samples(place, size, end + (end - start) % 2, (place - 4, 4, order), mpeg=mpeg)
    return None


def _w64(data: Bytes, start: int) -> _Samples | None:
    place, end = start + 40, start + data.number(start + 16, 8, "little")
    while data.at(place + 4, 12) == _GUID:
        size = data.number(place + 16, 8, "little")
        if data.at(place, 4) == b"data":
            return _Samples(place + 24, max(size - 24, 0), end, (place + 16, 8, "little"), extra=24)
        place += max(24, size + -size % 8)
    return None


def _form(data: Bytes, start: int) -> _Samples | None:
    end = start + 8 + data.number(start + 4, 4, "big")
    for name, place, size in _chunks(data, start + 12, 4, "big"):
        if name == b"SSND":
            offset = 8 + data.number(place, 4, "big")
            return _Samples(
                place + offset, max(size - offset, 0), end + (end - start) % 2, (place - 4, 4, "big"), offset
            )
        if name == b"BODY":
            return _Samples(place, size, end + (end - start) % 2, (place - 4, 4, "big"))
    return None


def _au(data: Bytes, start: int) -> _Samples | None:
    order = "big" if data.at(start, 4) == b".snd" else "little"
    at, size = start + data.number(start + 4, 4, order), data.number(start + 8, 4, order)
    return _Samples(at, size, at + size, (start + 8, 4, order))


def _caf(data: Bytes, start: int) -> _Samples | None:
    packets: list[int] = []
    packet_s = 0.0
    for name, place, size in _chunks(data, start + 8, 8, "big"):
        if name == b"desc" and not data.number(place + 16, 4, "big"):  # packets of different sizes
            (sr,) = struct.unpack(">d", data.at(place, 8))
            packet_s = data.number(place + 20, 4, "big") / max(sr, 1.0)
        if name == b"pakt" and packet_s:
            packets = _packets(data.at(place + 24, size - 24))
        if name == b"data":
            samples = size - 4 if 4 <= size < 2**63 else -1 if size else 0
            return _Samples(place + 4, samples, place + size, (place - 8, 8, "big"), 4, False, packets, packet_s)
    return None


def _packets(table: bytes) -> list[int]:
    """Sizes of packets, each in bytes of which all but the last begin with a one."""
    sizes, size = [], 0
    for byte in table:
        size = size << 7 | byte & 0x7F
        if byte < 0x80:
            sizes.append(size)
            size = 0
    return sizes


def _nist(data: Bytes, start: int) -> _Samples | None:
    head = data.at(start, 1024).decode("latin-1")
    facts = {name: int(value) for name, value in re.findall(r"(\w+) -i (\d+)", head)}
    try:
        at = start + int(head.split()[1])
        size = facts["sample_count"] * facts["channel_count"] * facts["sample_n_bytes"]
    except (IndexError, KeyError, ValueError):
        return None
    return _Samples(at, size, data.size, None)


def _chunks(data: Bytes, place: int, width: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, place and size of each chunk of a container."""
    even = width == 4  # all but CAF fill them up
    while place + 4 + width <= data.size:
        size = data.number(place + 4, width, order)
        place += 4 + width
        yield data.at(place - 4 - width, 4), place, size
        place += size + (size % 2 if even else 0)


def _flac(data: Bytes) -> list[Piece]:
    starts = [0]
    while (place := data.find(_FLAC, starts[-1] + 4)) >= 0:
        starts.append(place)
    return [Piece(start, stop) for start, stop in pairwise([*starts, data.size])]


_PARSERS = {
    **dict.fromkeys((b"RIFF", b"RIFX", b"RF64"), _riff),
    b"riff": _w64,
    b"FORM": _form,
    b".snd": _au,
    b"dns.": _au,
    b"caff": _caf,
    b"NIST": _nist,
}
