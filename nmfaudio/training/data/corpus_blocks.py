"""Batches of blocks of a corpus, which any process or machine can turn into spectrograms."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import NmfaudioError
from ...spectra.front_end import FrontEnd
from .corpus import Corpus, Piece

_LEAST_S = 1.0  # less would be read again and again
_PIECE_S = 20.0  # of one recording in a row
_UPDATES, _LEAST_UPDATE_S = 300, 20.0
_BLOCKS, _LEAST_BLOCK_S, _LARGEST_BLOCK_S = 64, 5.0, 240.0


@dataclass(frozen=True)
class SoundBlock:
    """Pieces of sound files that become spectrograms when called.

    It is small to send to another process: it holds file names only, and reads the files where it is called.

    Parameters
    ----------
    pieces : tuple of Piece
    front_end : FrontEnd
    """

    pieces: tuple[Piece, ...]
    front_end: FrontEnd

    @property
    def seconds(self) -> float:
        """Duration of the sound."""
        return sum(piece.stop_s - piece.start_s for piece in self.pieces)

    def __call__(self) -> list[np.ndarray]:
        """Return the compressed magnitude of each piece, shape (F, T)."""
        sr = self.front_end.sr
        return [self.front_end.spectrogram(piece.read(sr), sr) for piece in self.pieces]


def corpus_batches(
    corpus: Corpus, front_end: FrontEnd, random_state: int, seconds: float
) -> Iterator[list[SoundBlock]]:
    """Go through a corpus in random order, again and again, in the blocks of each update of the atoms.

    There are about 300 updates, or fewer if each would have less than 20 s of sound. The number of blocks of an update,
    and so the number of workers that can share it, depends on `seconds` alone: 4 of 5 s for an hour, 64 for 27 to 1280
    hours, then as many of 240 s as it takes.

    Parameters
    ----------
    corpus : Corpus
    front_end : FrontEnd
    random_state : int
        Seed of the order.
    seconds : float
        Duration in all.

    Yields
    ------
    list of SoundBlock

    Raises
    ------
    NmfaudioError
        If the corpus is shorter than a second.
    """
    if corpus.hours * 3600 < _LEAST_S:
        raise NmfaudioError(
            f"{corpus.source}: {corpus.hours * 3600:.3f} s of sound is too little to train on: give a second or more"
        )
    update_s = max(_LEAST_UPDATE_S, seconds / _UPDATES)
    block_s = min(max(update_s / _BLOCKS, _LEAST_BLOCK_S), _LARGEST_BLOCK_S)
    batch: list[SoundBlock] = []
    given_s = 0.0
    for block in _blocks(corpus, front_end, random_state, seconds, block_s):
        batch.append(block)
        given_s += block.seconds
        if given_s + block_s / 2 > update_s:
            yield batch
            batch, given_s = [], 0.0
    if batch:
        yield batch


def _blocks(
    corpus: Corpus, front_end: FrontEnd, random_state: int, seconds: float, block_s: float
) -> Iterator[SoundBlock]:
    given_s, n_passes = 0.0, 0
    while given_s < seconds - 1e-3:  # what is left is rounding
        pieces: list[Piece] = []
        length_s = 0.0
        for piece in corpus.pieces(np.random.default_rng([random_state, n_passes]), min(block_s, _PIECE_S)):
            piece_s = piece.stop_s - piece.start_s
            if pieces and length_s + piece_s > block_s:
                yield SoundBlock(tuple(pieces), front_end)
                pieces, length_s = [], 0.0
            pieces.append(piece)
            length_s += piece_s
            given_s += piece_s
            if given_s >= seconds:
                break
        yield SoundBlock(tuple(pieces), front_end)
        n_passes += 1
