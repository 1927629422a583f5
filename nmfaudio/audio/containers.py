"""Find where the sound lies in a file. A length in a header is a claim, so it is compared with the bytes."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import BinaryIO

from . import mpeg, ogg
from .pieces import Bytes, Piece

_UNKNOWN = 0x7FFFF000  # sizes from here on are written by programs that cannot know it, as into a pipe
_GUID = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # ends each name of a chunk in W64
_FLAC = b"fLaC\0\0\0\x22"  # the first block of a FLAC file has a fixed size


def find_pieces(file: BinaryIO) -> list[Piece]:
    """List the pieces that a sound file consists of; none if it is of a format that is not known here."""
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
    """Places of the samples of a container.

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
    patch : dict of int to bytes
        Other bytes of the header to change, for libsndfile.
    """

    at: int
    size: int
    end: int
    size_field: tuple[int, int, str] | None
    extra: int = 0
    mpeg: bool = False
    packets: list[int] = field(default_factory=list)
    packet_s: float = 0.0
    patch: dict[int, bytes] = field(default_factory=dict)


def _containers(data: Bytes, parse: Callable[[Bytes, int], _Samples | None]) -> list[Piece]:
    """Pieces of a container of plain samples, or of several one after the other."""
    found: list[Piece] = []
    start = 0
    while (samples := parse(data, start)) and samples.at < data.size:
        magic = data.at(start, 4)
        ends = samples.end, samples.end + 1  # an odd byte may be filled up
        stop = next((end for end in ends if start < end < data.size and data.at(end, 4) == magic), data.size)
        more = stop < data.size
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
            found.append(Piece(start, stop, patch=samples.patch))
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
        return Piece(start, stop, patch=samples.patch, claimed=claimed, duration_s=duration_s, fault=fault)
    place, width, order = samples.size_field
    if size + samples.extra >= 2 ** (8 * width):
        return Piece(start, samples.at + size, raw_at=samples.at)
    right = (size + samples.extra).to_bytes(width, order)  # type: ignore[arg-type]
    patch = {**samples.patch, place: right}
    return Piece(start, stop, patch=patch, claimed=claimed, duration_s=duration_s, fault=fault)


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
            return _Samples(place, data.number(long_at, 8, order, signed=True), end, (long_at, 8, order))
        if name == b"data":
            return _Samples(place, size, end, (place - 4, 4, order), mpeg=mpeg)
    return None


def _w64(data: Bytes, start: int) -> _Samples | None:
    place, end = start + 40, start + data.number(start + 16, 8, "little")
    patch = {}
    while data.at(place + 4, 12) == _GUID:
        size = data.number(place + 16, 8, "little")
        if data.at(place, 4) == b"fmt " and data.at(place + 24, 2) == b"\xfe\xff":
            patch = {place + 24: data.at(place + 48, 2)}  # the kind of samples, which libsndfile takes for integers
        if data.at(place, 4) == b"data":
            return _Samples(place + 24, max(size - 24, 0), end, (place + 16, 8, "little"), extra=24, patch=patch)
        place += max(24, size + -size % 8)
    return None


def _form(data: Bytes, start: int) -> _Samples | None:
    end = start + 8 + data.number(start + 4, 4, "big")
    for name, place, size in _chunks(data, start + 12, 4, "big"):
        if name == b"SSND":
            offset = 8 + data.number(place, 4, "big")
            return _Samples(place + offset, max(size - offset, 0), end, (place - 4, 4, "big"), offset)
        if name == b"BODY":
            return _Samples(place, size, end, (place - 4, 4, "big"))
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
    facts = {name: int(value) for name, value in re.findall(r"(\w+) -\w+ (\d+)\s", head)}
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
