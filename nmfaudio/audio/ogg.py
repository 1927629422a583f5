"""Find the streams of Ogg files: several in a chain, ones that are cut, ones that have lost a page."""

from __future__ import annotations

import zlib

from .pieces import Bytes, Piece

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def pieces(data: Bytes) -> list[Piece]:
    """List the streams that follow each other; none if several run at the same time, as in films."""
    return walk(data)[0]


def walk(data: Bytes) -> tuple[list[Piece], str]:
    """Go through the pages up to the first bad one; tell what is wrong with it, too."""
    found: list[Piece] = []
    start = place = 0
    numbers: dict[bytes, int] = {}  # of the next page of each stream
    several = going = ended = False
    fault = ""
    while place < data.size:
        head = data.at(place, 27)
        size = _page_size(data, place, head)
        if not size:
            if not ended or data.find(b"OggS", place) >= 0:
                fault = "its last page is cut off" if _is_cut(data, place, head) else "a page is damaged"
            break
        first, serial = bool(head[5] & 2), head[14:18]
        if first and going:  # the next link of a chain
            found.append(Piece(start, place))
            start, numbers = place, {}
        several |= first and bool(numbers)
        going, ended = not first, bool(head[5] & 4)
        if int.from_bytes(head[18:22], "little") != numbers.setdefault(serial, 0):
            fault = "a page is missing"
            break
        numbers[serial] += 1
        place += size
    if numbers:
        found.append(Piece(start, place if fault else data.size, fault=fault))
    return [] if several else found, fault


def _page_size(data: Bytes, place: int, head: bytes) -> int:
    """Bytes of a page; 0 if it is damaged or not all there."""
    if len(head) < 27 or head[:4] != b"OggS":
        return 0
    table = data.at(place + 27, head[26])
    size = 27 + len(table) + sum(table)
    page = data.at(place, size)
    if len(page) < size or len(table) < head[26]:
        return 0
    blank = page[:22] + bytes(4) + page[26:]
    reflected = zlib.crc32(blank.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF  # Ogg's runs the other way
    return size if int(f"{reflected:032b}"[::-1], 2) == int.from_bytes(head[22:26], "little") else 0


def _is_cut(data: Bytes, place: int, head: bytes) -> bool:
    table = data.at(place + 27, head[26]) if len(head) == 27 else b""
    return b"OggS".startswith(head[:4]) and place + 27 + len(table) + sum(table) >= data.size
