"""Recordings of any length in constant memory: blocks to spectra, to windows of frames, and back; pieces of samples."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np

from .stft import STFT

Item = TypeVar("Item")
Frames = tuple[np.ndarray, ...]
"""Arrays of the same frames, which are their last axis."""

_HOPS, _VALUES = 256, 2**21  # of a block that are transformed at once: long windows have many values


class BlockSpectra:
    """Spectra of a recording that comes in blocks.

    Iterating yields complex spectra of shape (channels, F, n), in order; all together they are those of the whole
    recording.

    Parameters
    ----------
    stft : STFT
        The transform.
    blocks : iterable of ndarray, shape (channels, samples)
        The recording in blocks of any length.

    Attributes
    ----------
    n_samples : int
        Samples read so far.
    """

    def __init__(self, stft: STFT, blocks: Iterable[np.ndarray]):
        self.stft, self.blocks = stft, blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the spectra of the next frames."""
        hop, overlap = self.stft.hop_length, self.stft.overlap
        reach = -(-overlap // hop)  # frames of the samples at hand that were given before
        waiting: np.ndarray | None = None
        for block in self.blocks:
            if waiting is None:
                waiting = np.zeros((len(block), reach * hop), np.float32)
            self.n_samples += block.shape[1]
            step = hop * max(1, min(_HOPS, _VALUES // (len(block) * self.stft.n_bins)))
            for start in range(0, block.shape[1], step):
                part = block[:, start : start + step]
                waiting = np.concatenate([waiting, part], axis=1, dtype=np.float32)
                n_hops = waiting.shape[1] // hop - reach
                if n_hops > 0:
                    yield self.stft.analysis(waiting[:, : (reach + n_hops) * hop])[..., reach : reach + n_hops]
                    waiting = waiting[:, n_hops * hop :]
        if waiting is not None and self.n_samples:
            yield self.stft.analysis(waiting)[..., reach:]


def windows(
    chunks: Iterable[Frames], past: int, future: int, step: int = 1, size: Callable[[Frames], int] = lambda chunk: 1
) -> Iterator[tuple[Frames, slice]]:
    """Join chunks of frames into windows that hold some frames and the context around them.

    Every frame is one of the `now` frames of exactly one window.

    Parameters
    ----------
    chunks : iterable of tuple of ndarray, shape (..., n)
        Frames in order, one or more.
    past, future : int
        Frames of context before and after; fewer at the ends of the recording.
    step : int
        The `now` frames begin at a multiple of this many frames of the recording.
    size : callable
        Least number of `now` frames, from a chunk. The last window has what is left.

    Yields
    ------
    frames : tuple of ndarray, shape (..., n)
        The frames and their context.
    now : slice
        Place of the frames among them.
    """
    held: list[Frames] = []
    first, done, end = 0, 0, 0  # frames held begin at `first`, those given before end at `done`
    for chunk, last in _with_last(chunks):
        held.append(chunk)
        end += chunk[0].shape[-1]
        stop = end if last else (end - future) // step * step
        if not last and stop - done < size(chunk):
            continue
        around = tuple(np.concatenate(arrays, axis=-1) for arrays in zip(*held, strict=True))
        keep = max(first, stop - past)
        held = [tuple(array[..., keep - first :].copy() for array in around)]  # a copy lets go of the rest
        now = slice(done - first, stop - first)
        first, done = keep, stop
        window = [(around, now)]
        del around
        yield window.pop()  # none is held here while it is used


def overlap_add(stft: STFT, spectra: Iterable[np.ndarray], length: Callable[[], int]) -> Iterator[np.ndarray]:
    """Turn spectra that come in chunks back into blocks of samples.

    Parameters
    ----------
    stft : STFT
        The transform that made the spectra.
    spectra : iterable of ndarray, shape (channels, F, n)
        All frames of a recording, in order.
    length : callable
        Number of samples of the recording, asked for once the spectra have ended.

    Yields
    ------
    ndarray, shape (channels, samples)
    """
    reach = stft.n_frames(1) - 1  # frames after a hop that still overlap it
    pending: np.ndarray | None = None  # frames that later ones still overlap
    n_given = 0
    for Y, last in _with_last(spectra):
        pending = Y if pending is None else np.concatenate([pending, Y], axis=-1)
        hops = pending.shape[-1] - reach
        if last:
            yield stft.synthesis(pending, length() - n_given)
        elif hops > 0:
            yield stft.synthesis(pending[..., : hops + reach], hops * stft.hop_length)
            n_given += hops * stft.hop_length
            pending = pending[..., hops:]


def faded(
    blocks: Iterable[np.ndarray], size: int, overlap: int, process: Callable[[np.ndarray, int], np.ndarray]
) -> Iterator[np.ndarray]:
    """Pass a recording through a function in pieces that overlap, and fade each result into the next.

    A recording of up to ``1.5 * size`` samples is one piece. No piece is shorter than ``0.5 * size``, or longer than
    ``1.5 * size``.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (channels, samples)
        The recording in blocks of any length.
    size, overlap : int
        Samples of a piece, and those that it shares with the next one.
    process : callable
        Takes a piece, at values up to one, and the number of its first sample; returns an array (..., n) for its n
        samples, of the same level.

    Yields
    ------
    ndarray, shape (..., n)
    """
    held = ending = None  # samples to come, and the end of the last result under their beginning
    first = 0
    for block, last in _with_last(blocks):
        held = block if held is None else np.concatenate([held, block], axis=-1)
        while last or held.shape[-1] > 1.5 * size:
            final = held.shape[-1] <= 1.5 * size
            result = _levelled(held if final else held[..., :size], process, first)
            if ending is not None:
                rise = ((np.arange(overlap) + 0.5) / overlap).astype(result.dtype)
                result[..., :overlap] = ending * (1 - rise) + result[..., :overlap] * rise
            if final:
                yield result
                break
            step = size - overlap
            yield result[..., :step]
            ending = result[..., step:].copy()
            held, first = held[..., step:].copy(), first + step
            del result


def mended(
    chunks: Iterable[Frames],
    size: int,
    margin: int,
    mend: Callable[[np.ndarray, np.ndarray, int], np.ndarray],
    step: int = 1,
) -> Iterator[Frames]:
    """Pass those pieces of a recording through a function in which something is lost.

    The ends of pieces lie outside of what is lost. The function is given `margin` samples on both sides of a piece;
    before it, they are mended already.

    Parameters
    ----------
    chunks : iterable of tuple (y, lost, ...)
        The recording in blocks: samples (channels, n), a mask (..., n), and any other arrays (..., n) of it.
    size, margin : int
        Samples of a piece, unless something lost is longer, and on either side of it.
    mend : callable
        Takes samples, at values up to one, their mask and the number of the first sample; returns the samples mended.
    step : int
        Pieces end at multiples of this many samples if `size` and `margin` are such.

    Yields
    ------
    tuple (y, lost, ...)
        The chunks, of other lengths, with y mended where something is lost.
    """
    held: list[Frames] = []  # joined once a piece is complete
    first = start = end = 0  # samples held begin at `first`, those given before end at `start`
    stop = size  # of the piece that comes
    for chunk, last in _with_last(slices(chunks, size)):
        held.append(chunk)
        begin, end = end, end + chunk[0].shape[-1]
        stop = _after_lost(chunk[1], begin, stop, step)
        while start < end and (last or stop + margin <= end):
            stop = min(stop, end)
            whole = tuple(np.concatenate(arrays, axis=-1) for arrays in zip(*held, strict=True))
            now = slice(start - first, stop - first)
            if whole[1][..., now].any():
                begin = max(0, start - margin)
                around = slice(begin - first, min(stop + margin, end) - first)
                y = _levelled(whole[0][..., around], mend, whole[1][..., around], begin)
                np.copyto(whole[0][..., now], y[..., start - begin : stop - begin], where=whole[1][..., now])
            yield tuple(array[..., now] for array in whole)
            keep = max(first, stop - margin)
            held = [tuple(array[..., keep - first :].copy() for array in whole)]
            first, start = keep, stop
            stop = _after_lost(held[0][1], first, start + size, step)


def slices(chunks: Iterable[Frames], size: int) -> Iterator[Frames]:
    """Cut chunks of frames, or of samples, into such of at most this many."""
    for chunk in chunks:
        for start in range(0, chunk[0].shape[-1], size):
            yield tuple(array[..., start : start + size] for array in chunk)


def _levelled(y: np.ndarray, function: Callable[..., np.ndarray], *others: object) -> np.ndarray:
    """Pass samples through a function at values up to one: at a level of 1e-22 single precision has no squares."""
    exponent = int(np.frexp(np.abs(y).max(initial=0))[1])  # of a power of two, which rounds nothing
    result: np.ndarray = np.ldexp(function(np.ldexp(y, -exponent), *others), exponent)
    return result


def _after_lost(lost: np.ndarray, first: int, stop: int, step: int) -> int:
    """Move the end of a piece on while it lies in what is lost; the mask begins at `first`.

    An end before the mask was looked at there, and one after it will be in the mask that follows.
    """
    while first <= stop < first + lost.shape[-1] and lost[..., stop - first].any():
        stop += step
    return stop


def _with_last(items: Iterable[Item]) -> Iterator[tuple[Item, bool]]:
    """Yield each item, and whether it is the last."""
    iterator = iter(items)
    try:
        item = next(iterator)
    except StopIteration:
        return
    for following in iterator:
        yield item, False
        item = following
    yield item, True
