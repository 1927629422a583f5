"""Arrays of unfolded NMF, their names and shapes: in a dictionary and in training, and as the compiled loops take them.

Letters of the shapes: D rows of a stacked frame, K atoms, J tracked atoms, S sources, F rows of the spectrogram, B
bands, L layers, U updates.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..kernels.unfolded.limits import LEAST
from .context import StackContext


class Layer(NamedTuple):
    """Arrays of one layer; array ``name`` of layer i is ``name`` + ``i`` in a dictionary.

    Attributes
    ----------
    atoms : ndarray, shape (D, K)
        W.
    weights : ndarray, shape (D,)
        c, the weight of each row.
    penalty : ndarray, shape (K,)
        mu.
    relaxation : ndarray, shape (K,)
        g, the exponent of the factor of each atom.
    gains : ndarray, shape (J, D)
        G, of each tracked atom in each row.
    tracked_penalty : ndarray, shape (J,)
        nu.
    against : ndarray, shape (D, K), or None
        M, which makes the penalty of an atom depend on the frame; not all layers have it.
    """

    atoms: np.ndarray
    weights: np.ndarray
    penalty: np.ndarray
    relaxation: np.ndarray
    gains: np.ndarray
    tracked_penalty: np.ndarray
    against: np.ndarray | None = None


class Weights(NamedTuple):
    """Arrays of one stage, all non-negative; the letters are those of :mod:`nmfaudio.unfolded.updates`.

    Attributes
    ----------
    layers : tuple of Layer
    start : ndarray, shape (K,)
        Activations before the first update.
    tracked_start : ndarray, shape (J,)
        The same of the tracked atoms.
    sources : ndarray, shape (S, F, K)
        W_i, what the atoms add to the part of each source; of speech and of noise for denoising.
    source_gains : ndarray, shape (S, J, F)
        G_i, the same for the tracked atoms.
    power : ndarray, shape (F,)
        p.
    """

    layers: tuple[Layer, ...]
    start: np.ndarray
    tracked_start: np.ndarray
    sources: np.ndarray
    source_gains: np.ndarray
    power: np.ndarray

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Weights":
        """Find the weights among named arrays; they are not copied."""
        n_layers = sum(name.startswith("atoms") for name in arrays)
        required = Layer._fields[:-1]
        layers = tuple(
            Layer._make([*(arrays[f"{name}{i}"] for name in required), arrays.get(f"against{i}")])
            for i in range(n_layers)
        )
        return cls(layers, *(arrays[name] for name in cls._fields[1:]))

    def arrays(self) -> dict[str, np.ndarray]:
        """Name the arrays as in a dictionary; they are not copied."""
        named = {
            f"{name}{i}": array
            for i, layer in enumerate(self.layers)
            for name, array in zip(layer._fields, layer, strict=True)
            if array is not None
        }
        return named | dict(zip(self._fields[1:], self[1:], strict=True))

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Weights":
        """Apply a function to each array."""
        return self.from_arrays({name: function(array) for name, array in self.arrays().items()})

    def copy(self) -> "Weights":
        """Copy all arrays, in C order."""
        return self.map(np.ndarray.copy)


def read_weights(arrays: Mapping[str, np.ndarray], stage: int) -> Weights:
    """Weights of a stage from the arrays of a dictionary, where those of stage i are named ``i/name``."""
    prefix = f"{stage}/"
    return Weights.from_arrays(
        {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    )


def named_arrays(stages: Sequence[Weights]) -> dict[str, np.ndarray]:
    """Arrays of a dictionary from the weights of its stages."""
    return {f"{i}/{name}": array for i, weights in enumerate(stages) for name, array in weights.arrays().items()}


class Layers(NamedTuple):
    """Arrays of all layers, stacked, in single precision, as the loops for blocks and frames take them.

    Attributes
    ----------
    order : ndarray, shape (U,), int64
        Layer of each update.
    n_full : int
        Number of rows of the stack at full resolution; those below are bands.
    atoms : ndarray, shape (L, D, K)
    weights : ndarray, shape (L, D)
    gains : ndarray, shape (L, J, D)
    folded : ndarray, shape (L, J, F + B)
        ``weights * gains``, summed over the rows of the stack that share a row of the tracked atoms.
    denominator : ndarray, shape (L, K)
        ``W' c + mu`` of equation (3).
    relaxation : ndarray, shape (L, K)
    tracked_penalty : ndarray, shape (L, J)
    against : ndarray, shape (M, D, K)
        M of the layers that have it.
    against_of : ndarray, shape (L,), int64
        Index into `against` for each layer, -1 for none.
    """

    order: np.ndarray
    n_full: int
    atoms: np.ndarray
    weights: np.ndarray
    gains: np.ndarray
    folded: np.ndarray
    denominator: np.ndarray
    relaxation: np.ndarray
    tracked_penalty: np.ndarray
    against: np.ndarray
    against_of: np.ndarray

    @classmethod
    def of(cls, weights: Weights, order: Sequence[int], context: StackContext) -> "Layers":
        """Stack the layers of a stage, and compute what is the same for all frames."""

        def stacked(*arrays: np.ndarray) -> np.ndarray:
            return np.stack(arrays, dtype=np.float32)

        atoms, c, penalty, relaxation, gains, tracked_penalty = map(
            stacked, *(layer[:-1] for layer in weights.layers)
        )  # fmt: skip
        weighted = c[:, None] * gains
        full, bands = weighted[..., : context.n_full], weighted[..., context.n_full :]
        sums = [
            part.reshape(*gains.shape[:2], -1, size).sum(axis=2)
            for part, size in ((full, context.height), (bands, context.n_averages))
        ]
        has = [i for i, layer in enumerate(weights.layers) if layer.against is not None]
        against = [layer.against for layer in weights.layers if layer.against is not None]
        return cls(
            order=np.array(order, np.int64),
            n_full=context.n_full,
            atoms=atoms,
            weights=c,
            gains=gains,
            folded=np.concatenate(sums, axis=2),
            denominator=np.stack([c_i @ W for c_i, W in zip(c, atoms, strict=True)]) + penalty + LEAST,
            relaxation=relaxation,
            tracked_penalty=tracked_penalty + LEAST,
            against=np.array(against, np.float32).reshape(-1, *atoms.shape[1:]),
            against_of=np.array([has.index(i) if i in has else -1 for i in range(len(weights.layers))], np.int64),
        )


class Start(NamedTuple):
    """State of all frames before the first update.

    Attributes
    ----------
    h : ndarray, shape (K,)
    a : ndarray, shape (J,)
    model : ndarray, shape (D,)
        ``W h`` in the first layer.
    """

    h: np.ndarray
    a: np.ndarray
    model: np.ndarray


class Sources(NamedTuple):
    """Arrays of equations (5) to (7) as the loops for blocks and frames take them.

    Attributes
    ----------
    atoms : ndarray, shape (S F, K)
        All W_i, one on top of the other.
    gains : ndarray, shape (S, J, F)
    power : ndarray, shape (F,)
    """

    atoms: np.ndarray
    gains: np.ndarray
    power: np.ndarray
