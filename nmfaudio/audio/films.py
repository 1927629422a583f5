"""Compare the sizes in the headers of films with the bytes that are there, which ffmpeg does not always say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from . import ogg
from .pieces import Bytes

_CUT = "the file is shorter than it says"
_MORE = "another file follows, which ffmpeg does not read"
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


def fault_of(file: BinaryIO) -> str:
    """Say what is wrong with the end of a film, or nothing."""
    data = Bytes(file)
    head = data.at(0, 16)
    if head[:4] == b"OggS":
        return ogg.walk(data)[1]
    if head[:4] == b"\x1aE\xdf\xa3":
        return _CUT if _matroska_end(data) > data.size else ""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
        boxes = list(_boxes(data))
        n_indexes = [name for name, _ in boxes].count(b"moov")
        return _CUT if boxes[-1][1] > data.size else _MORE if n_indexes > 1 else ""
    if head[:4] == b"RIFF":
        if head[8:12] == b"WAVE" and _n_data_chunks(data) > 1:
            return "it has several chunks of samples, of which one is read"
        return _CUT if 8 + data.number(4, 4, "little") > data.size else ""
    if head[:4] == b"FLV\1":
        return _CUT if _flv_end(data) > data.size else ""
    if head == _ASF:
        end = _asf_end(data)
        return _CUT if end > data.size else _MORE if end and data.at(end, 16) == _ASF else ""
    if head[:4] == b"TTA1":
        return _MORE if data.find(head[:6], 6) > 0 else ""
    return ""


def _n_data_chunks(data: Bytes) -> int:
    place, n = 12, 0
    while place + 8 <= data.size:
        n += data.at(place, 4) == b"data"
        size = data.number(place + 4, 4, "little")
        place += 8 + size + size % 2
    return n


def _matroska_end(data: Bytes) -> int:
    """End of the segment; 0 if it does not know, as of a live stream."""
    place = 0
    while place < data.size:
        name = data.at(place, 4)
        at = place + 9 - name[0].bit_length() if name[0] else data.size
        first = data.at(at, 1)
        if not first or not first[0]:
            return 0
        width = 9 - first[0].bit_length()
        size = int.from_bytes(data.at(at, width), "big") & ((1 << 7 * width) - 1)
        if size == (1 << 7 * width) - 1:
            return 0
        place = at + width + size
        if name == b"\x18S\x80g":
            return place
    return place


def _boxes(data: Bytes) -> Iterator[tuple[bytes, int]]:
    """Yield name and end of each box."""
    place = 0
    while place + 8 <= data.size:
        name, size = data.at(place + 4, 4), data.number(place, 4, "big")
        if size == 1:
            size = data.number(place + 8, 8, "big")
        elif size == 0:  # to the end of the file, wherever that is
            size = data.size - place
        place += max(size, 8)
        yield name, place
        if size < 8:
            break


def _flv_end(data: Bytes) -> int:
    place = data.number(5, 4, "big") + 4
    while place < data.size:
        place += 11 + data.number(place + 1, 3, "big") + 4
    return place


def _asf_end(data: Bytes) -> int:
    """End by the file's own size, which follows a name of 16 bytes; 0 of a broadcast."""
    at = 30
    for _ in range(data.number(24, 4, "little")):
        if data.at(at, 16) == bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"):
            broadcast = data.number(at + 88, 4, "little") & 1
            return 0 if broadcast else data.number(at + 40, 8, "little")
        at += data.number(at + 16, 8, "little")
    return 0
