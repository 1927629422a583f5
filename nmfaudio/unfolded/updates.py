"""Equations of unfolded NMF, as training differentiates them: each update leaves a trace for its gradient.

A stage looks at stacked frames ``v`` (:mod:`nmfaudio.unfolded.context`). It has atoms ``W``, row weights
``c``, penalties ``mu`` and ``nu``, relaxation ``g``, and atoms ``A`` that are tracked in the recording itself, scaled
by gains ``G``. Each update of the activations ``h`` of the atoms and ``a`` of the tracked atoms is (Lee and Seung 2001,
eq. 5, with a penalty; Le Roux, Hershey and Weninger, "Deep NMF for speech separation", 2015, eq. 9)::

    (1)  r = W h + (G * A) a
    (2)  q = c v / r
    (3)  h <- h * ((W' q) / (W' c + mu + M' q))^g
    (4)  a <- a * ((G * A)' q) / ((G * A)' c + nu)

``M`` is there in some layers. It makes the penalty of an atom depend on the frame: rows that the model explains too
little of raise the penalty through M as they raise the atom through W. After the last update the part of each source i
in each bin, its power, and the masks are::

    (5)  s_i = W_i h + (G_i * A) a
    (6)  S_i = (s_i / sum_k s_k)^p
    (7)  m_i = S_i / sum_k S_k

A stage may run several times on the mask that it has just made, and may be joined to the stage before. Its mask is
then the geometric mean of all n masks, its own and those of the stages that it is joined to::

    (8)  m_i = (m_i1 ... m_in)^(1/n)

The power p of each bin makes up for the fact that sums of non-negative parts cannot cancel. All weights are
non-negative; :class:`nmfaudio.unfolded.weights.Weights` names them. For denoising the sources are speech and
noise.

Frames are rows here. :mod:`.stage` runs the same equations on blocks of frames,
:mod:`nmfaudio.denoising.unfolded.stream` on single frames.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..kernels.unfolded.gradient import ratio_forward
from ..kernels.unfolded.limits import LEAST, MOST, TINY
from .context import StackContext
from .weights import Weights

Matmul = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Rows(NamedTuple):
    """Kinds of the rows of the stack, and those that each frame has: others count nothing in (3).

    In :mod:`.stage` missing rows are cut, which is the same.

    Attributes
    ----------
    n_full : int
        Number of rows at full resolution, see :attr:`nmfaudio.unfolded.context.StackContext.n_full`.
    present : ndarray, shape (G, D)
        1 for each row that frames of a group have, otherwise 0.
    group : ndarray, shape (T,), int64
        Group of each frame.
    """

    n_full: int
    present: np.ndarray
    group: np.ndarray

    @classmethod
    def of(cls, context: StackContext, n_high: np.ndarray) -> "Rows":
        """Group frames by the number of high bands that they have, shape (T,)."""
        numbers, group = np.unique(n_high.astype(np.int64), return_inverse=True)
        present = np.zeros((len(numbers), context.n_rows), np.float32)
        for row, number in zip(present, numbers, strict=True):
            row[context.kept(context.below(context.n_bins + int(number)))[0]] = 1
        return cls(context.n_full, present, group)


class Trace(NamedTuple):
    """State of one update, for its gradient.

    Attributes
    ----------
    layer : int
    h, a : ndarray, shape (T, K), (T, J)
        Activations before the update.
    r, q : ndarray, shape (T, D)
        Of equations (1) and (2).
    quotient, denominator, factor : ndarray, shape (T, K)
        Of equation (3): the quotient, its denominator, and its power g.
    tracked_numerator, tracked_denominator : ndarray, shape (T, J)
        Of equation (4).
    """

    layer: int
    h: np.ndarray
    a: np.ndarray
    r: np.ndarray
    q: np.ndarray
    quotient: np.ndarray
    denominator: np.ndarray
    factor: np.ndarray
    tracked_numerator: np.ndarray
    tracked_denominator: np.ndarray


def update(
    weights: Weights,
    layer: int,
    stack: np.ndarray,
    tracked: np.ndarray,
    rows: Rows,
    h: np.ndarray,
    a: np.ndarray,
    matmul: Matmul = np.matmul,
) -> tuple[np.ndarray, np.ndarray, Trace]:
    """Update the activations once; the shapes are those of :func:`activations`."""
    W, c, penalty, relaxation, gains, tracked_penalty, against = weights.layers[layer]
    r = matmul(h, W.T)
    q = np.empty_like(r)
    tracked_numerator, tracked_denominator = np.empty_like(a), np.empty_like(a)
    ratio_forward(
        stack, r, q, tracked, gains, a, c, len(weights.power), rows.n_full, tracked_numerator, tracked_denominator
    )  # (1), (2)
    tracked_denominator += tracked_penalty + LEAST  # a silent frame has silent tracked atoms
    denominator = ((rows.present * c) @ W + penalty + LEAST)[rows.group]
    if against is not None:
        denominator += matmul(q, against)
    quotient = np.maximum(matmul(q, W) / denominator, LEAST)
    factor = np.exp(np.clip(relaxation * np.log(quotient), -MOST, MOST))
    trace = Trace(layer, h, a, r, q, quotient, denominator, factor, tracked_numerator, tracked_denominator)
    return h * factor, a * tracked_numerator / tracked_denominator, trace  # (3), (4)


def activations(
    weights: Weights,
    order: Sequence[int],
    stack: np.ndarray,
    tracked: np.ndarray,
    rows: Rows,
    matmul: Matmul = np.matmul,
) -> tuple[np.ndarray, np.ndarray, list[Trace]]:
    """Compute the activations after all updates: equations (1) to (4).

    Parameters
    ----------
    weights : Weights
    order : sequence of int
        Layer of each update.
    stack : ndarray, shape (T, D)
        From :meth:`nmfaudio.unfolded.context.StackContext.stack_rows`.
    tracked : ndarray, shape (T, J, F + B)
        From the same.
    rows : Rows
    matmul : callable
        Product of two matrices; training may use a faster, coarser one.

    Returns
    -------
    h : ndarray, shape (T, K)
    a : ndarray, shape (T, J)
    traces : list of Trace
        One for each update.
    """
    h, a = np.tile(weights.start, (len(stack), 1)), np.tile(weights.tracked_start, (len(stack), 1))
    traces = []
    for layer in order:
        h, a, trace = update(weights, layer, stack, tracked, rows, h, a, matmul)
        traces.append(trace)
    return h, a, traces


def contributions(weights: Weights, h: np.ndarray, a: np.ndarray, tracked: np.ndarray) -> np.ndarray:
    """Compute the part of each source in each bin, shape (S, T, F): equation (5)."""
    parts: np.ndarray = h @ weights.sources.transpose(0, 2, 1)
    for j in range(a.shape[1]):
        atom = a[:, j, None] * tracked[:, j, : parts.shape[2]]
        for part, gains in zip(parts, weights.source_gains, strict=True):
            part += atom * gains[j]
    return np.maximum(parts, TINY)


def masks_of(parts: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Compute the masks from the parts of the sources, both of shape (S, T, F): equations (6) and (7)."""
    powers = (parts / parts.sum(axis=0)) ** power
    masks: np.ndarray = powers / powers.sum(axis=0)
    return masks
