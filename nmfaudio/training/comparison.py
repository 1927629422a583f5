"""Comparison of two dictionaries on recordings that neither was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from .. import metrics
from ..arguments import check_count, check_seed, checked
from ..compute.processes import Map
from ..denoising.denoiser import Denoiser
from ..dictionary import Dictionary
from ..errors import NmfaudioError
from .data.augment import active_rms, loop
from .data.corpus import Corpus

_SECONDS, _LEAST_S = 5.0, 0.1  # of a mixture, and of a recording for it: the rest of a file may be a few samples
_SNR_DB = (0.0, 5.0, 10.0)
_SAME = 0.999  # correlation of noise with speech that it is a copy of
_SURE = 2.0  # standard errors that a difference must exceed
_LOWEST = {"PESQ": 1.04, "ESTOI": 0.0, "SI-SDR": -30.0}  # of what a dictionary leaves no speech in


@checked
def mixtures(speech: Corpus, noise: Corpus, n: int = 18, random_state: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mix speech and noise of 5 s at 0, 5 and 10 dB by turns.

    Parameters
    ----------
    speech, noise : Corpus
        Corpora of one rate; short recordings are looped.
    n : int
        Number of mixtures.
    random_state : int
        Seed of the pieces.

    Returns
    -------
    list of (clean, noisy)
        Both of shape (samples,), float32.

    Raises
    ------
    NmfaudioError
        If one of the two is silent, or too short, or a piece that is drawn of the noise is one of the speech.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import soundfile as sf
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("speech.wav", "noise.wav"):
    ...         sf.write(f"{folder}/{name}", np.random.default_rng(len(name)).uniform(-0.1, 0.1, 32000), 16000)
    ...     speech, noise = Corpus(f"{folder}/speech.wav", 16000), Corpus(f"{folder}/noise.wav", 16000)
    ...     [noisy.shape for clean, noisy in mixtures(speech, noise, n=2)]
    [(80000,), (80000,)]
    """
    check_count("n", n)
    check_seed(random_state)
    rng = np.random.default_rng([random_state, 5])
    n_samples = int(_SECONDS * speech.sr)
    made = []
    cleans, disturbances = ([loop(y, n_samples) for y in _sounding(corpus, rng, n)] for corpus in (speech, noise))
    if np.abs(np.corrcoef(cleans, disturbances)[:n, n:]).max() > _SAME:
        raise NmfaudioError(f"{noise.source}: is the sound of {speech.source}: give noise without speech")
    for i, (clean, disturbance) in enumerate(zip(cleans, disturbances, strict=True)):
        level = active_rms(clean, speech.sr) / np.sqrt(np.mean(disturbance**2))
        factor = np.float32(level * 10 ** (-_SNR_DB[i % len(_SNR_DB)] / 20))
        made.append((clean, clean + factor * disturbance))
    return made


def _sounding(corpus: Corpus, rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Draw pieces that are not silent, each once before any is drawn again."""
    found: list[np.ndarray] = []
    while len(found) < n:
        before = len(found)
        for piece in corpus.pieces(rng, _SECONDS):
            y = piece.read(corpus.sr)
            if len(y) >= _LEAST_S * corpus.sr and y.var() > 1e-10:
                found.append(y)
            if len(found) == n:
                break
        if len(found) == before:
            raise NmfaudioError(
                f"{corpus.source}: nothing but silence, or less than {_LEAST_S:g} s, is held out: give more sound"
            )
    return found


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scores of two dictionaries on the same mixtures.

    Parameters
    ----------
    measures : tuple of str
        Names of the measures.
    noisy, base, new : ndarray, shape (mixtures, measures)
        Scores of the noisy mixtures, and of those that the old and the new dictionary cleaned.
    names : tuple of str
        Names of the old and of the new dictionary.
    """

    measures: tuple[str, ...]
    noisy: np.ndarray
    base: np.ndarray
    new: np.ndarray
    names: tuple[str, str]

    @property
    def signs(self) -> list[int]:
        """For each measure 1 if the new one is better, -1 if it is worse, 0 if chance can explain the difference."""
        return [int(np.sign(m)) if abs(m) > _SURE * e else 0 for m, e in zip(*self._change(), strict=True)]

    @property
    def is_worse(self) -> bool:
        """True if the new one is worse by any measure."""
        return -1 in self.signs

    @property
    def verdict(self) -> str:
        """Sentence that says better, worse, both, or no clear difference."""
        base, new = self.names
        better, worse = (
            " and ".join(name for name, sign in zip(self.measures, self.signs, strict=True) if sign == wanted)
            for wanted in (1, -1)
        )
        if better and worse:
            return f"{new} is better than {base} in {better}, but worse in {worse}"
        if better or worse:
            return f"{new} is {'better' if better else 'WORSE'} than {base} in {better or worse}"
        return f"no clear difference between {new} and {base}"

    def table(self) -> list[dict[str, str]]:
        """Return rows of means, and one of the change with twice its standard error."""
        rows = [
            {"": name, **{measure: f"{value:.3f}" for measure, value in zip(self.measures, mean, strict=True)}}
            for name, mean in zip(("noisy", *self.names), self._means(), strict=True)
        ]
        cells = (f"{m:+.3f} ± {_SURE * e:.3f}" for m, e in zip(*self._change(), strict=True))
        return [*rows, {"": "change", **dict(zip(self.measures, cells, strict=True))}]

    def text(self) -> str:
        """Return the table in columns."""
        rows = self.table()
        width = max(len(row[""]) for row in rows)
        head = " " * width + "".join(f"{name:>18}" for name in self.measures)
        return "\n".join(
            [head, *(f"{row['']:{width}}" + "".join(f"{row[m]:>18}" for m in self.measures) for row in rows)]
        )

    def _change(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard error of the change in each measure."""
        change = self.new - self.base
        return change.mean(axis=0), change.std(axis=0, ddof=1) / np.sqrt(len(change))

    def _means(self) -> list[np.ndarray]:
        return [scores.mean(axis=0) for scores in (self.noisy, self.base, self.new)]


@checked
def compare(
    base: Dictionary,
    new: Dictionary,
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    sr: int,
    *,
    names: tuple[str, str],
    each: Map = map,
) -> Comparison:
    """Score two dictionaries on the same pairs of clean and noisy signals.

    PESQ and ESTOI are left out if the libraries of the extra `eval` are not installed.

    Parameters
    ----------
    base, new : Dictionary
    pairs : list of (clean, noisy)
        Signals of shape (samples,).
    sr : int
        Their sampling rate in Hz.
    names : tuple of str
        Names of the two in the result.
    each : callable
        Like the built-in `map`, from :func:`nmfaudio.compute.processes.workers`; it scores the pairs.

    Returns
    -------
    Comparison
        Without pairs on whose noisy signal a measure is not defined. A cleaned signal on which it is not defined, such
        as silence, gets the lowest value.

    Raises
    ------
    NmfaudioError
        If fewer than three pairs are left.

    Examples
    --------
    >>> from nmfaudio import Dictionary
    >>> def verdict(speech, noise, mine):
    ...     pairs = mixtures(speech, noise)
    ...     return compare(Dictionary.load("speech"), mine, pairs, speech.sr, names=("speech", "mine")).verdict
    """
    measures = tuple(name for name in metrics.MEASURES if name == "SI-SDR" or _can_measure())
    found = [row for row in each(partial(_scores, base, new, sr, measures), pairs) if row is not None]
    if len(found) < 3:
        raise NmfaudioError("too little speech is held out to compare on: give more")
    scores = np.array(found)
    return Comparison(measures, scores[:, 0], scores[:, 1], scores[:, 2], names)


def _can_measure() -> bool:
    try:
        return all(metrics.library(name) for name in ("pesq", "pystoi"))
    except NmfaudioError:
        return False


def _scores(
    base: Dictionary, new: Dictionary, sr: int, measures: tuple[str, ...], pair: tuple[np.ndarray, np.ndarray]
) -> list[list[float]] | None:
    clean, noisy = pair
    try:
        before = [metrics.MEASURES[name](clean, noisy, sr) for name in measures]
    except NmfaudioError:  # PESQ finds no speech in some sounds
        return None
    cleaned = [Denoiser(dictionary)(noisy, sr) for dictionary in (base, new)]
    return [before, *([_score(name, clean, y, sr) for name in measures] for y in cleaned)]


def _score(measure: str, clean: np.ndarray, y: np.ndarray, sr: int) -> float:
    try:
        return max(metrics.MEASURES[measure](clean, y, sr), _LOWEST[measure])
    except NmfaudioError:  # the speech is lost, which must not count less than harm to it
        return _LOWEST[measure]
