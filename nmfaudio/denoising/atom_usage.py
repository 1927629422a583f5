"""Usage of atoms: how much each of them adds to the estimates of speech and of noise, and when."""

from dataclasses import dataclass

import numpy as np

from ..arguments import checked, shown
from ..errors import NmfaudioError
from ..unfolded.updates import Rows, activations, contributions
from .decomposition import Decomposition
from .sparse import SparseDecomposition
from .unfolded.decomposition import UnfoldedDecomposition, stages_below

_FRAMES = 512
_TINY = np.float32(1e-20)


@dataclass(frozen=True)
class AtomUsage:
    """Parts of a spectrogram that the atoms of one source account for.

    Parameters
    ----------
    atoms : ndarray, shape (F, K)
        Trained atoms, as columns.
    parts : ndarray, shape (K, N)
        Sum over the bins of each frame that each of them accounts for.
    adaptive : ndarray, shape (N,)
        The same for all spectra taken from the recording itself: tracked, free or from a noise profile.
    """

    atoms: np.ndarray
    parts: np.ndarray
    adaptive: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Share of each atom in the whole estimate, shape (K,); the rest to 1 is adaptive."""
        total = self.parts.sum(dtype=np.float64) + self.adaptive.sum(dtype=np.float64)
        shares: np.ndarray = self.parts.sum(axis=1, dtype=np.float64) / max(total, float(_TINY))
        return shares


@checked
def atom_usage(decomposition: Decomposition, V: np.ndarray) -> dict[str, AtomUsage]:
    """Return how much of a spectrogram each atom accounts for.

    Where the estimates are sums of atoms, ``S + N = sum_k w_k h_k``, atom k accounts for ``w_k h_k V / (S + N)`` of V:
    the numerator of a multiplicative update under the Kullback-Leibler divergence (Lee and Seung 2001, eq. 5).

    Parameters
    ----------
    decomposition : Decomposition
        Of a sparse or an unfolded dictionary; of an unfolded one the first pass of the last stage counts.
    V : ndarray, shape (F, N), float32
        Compressed magnitude.

    Returns
    -------
    dict of str to AtomUsage
        Of "speech" and of "noise".

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.denoising.sparse import SparseDecomposition, SparseSettings
    >>> from nmfaudio import Dictionary, FrontEnd
    >>> atoms = np.eye(9, dtype=np.float32)
    >>> dictionary = Dictionary("sparse", {"speech": atoms[:, :4], "noise": atoms[:, 4:]}, FrontEnd(n_bins=9))
    >>> V = np.zeros((9, 20), np.float32)
    >>> V[2:6] = [[3], [1], [1], [1]]
    >>> atom_usage(SparseDecomposition(dictionary, SparseSettings(n_free=0)), V)["speech"].shares.round(2)
    array([0.  , 0.  , 0.75, 0.25])
    """
    if not isinstance(decomposition, SparseDecomposition | UnfoldedDecomposition):
        raise NmfaudioError(f"decomposition must be of a sparse or an unfolded dictionary, not {shown(decomposition)}")
    if V.ndim != 2 or V.dtype != np.float32:
        raise NmfaudioError(f"V must be a matrix (F, N) of float32, not {V.dtype} of shape {V.shape}")
    if isinstance(decomposition, SparseDecomposition):
        return _sparse(decomposition, V)
    return _unfolded(decomposition, V)


def _unfolded(decomposition: UnfoldedDecomposition, V: np.ndarray) -> dict[str, AtomUsage]:
    *earlier, stage = stages_below(decomposition.stages, len(V))
    mask = decomposition.of(earlier)(V) if earlier else None
    V = V[: stage.context.height]
    stack, tracked = stage.context.stack_rows(V, mask)
    weights, n_rows = stage.weights, len(V)
    atoms = dict(zip(("speech", "noise"), weights.sources, strict=True))
    gains = dict(zip(("speech", "noise"), weights.source_gains, strict=True))
    found = {source: _silent(W, V.shape[1]) for source, W in atoms.items()}
    for start in range(0, V.shape[1], _FRAMES):
        frames = slice(start, start + _FRAMES)
        rows = Rows.of(stage.context, np.full(len(stack[frames]), stage.context.n_high))
        h, a, _ = activations(weights, stage.order, stack[frames], tracked[frames], rows)
        R = V[:, frames].T / contributions(weights, h, a, tracked[frames]).sum(axis=0)
        for source, usage in found.items():
            usage.parts[:, frames] = (h * (R @ atoms[source])).T
            spectra = tracked[frames, :, :n_rows] * gains[source]
            usage.adaptive[frames] = np.einsum("nj,njf,nf->n", a, spectra, R, optimize=True)
    return found


def _sparse(decomposition: SparseDecomposition, V: np.ndarray) -> dict[str, AtomUsage]:
    n_speech, n_atoms = decomposition.n_speech, decomposition.atoms.shape[1]
    speech = _silent(decomposition.atoms[:, :n_speech], V.shape[1])
    noise = _silent(decomposition.atoms[:, n_speech:], V.shape[1])
    for frames, W, H in decomposition.factors(V):
        parts = H * (W.T @ (V[: len(W), frames] / np.maximum(W @ H, _TINY)))
        speech.parts[:, frames] = parts[:n_speech]
        noise.parts[:, frames] = parts[n_speech:n_atoms]
        noise.adaptive[frames] = parts[n_atoms:].sum(axis=0)
    return {"speech": speech, "noise": noise}


def _silent(atoms: np.ndarray, n_frames: int) -> AtomUsage:
    return AtomUsage(atoms, np.zeros((atoms.shape[1], n_frames), np.float32), np.zeros(n_frames, np.float32))
