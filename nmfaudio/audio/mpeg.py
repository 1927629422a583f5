"""Find the frames of MP3 files: several joined ones, cut ones, ones without a length."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from .pieces import Bytes, Piece

_RATES = (44100, 48000, 32000)
_LADDERS = {  # kbit/s by the index in the header; MPEG-1 layers I to III, MPEG-2 layer I and the other two
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_TITLE = b"ID3\4\0\0\0\0\0\n" + bytes(10)  # an empty one, by which libsndfile knows MP3 in a file that has no name
_SEARCHED = 2**16  # bytes in which the first frame is looked for
_LONGEST = 1441  # bytes of a frame of layer III
_MARGIN = 5  # frames: where a break is, the decoder and the encoder may lag by so many


class _Frame(NamedTuple):
    length: int
    samples: int
    sr: int
    channels: int
    tag_at: int  # of a frame that has a length of the whole file instead of sound


@lru_cache(maxsize=4096)
def _frame(head: bytes) -> _Frame | None:
    """Read the header of a frame."""
    word = int.from_bytes(head, "big")
    version, layer = word >> 19 & 3, 4 - (word >> 17 & 3)
    step, rate = word >> 12 & 15, word >> 10 & 3
    if len(head) < 4 or word >> 21 != 0x7FF or version == 1 or layer == 4 or step in (0, 15) or rate == 3:
        return None
    first = version == 3
    sr = _RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    bit_rate = 1000 * _LADDERS[1 if first else 2, layer if first else min(layer, 2)][step - 1]
    padding, channels = word >> 9 & 1, 1 if word >> 6 & 3 == 3 else 2
    if layer == 1:
        return _Frame(4 * (12 * bit_rate // sr + padding), 384, sr, channels, 0)
    samples = 576 if layer == 3 and not first else 1152
    side = (17 if channels == 1 else 32) if first else (9 if channels == 1 else 17)
    return _Frame(samples // 8 * bit_rate // sr + padding, samples, sr, channels, 4 + side)


class _Run:
    """Frames in a row of one rate and number of channels."""

    def __init__(self, start: int, frame: _Frame, claim: int | None) -> None:
        self.start, self.stop, self.sr, self.channels, self.claim = start, start, frame.sr, frame.channels, claim
        self.margin_s = _MARGIN * frame.samples / frame.sr
        self.bytes_at = start + frame.tag_at + 12  # what the tag says the sound to have
        self.begin = start + (frame.length if claim is not None else 0)  # of the sound
        self.n = -1 if claim is not None else 0
        self.samples = self.tail = 0  # and bytes of a tag behind it

    def add(self, frame: _Frame) -> None:
        self.n += 1
        self.samples += frame.samples
        self.stop += frame.length

    def piece(self, fault: str = "") -> Piece:
        if self.claim and self.n < self.claim - 1:
            fault = fault or f"{self.claim - self.n} frames are missing"
        known = bool(self.claim and self.n <= self.claim + 1)
        duration_s = self.samples / self.sr - (self.margin_s if fault else 0)
        start = self.start if known or not self.claim else self.begin
        stop = self.stop + (self.tail if known else 0)
        patch = {self.bytes_at: (stop - start).to_bytes(4, "big")} if known else {}
        return Piece(
            start,
            stop,
            lead=_TITLE,
            patch=patch,
            endless=not known,
            duration_s=max(0.0, duration_s),
            n_bytes=self.stop - self.begin,
            fault=fault,
        )


def pieces(data: Bytes, begin: int, end: int) -> list[Piece]:
    """List the recordings in a stretch of MPEG frames; none if there are no frames where they should begin."""
    after_tags = begin
    while (size := _tag_size(data, after_tags)) and after_tags + size < end:
        after_tags += size
    start = _sync(data, after_tags, min(end, after_tags + _SEARCHED), end)
    if start is None:
        return []
    run: _Run | None = None
    found: list[Piece] = []
    place, fault = start, ""
    while place < end and not fault:
        head = data.at(place, 64)
        frame = _frame(head[:4])
        claim = _claim(head, frame) if frame else None
        other = run is None or claim is not None or (frame and (frame.sr, frame.channels) != (run.sr, run.channels))
        if frame and place + frame.length <= end and not (other and run and not _follows(data, place, frame, end)):
            if other:
                if run and run.n:
                    found.append(run.piece())
                run = _Run(place, frame, claim)
            assert run is not None
            run.add(frame)
            place += frame.length
            continue
        size = _tag_size(data, place)
        following = place + size if size else _sync(data, place + 1, end, end)
        if following is None or following >= end:
            break  # a frame that is cut off, or whatever is behind the sound
        at_join = size or _claim(data.at(following, 64), _frame(data.at(following, 4))) is not None
        if not at_join or following - place > max(size, 2 * _LONGEST):
            fault = f"{following - place} bytes of it are no sound"
        elif run:
            run.tail = size if head[:3] != b"ID3" else 0
            found.append(run.piece())
            run = None
        place = following
    last = end - 128 if data.at(max(0, end - 128), 3) == b"TAG" else end  # mpg123 knows this tag
    if run and run.n > 0:
        found.append(run.piece(fault))
        if not (found[-1].fault or found[-1].endless or _frame(data.at(place, 4))):
            patch = {run.bytes_at: (last - run.start).to_bytes(4, "big")}  # mpg123 prints a warning if it does not fit
            found[-1] = replace(found[-1], stop=end, patch=patch)
    if found and found[0].start == after_tags:  # libsndfile reads them
        found[0] = replace(found[0], start=begin, lead=b"" if begin < start else _TITLE)
    if len(found) == 1 and not found[0].fault and place == last:
        found[0] = replace(found[0], patch={})
    return found


def _claim(head: bytes, frame: _Frame | None) -> int | None:
    """Frames that follow, by one that tells them; 0 if it tells other things only."""
    if frame is None or not frame.tag_at or head[frame.tag_at : frame.tag_at + 4] not in (b"Xing", b"Info"):
        return None
    flags, number = head[frame.tag_at + 4 : frame.tag_at + 8], head[frame.tag_at + 8 : frame.tag_at + 12]
    return int.from_bytes(number, "big") if flags[3:] and flags[3] & 1 else 0


def _follows(data: Bytes, place: int, frame: _Frame, end: int) -> bool:
    """Tell whether a frame is followed by one of its kind, or by nothing."""
    following = _frame(data.at(place + frame.length, 4))
    alike = following is not None and (following.sr, following.channels) == (frame.sr, frame.channels)
    return alike or place + frame.length == end


def _sync(data: Bytes, place: int, last: int, end: int) -> int | None:
    """Find the first of three frames in a row."""
    while place < last:
        block = data.at(place, min(2**16, last - place))
        i = block.find(b"\xff")
        while i >= 0:
            at, n = place + i, 0
            frame = _frame(data.at(at, 4))
            while frame and n < 3 and at + frame.length <= end and _follows(data, at, frame, end):
                at, n = at + frame.length, n + 1
                frame = _frame(data.at(at, 4))
            if n == 3 or (n and at == end):
                return place + i
            i = block.find(b"\xff", i + 1)
        place += len(block)
    return None


def _tag_size(data: Bytes, place: int) -> int:
    """Bytes of a tag at this place: ID3v2, ID3v1 or APE."""
    head = data.at(place, 32)
    if head[:3] == b"ID3" and len(head) >= 10:
        return 10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))
    if head[:3] == b"TAG":
        return 128
    if head[:8] == b"APETAGEX":
        return int.from_bytes(head[12:16], "little") + (32 if head[23] & 0x20 else 0)
    return 0
