"""Blind separation: components learnt from the mixture itself and grouped into sources by their sound."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import check_count, check_seed, checked
from ..audio import as_signal
from ..errors import NmfaudioError
from ..nmf.spatial_nmf import spatial_nmf
from ..spectra.stft import STFT
from .stems import stems

_WINDOW_S, _HOP_S = 0.064, 0.016
_REPEATS_S = 0.1, 3.0  # lags at which repetition is looked for

_BYTES_OF_ENTRY = 33  # of the spectrogram, for each source and the mixture, as all that follows: measured
_BYTES_OF_PHASES = {"griffin-lim": 65, "fast-griffin-lim": 65, "misi": 52, "consistent": 96}
_BYTES_OF_COVARIANCES = 182  # of the channels, whatever the number of sources


class Components:
    """Components of a mixture, to be grouped into sources automatically, by hand, or both.

    The factorisation is done on construction.

    Parameters
    ----------
    y : array_like, shape (samples,) or (channels, samples)
        Mixture; float, or integers that are scaled to full scale 1.
    sr : float
        Sampling rate in Hz.
    n_components : int
        Number of components K: notes, drum sounds, parts of words.
    n_taps : int
        Length of a component in frames of 16 ms. More than 1 suits drums and other sounds that are alike each time.
    n_iter : int
        Iterations of the factorisation.
    random_state : int
        Seed; the same mixture and seed give the same components.

    Raises
    ------
    NmfaudioError
        If the mixture is no such signal or has no samples, or a number is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(16000) / 8000
    >>> y = 0.3 * np.sin(2000 * t) + rng.standard_normal(16000) * (t % 0.5 < 0.05)
    >>> components = Components(y, 8000, n_components=4, n_iter=20)
    >>> groups = components.group(2)
    >>> sorted(k for members in groups.values() for k in members)
    [0, 1, 2, 3]
    >>> stems = components.stems(groups)
    >>> bool(np.allclose(sum(stems.values()), y))
    True
    """

    @checked
    def __init__(
        self,
        y: ArrayLike,
        sr: float,
        *,
        n_components: int = 24,
        n_taps: int = 1,
        n_iter: int = 60,
        random_state: int = 0,
    ) -> None:
        for name, value in (("n_components", n_components), ("n_taps", n_taps), ("n_iter", n_iter)):
            check_count(name, value)
        check_seed(random_state)
        self.y, self.sr, self.n_components = as_signal(y), sr, n_components
        self.stft = STFT.for_rate(sr, _WINDOW_S, _HOP_S)
        V = np.abs(self.stft(np.atleast_2d(self.y)))
        self.factorization = spatial_nmf(
            V, n_free=n_components, n_taps=n_taps, n_iter=n_iter, random_state=random_state
        )

    @checked
    def group(self, n_sources: int) -> dict[str, list[int]]:
        """Group the components into sources by k-means of their `features`, loud components counting more.

        Returns
        -------
        dict of str to list of int
            Components of "source1", "source2", ..., the loudest source first. You may change them. There are fewer
            groups if no more differ, as in silence.

        Raises
        ------
        NmfaudioError
            If there are fewer components than sources.
        """
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        check_count("n_sources", n_sources)
        if n_sources > self.n_components:
            raise NmfaudioError(f"{self.n_components} components cannot make {n_sources} sources: choose fewer")
        weights = np.sqrt(self.loudness) + np.finfo(float).tiny
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer groups than were asked for
            labels = KMeans(n_sources, n_init=20, random_state=0).fit_predict(self.features(), sample_weight=weights)
        members = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
        members.sort(key=lambda group: -self.loudness[group].sum())
        return {f"source{i}": group for i, group in enumerate(members, 1)}

    def features(self) -> NDArray[np.floating]:
        """Compute the features that the grouping uses.

        Timbre (mel cepstrum of the atom), onset (share of rises in the activation), repetition (autocorrelation of the
        onsets) and, for several channels, the level in each.

        Returns
        -------
        ndarray, shape (K, features)
        """
        from librosa import autocorrelate, power_to_db
        from librosa.feature import mfcc
        from librosa.filters import mel

        W, H = self.factorization.W, self.factorization.H
        bank = mel(sr=self.sr, n_fft=self.stft.n_fft, n_mels=40, fmax=min(self.sr / 2, 16000.0))
        timbre = mfcc(S=power_to_db(bank @ (W**2).mean(axis=1), top_db=60), n_mfcc=8)[1:].T
        envelope = H / np.maximum(H.max(axis=1, keepdims=True), 1e-12)
        rises = np.maximum(np.diff(envelope, axis=1, prepend=0), 0)
        onset = np.log(rises.sum(axis=1) / np.maximum(envelope.sum(axis=1), 1e-12) + 1e-3)[:, None]
        first, last = (max(1, round(s * self.sr / self.stft.hop_length)) for s in _REPEATS_S)
        strikes = np.maximum(np.diff(np.sqrt(envelope), axis=1, prepend=0), 0)
        strikes -= strikes.mean(axis=1, keepdims=True)
        lags = autocorrelate(strikes, axis=1)
        repetition = (lags / np.maximum(lags[:, :1], 1e-12))[:, first : max(last, first + 1)]
        kinds = [(timbre, 1.0), (onset, 1.0), (repetition, 0.5)]
        if len(self.factorization.Q) > 1:
            kinds.append((self.factorization.Q.T, 2.0))
        weighted = [weight * _standardised(values, self.loudness) for values, weight in kinds]
        return np.hstack(weighted)

    @property
    def loudness(self) -> NDArray[np.floating]:
        """Sum of the magnitudes of each component, shape (K,)."""
        loudness: NDArray[np.floating] = self.factorization.W.sum(axis=(0, 1)) * self.factorization.H.sum(axis=1)
        return loudness

    @checked
    def stems(self, groups: Mapping[str, Sequence[int]], phase: str = "mixture") -> dict[str, NDArray[np.floating]]:
        """Signals of groups of components.

        Parameters
        ----------
        groups : mapping of str to sequence of int
            Components of each stem. Those in no group make the stem "rest".
        phase : str
            Method for the phases, as for `Separator`.

        Returns
        -------
        dict of str to ndarray
            Stems, of y's shape. They add up to y, but for the phases "griffin-lim" and "fast-griffin-lim".

        Raises
        ------
        NmfaudioError
            If a group holds a component that does not exist or is in another one.
        """
        groups = with_rest(groups, self.n_components)
        Y = self.stft(np.atleast_2d(self.y))
        powers = np.stack([self.factorization.estimate(np.array(members, int)) for members in groups.values()]) ** 2
        present = np.ones((len(groups), *Y.shape[1:]), bool)
        signals = stems(powers, present, Y, self.stft, self.y.shape[-1], phase)
        return {name: signal.reshape(self.y.shape) for name, signal in zip(groups, signals, strict=True)}


def with_rest(groups: Mapping[str, Sequence[int]], n_components: int) -> dict[str, list[int]]:
    """Add the components that are in no group to the group "rest".

    Raises
    ------
    NmfaudioError
        If a group holds a component that does not exist or is in another one.
    """
    whole = {name: list(members) for name, members in groups.items()}
    taken = [k for members in whole.values() for k in members]
    wrong = next((k for i, k in enumerate(taken) if k not in range(n_components) or k in taken[:i]), None)
    if wrong is not None:
        last = n_components - 1
        raise NmfaudioError(f"component {wrong} does not exist or is in two groups; there are 0 to {last}")
    if left := sorted(set(range(n_components)) - set(taken)):
        whole["rest"] = [*whole.get("rest", []), *left]
    return whole


def memory_needed(n_samples: int, n_channels: int, sr: float, n_sources: int, phase: str) -> float:
    """Estimate the bytes that `Components` and their stems take at most, for a recording in single precision.

    Parameters
    ----------
    n_samples, n_channels : int
        Shape of the mixture.
    sr : float
        Sampling rate in Hz.
    n_sources : int
        Number of stems.
    phase : str
        Method for the phases, as for `Separator`.

    Returns
    -------
    float
        It grows with the length, since components are learnt from the whole mixture.
    """
    stft = STFT.for_rate(sr, _WINDOW_S, _HOP_S)
    entries = n_channels * stft.n_bins * stft.n_frames(n_samples)
    bytes_each = (n_sources + 1) * _BYTES_OF_PHASES.get(phase, _BYTES_OF_ENTRY)
    if phase == "spatial":
        bytes_each = max(bytes_each, _BYTES_OF_COVARIANCES)
    return float(bytes_each * entries)


def _standardised(values: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.floating]:
    """Subtract the mean of each column, and scale all to a total variance of one."""
    weights = (weights / (weights.sum() or 1))[:, None]
    values = values - (weights * values).sum(axis=0)
    return values / (np.sqrt((weights * values**2).sum()) or 1)
