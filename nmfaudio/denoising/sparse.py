"""Semi-supervised sparse NMF: trained atoms of speech and noise, and free atoms for the noise of this recording."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from ..dictionary import Dictionary
from ..kernels.nmf.multiplicative import multiply, ratio_kullback_leibler, update_atoms
from .gain import ratio_mask
from .profile_fit import profile_fit


@dataclass(frozen=True)
class SparseSettings:
    """Settings of the decomposition; a dictionary's settings of the same names come before these defaults.

    Parameters
    ----------
    n_iter : int
        Multiplicative updates; more of them fit the spectrogram better and separate it no better.
    speech_penalty, noise_penalty : float
        L1 penalties of the trained atoms' activations.
    n_free : int
        Largest number of free noise atoms.
    quiet_share : float
        Share of the frames, the quietest, that the free atoms start from.
    knot_frames : int
        Frames between the knots that the free atoms' activations are interpolated from: noise that changes more
        slowly than speech is theirs.
    segment_frames, margin_frames : int
        The recording is decomposed in segments of this many frames, each with a margin of its neighbours' frames on
        both sides.
    """

    n_iter: int = 15
    speech_penalty: float = 0.4
    noise_penalty: float = 0.3
    n_free: int = 12
    quiet_share: float = 0.15
    knot_frames: int = 50
    segment_frames: int = 256
    margin_frames: int = 64


class SparseDecomposition:
    """Share of speech by joint activations of trained and free atoms.

    Minimises the Kullback-Leibler divergence between V and ``W_s H_s + W_n H_n + W_free G T`` plus L1 penalties of H_s
    and H_n by multiplicative updates. T interpolates linearly between the knots of G; W_free starts from the quietest
    frames and is updated too. The mask is ``S / (S + N)``, with S the part of the model that speech atoms make. It does
    not depend on the level of V.

    Parameters
    ----------
    dictionary : Dictionary
        Of kind "sparse".
    settings : SparseSettings, optional
        By default from the dictionary's settings.
    profile : ndarray, shape (F, K), optional
        Atoms of a noise profile: noise atoms beside the trained ones, and a correction of the mask.

    Attributes
    ----------
    atoms : ndarray, shape (F, K)
        Trained atoms of speech, `n_speech` of them, then those of noise.
    segment_frames, past_frames, future_frames : int
        See `Decomposition`.

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.denoising.sparse import SparseDecomposition
    >>> from nmfaudio import Dictionary, FrontEnd
    >>> atoms = np.eye(9, dtype=np.float32)
    >>> dictionary = Dictionary("sparse", {"speech": atoms[:, :4], "noise": atoms[:, 4:]}, FrontEnd(n_bins=9))
    >>> mask = SparseDecomposition(dictionary, SparseSettings(n_free=0))(np.ones((9, 20), np.float32))
    >>> mask[:, 0].round(1)
    array([1., 1., 1., 1., 0., 0., 0., 0., 0.], dtype=float32)
    """

    def __init__(
        self, dictionary: Dictionary, settings: SparseSettings | None = None, profile: np.ndarray | None = None
    ) -> None:
        if settings is None:
            names = {field.name for field in fields(SparseSettings)}
            settings = SparseSettings(**{k: v for k, v in dictionary.settings.items() if k in names})
        self.settings = settings
        self.segment_frames = settings.segment_frames
        self.past_frames = -(-settings.margin_frames // self.segment_frames) * self.segment_frames
        self.future_frames = settings.margin_frames
        others = [atoms for name, atoms in dictionary.arrays.items() if name not in ("speech", "profile")]
        self._profile = profile
        if profile is not None:
            others.append(profile)
        self.n_speech = dictionary.arrays["speech"].shape[1]
        self.atoms = np.hstack([dictionary.arrays["speech"], *others])
        self._penalties = np.full((self.atoms.shape[1], 1), settings.noise_penalty, np.float32)
        self._penalties[: self.n_speech] = settings.speech_penalty

    def __call__(self, V: np.ndarray, frames: slice = slice(None)) -> np.ndarray:
        """Return the share of speech in each bin.

        Parameters
        ----------
        V : ndarray, shape (F, N), float32
            Compressed magnitude; for a low sampling rate F may be less than the dictionary's bins, or the upper rows 0.
        frames : slice
            Frames that are asked for, all by default; they begin a segment.

        Returns
        -------
        ndarray, shape (F, n), float32
            0 where the recording has nothing.
        """
        first, stop, _ = frames.indices(V.shape[1])
        mask = np.zeros((len(V), stop - first), np.float32)
        for segment, W, H in self.factors(V, frames):
            here = slice(segment.start - first, segment.stop - first)
            S = W[:, : self.n_speech] @ H[: self.n_speech]
            N = W[:, self.n_speech :] @ H[self.n_speech :]
            mask[: len(W), here] = ratio_mask(S, N)
        return mask if self._profile is None else profile_fit(V[:, frames], mask, self._profile[: len(V)])

    def factors(self, V: np.ndarray, frames: slice = slice(None)) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Factorise a spectrogram, or some frames of it, segment by segment.

        Yields
        ------
        frames : slice
            Frames of the segment.
        W : ndarray, shape (F, K)
            The atoms and, last, the free ones of the segment; fewer bins F than V has if the upper ones hold nothing.
        H : ndarray, shape (K, N)
            Their activations in these frames.
        """
        begin, end, _ = frames.indices(V.shape[1])
        margin = self.settings.margin_frames
        for start in range(begin, end, self.segment_frames):
            stop = min(start + self.segment_frames, end)
            first, last = max(0, start - margin), min(V.shape[1], stop + margin)
            W, H = self._factorised(V[:, first:last])
            yield slice(start, stop), W, H[:, start - first : stop - first]

    def _factorised(self, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n_bins = 1 + int(np.flatnonzero(V.any(axis=1)).max(initial=-1))
        V = V[:n_bins]  # a recording at a lower rate has nothing in the bins above
        level = V.mean(dtype=np.float64).astype(np.float32) if n_bins else 0
        if level == 0:
            return self.atoms[:0], np.zeros((self.atoms.shape[1], V.shape[1]), np.float32)
        V = np.ascontiguousarray(V / level)
        free = self._free_atoms(V)
        n_fixed, n_free = self.atoms.shape[1], free.shape[1]
        W = np.hstack([self.atoms[:n_bins], free])
        T = _interpolation(V.shape[1], self.settings.knot_frames)
        G = np.full((n_free, len(T)), n_bins / W.sum(), np.float32)
        H = np.empty((W.shape[1], V.shape[1]), np.float32)
        H[:n_fixed] = V.sum(axis=0) / W.sum()
        np.dot(G, T, out=H[n_fixed:])

        eps, floor = np.finfo(np.float32).eps, np.float32(1e-19)
        denominator = W[:, :n_fixed].sum(axis=0)[:, None] + self._penalties
        L, R, p = np.empty_like(V), np.empty_like(V), np.empty_like(H)
        no_penalty, one, two = np.zeros(n_free, np.float32), np.float32(1), np.float32(2)
        for i in range(self.settings.n_iter):
            np.dot(W, H, out=L)
            ratio_kullback_leibler(V, L, R, eps, None)
            np.dot(W.T, R, out=p)
            multiply(H[:n_fixed], p[:n_fixed], denominator, floor)
            multiply(G, p[n_fixed:] @ T.T, W[:, n_fixed:].sum(axis=0)[:, None] * T.sum(axis=1), floor)
            np.dot(G, T, out=H[n_fixed:])
            if n_free and i % 2 == 0:  # as good as every time
                np.dot(W, H, out=L)
                ratio_kullback_leibler(V, L, R, eps, None)
                Q = R @ H[n_fixed:].T
                P = np.tile(H[n_fixed:].sum(axis=1), (n_bins, 1))
                update_atoms(W[:, n_fixed:], G, Q, P, no_penalty, one, two, floor)
                np.dot(G, T, out=H[n_fixed:])
        return W, H * level

    def _free_atoms(self, V: np.ndarray) -> np.ndarray:
        """Return means of the quietest frames, grouped by time, shape (F, K), unit L2 norm."""
        energy = V.mean(axis=0)
        sounding = np.flatnonzero(energy > 1e-3)  # of the mean; not digital silence
        n_quiet = int(self.settings.quiet_share * len(sounding))
        n_free = min(self.settings.n_free, n_quiet // 4)  # an atom of one frame would fit it whatever it is
        if n_free == 0:
            return np.empty((len(V), 0), np.float32)
        quiet = np.sort(sounding[np.argsort(energy[sounding])[:n_quiet]])
        atoms = np.stack([V[:, group].mean(axis=1) for group in np.array_split(quiet, n_free)], axis=1)
        return atoms / np.linalg.norm(atoms, axis=0)


def _interpolation(n_frames: int, knot_frames: int) -> np.ndarray:
    """Return the weights of evenly spaced knots in every frame, shape (knots, n_frames); columns sum to one."""
    n_knots = max(2, -(-n_frames // knot_frames) + 1)
    position = np.linspace(0, n_knots - 1, n_frames)
    return np.maximum(0, 1 - np.abs(position - np.arange(n_knots)[:, None])).astype(np.float32)
