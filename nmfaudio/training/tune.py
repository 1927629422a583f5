"""Choice of rank and penalty of a sparse dictionary by SI-SDR on held-out mixtures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import metrics
from ..arguments import checked
from ..compute.processes import Map
from ..denoising.denoiser import Denoiser
from ..dictionary import Dictionary
from ..errors import NmfaudioError

RANKS = (32, 64, 128, 256)
PENALTIES = (0.1, 0.3, 1.0)


@dataclass(frozen=True, eq=False)
class Tuning:
    """Ranks and penalties that were tried, and their scores.

    Parameters
    ----------
    ranks : tuple of int
        Numbers of speech atoms, tried at the middle penalty; there are half as many noise atoms.
    rank_db : ndarray, shape (ranks, mixtures)
        SI-SDR in dB on held-out mixtures.
    penalties : tuple of float
        Penalties, tried at the best rank.
    penalty_db : ndarray, shape (penalties, mixtures)
        SI-SDR in dB on held-out mixtures.
    """

    ranks: tuple[int, ...]
    rank_db: np.ndarray
    penalties: tuple[float, ...]
    penalty_db: np.ndarray

    @property
    def best(self) -> dict[str, Any]:
        """Best options for :func:`nmfaudio.training.sparse.train_sparse`."""
        n_speech = self.ranks[int(self.rank_db.mean(axis=1).argmax())]
        penalty = self.penalties[int(self.penalty_db.mean(axis=1).argmax())]
        return {"n_speech": n_speech, "n_noise": n_speech // 2, "penalty": penalty}


@checked
def tune(
    build: Callable[..., Dictionary],
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    sr: int,
    *,
    ranks: Sequence[int] = RANKS,
    penalties: Sequence[float] = PENALTIES,
    each: Map = map,
    report: Callable[[str], None] = lambda line: None,
) -> Tuning:
    """Try numbers of atoms, then penalties.

    Parameters
    ----------
    build : callable
        Trains a dictionary with the options that :attr:`Tuning.best` has.
    pairs : list of (clean, noisy)
        Held-out mixtures, of shape (samples,); judge the result on others.
    sr : int
        Their sampling rate in Hz.
    ranks : sequence of int
        Numbers of speech atoms to try, with the middle one of the penalties.
    penalties : sequence of float
        Penalties to try, with the best rank.
    each : callable
        Like the built-in `map`, from :func:`nmfaudio.compute.processes.workers`; it denoises the mixtures.
    report : callable
        Called with a line of text for each try.

    Returns
    -------
    Tuning

    Examples
    --------
    >>> from nmfaudio import FrontEnd
    >>> from nmfaudio.training.comparison import mixtures
    >>> from nmfaudio.training.sparse import build_sparse
    >>> def best_options(speech, noise):
    ...     build = partial(build_sparse, speech, noise, front_end=FrontEnd())
    ...     return tune(build, mixtures(speech, noise), speech.sr, report=print).best
    """
    for name, values in (("ranks", ranks), ("penalties", penalties), ("pairs", pairs)):
        if not len(values):
            raise NmfaudioError(f"{name} is empty: give at least one")

    def quality(n_speech: int, penalty: float) -> list[float]:
        dictionary = build(n_speech=n_speech, n_noise=n_speech // 2, penalty=penalty)
        db = list(each(partial(_si_sdr, dictionary, sr), pairs))
        report(f"{n_speech} + {n_speech // 2} atoms, penalty {penalty:g}: SI-SDR {np.mean(db):.2f} dB held out")
        return db

    middle = penalties[len(penalties) // 2]
    rank_db = np.array([quality(rank, middle) for rank in ranks])
    best = int(rank_db.mean(axis=1).argmax())
    penalty_db = np.array([rank_db[best] if p == middle else quality(ranks[best], p) for p in penalties])
    return Tuning(tuple(ranks), rank_db, tuple(penalties), penalty_db)


def _si_sdr(dictionary: Dictionary, sr: int, pair: tuple[np.ndarray, np.ndarray]) -> float:
    clean, noisy = pair
    return float(metrics.si_sdr(clean, Denoiser(dictionary)(noisy, sr)))
