"""NMF of a stream, in batches that are seen once and forgotten little by little."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix
from sklearn.utils import gen_batches

from ..arguments import check_count, check_number
from ..nmf.beta_divergence import Divergence, divergence, times_power
from ..nmf.start import Init, initialise
from ._base import Factorizer, Run, generator, level_of, scaled
from .nmf import Penalty, activations, check_penalties, penalties
from .solvers import coordinate_descent

_TINY = 1e-15  # of a memory
_FAR = 1e3  # times as loud: 60 dB for magnitudes


class OnlineNMF(Factorizer):
    """NMF by mini-batches: `partial_fit` learns from one batch at a time, and memory does not grow with the stream.

    Minimises the objective of `NMF`. A batch's activations are computed for the present components; what the components
    need to know of it is added to two small matrices, in which all that was before counts `forget_factor` times as
    much; and the components are renewed from these. With l1 and l2 the weights of the penalties of H, c the number of
    samples, forgotten likewise, and a = max(beta - 1, 0), b = max(2 - beta, 0):

        beta = 2:   A = sum W' W,  B = sum W' X;  H is improved for
                    ``tr(H' A H) / 2 - tr(H' B) + c l1 sum(H) + c l2 sum(H**2) / 2`` by a sweep of HALS
        else:       A = sum q H_t^-a,  B = sum p H_t^b,  H_t the components then, p and q as in
                    `nmfaudio.kernels.nmf.multiplicative`;  H solves ``A H^a + c l1 + c l2 H = B H^-b``

    A silent batch teaches nothing, and nothing is forgotten for it. A feature that is a thousand times as loud as ever
    begins anew, and all begins anew with a batch that is.

    X has samples in rows: for a spectrogram V (F, N) fit ``V.T``, or give its frames to `partial_fit`, batch by batch.

    Parameters
    ----------
    n_components : int
    beta_loss : float or str
        Divergence, as for `NMF`.
    batch_size : int
        Samples in a batch of `fit`.
    forget_factor : float
        Weight, at every batch, of those before it, from 0 (only the batch counts) to 1 (nothing is forgotten).
    init : str, pair of array_like, or None
        Start, see `nmfaudio.nmf.start.initialise`, from the first batch, of which H is used; None: samples of the
        first batch that is not silent, at random, if there are enough, else "random".
    alpha_W, alpha_H : float, float or "same"
        Weights of the penalties; "same" is `alpha_W`.
    l1_ratio : float
        Share of L1 in the penalties.
    max_iter : int
        Largest number of passes through X in `fit`, and of updates of a batch's activations.
    tol : float
        `fit` ends when ten passes lower the root of the objective by no more than `tol` times its first value.
    random_state : int, RandomState or None
        Seed of the start and of the order of samples in `fit`.

    Attributes
    ----------
    components_, n_components_, n_features_in_, n_iter_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.
    objective_ : ndarray
        After `fit`: objective of X and the model as the batches met it, at the start and in every pass, which need not
        fall from one to the next.
    n_batches_ : int
        Batches seen.

    References
    ----------
    J. Mairal, F. Bach, J. Ponce, G. Sapiro, "Online learning for matrix factorization and sparse coding", 2010 (the
    two matrices for beta = 2).
    A. Lefèvre, F. Bach, C. Févotte, "Online algorithms for nonnegative matrix factorization with the Itakura-Saito
    divergence", 2011 (the multiplicative form, and forgetting).

    Examples
    --------
    >>> import numpy as np
    >>> from nmfaudio.factorize import OnlineNMF
    >>> rng = np.random.default_rng(0)
    >>> atoms, model = rng.random((3, 8)), OnlineNMF(3, random_state=0)
    >>> for _ in range(100):
    ...     model = model.partial_fit(rng.random((20, 3)) @ atoms)
    >>> X = rng.random((50, 3)) @ atoms
    >>> bool(np.linalg.norm(model.inverse_transform(model.transform(X)) - X) < 0.05 * np.linalg.norm(X))
    True
    """

    def __init__(
        self,
        n_components: int = 10,
        *,
        beta_loss: float | str = "frobenius",
        batch_size: int = 256,
        forget_factor: float = 0.7,
        init: Init = None,
        alpha_W: float = 0.0,
        alpha_H: float | str = "same",
        l1_ratio: float = 0.0,
        max_iter: int = 200,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.beta_loss = beta_loss
        self.batch_size = batch_size
        self.forget_factor = forget_factor
        self.init = init
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    _level_in = "H"
    _memory: "_Memory"

    @property
    def _accepts_sparse(self) -> bool:  # type: ignore[override]
        return self._beta in (1, 2)

    def partial_fit(self, X: ArrayLike, y: None = None) -> "OnlineNMF":
        """Learn from one more batch.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_features)
            In the precision of the first batch, or it is converted to it.
        y : None
            Ignored.

        Returns
        -------
        self
        """
        self._check_parameters()
        first = not hasattr(self, "components_")
        X = self._checked(X, reset=first)
        if first:
            self.n_components_, self.n_batches_ = self.n_components, 0
        memory = None if first or not self._memory.loudest.any() else self._memory
        exponent = level_of(X, self._beta)
        data = scaled(X, -exponent)
        if memory is None or (isinstance(self.init, str | None) and memory.is_drowned_by(data, exponent)):
            rng, dtype = (memory.rng, memory.T.dtype) if memory else (generator(self.random_state), X.dtype)
            H = self._at(0, exponent)._start(data, rng)
            self._memory = memory = _Memory(np.ascontiguousarray(H.T, dtype), self._beta, exponent, rng)
        data = scaled(X, -memory.exponent).astype(memory.T.dtype, copy=False)
        self._at(0, memory.exponent)._learn(data, memory)
        self.components_ = scaled(np.ascontiguousarray(memory.T.T), memory.exponent)
        self.n_batches_ += 1
        return self

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_penalties(self)
        check_number("forget_factor", self.forget_factor, 0, 1)
        check_count("batch_size", self.batch_size)

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        n_samples = X.shape[0]
        order = rng.permutation(n_samples)
        loud = np.asarray(X.sum(axis=1)).ravel()[order] > 0
        H = self._start(X[order[np.argsort(~loud, kind="stable")][: self.batch_size]], rng)
        memory = _Memory(np.ascontiguousarray(H.T), self._beta, self._levels[1], rng)
        of_W, of_H = penalties(self, X.shape)

        def value(X: np.ndarray | csr_matrix, W: np.ndarray, T: np.ndarray) -> float:
            return divergence(X, W, T.T, self._beta) + of_W.value(W) + of_H.value(T) * X.shape[0] / n_samples

        met = value(X, self._fit_batch(X, memory.T), memory.T)
        n_batches = 0

        def one_pass() -> None:
            nonlocal met, n_batches
            met, order = 0.0, rng.permutation(n_samples)
            for batch in gen_batches(n_samples, self.batch_size):
                part, before = X[order[batch]], memory.T.copy()
                W = self._learn(part, memory)
                met += value(part, W, before)
                n_batches += 1

        objective = self._descend(one_pass, lambda: met)
        extra = {"n_batches_": n_batches, "_memory": memory}
        return Run(self._fit_batch(X, memory.T), np.ascontiguousarray(memory.T.T), objective, extra)

    def _start(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> np.ndarray:
        init = self.init
        if init is None:
            init = "exemplars" if X.shape[0] >= self.n_components else "random"
        return initialise(X, self.n_components, init, rng)[1]

    def _learn(self, X: np.ndarray | csr_matrix, memory: "_Memory") -> np.ndarray:
        """Renew the components by a batch; its activations."""
        memory.begin_anew(X)
        W = self._fit_batch(X, memory.T)
        if X.max() > 0:
            memory.learn(X, W, self.forget_factor, penalties(self, (1, X.shape[1]))[1])
        return W

    def _fit_batch(self, X: np.ndarray | csr_matrix, T: np.ndarray) -> np.ndarray:
        of_W, _ = penalties(self, X.shape)
        return activations(X, T.T.astype(X.dtype), self._beta, *of_W, self.max_iter, self.tol)

    def _activations(self, X: np.ndarray | csr_matrix) -> np.ndarray:
        return self._fit_batch(X, self.components_.T)


class _Memory:
    """Components (as columns of T, divided by ``2**exponent``) and what is kept of the batches seen."""

    def __init__(self, T: np.ndarray, beta: float, exponent: int, rng: np.random.RandomState) -> None:
        self.T, self.beta, self.exponent, self.rng = T, beta, exponent, rng
        self.A = np.zeros((T.shape[1], T.shape[1]) if beta == 2 else T.shape, T.dtype)
        self.B = np.zeros_like(T)
        self.n_samples = 0.0
        self.loudest = np.zeros(len(T))  # mean of each feature in the batch where it was largest

    def is_drowned_by(self, X: np.ndarray | csr_matrix, exponent: int) -> bool:
        """Tell if a batch, divided by ``2**exponent``, is so loud that all before is negligible beside it."""
        return bool(0 < times_power(_FAR * self.loudest.max(), self.exponent - exponent) < _means(X).max())

    def begin_anew(self, X: np.ndarray | csr_matrix) -> None:
        """Start those features again that are far louder than ever, from what the others say of the components' levels.

        Multiplicative updates could not leave zero, nor forget in time what was learnt of silence.
        """
        level = _means(X)
        new = level > _FAR * self.loudest
        if self.beta != 2 and new.any() and self.loudest[~new].any():
            norms = self.T[~new].sum(axis=0) / self.loudest[~new].sum()
            self.T[new] = norms * level[new, None] * self.rng.uniform(0.5, 1.5, self.T[new].shape)
            self.A[new], self.B[new] = 0, 0
        np.maximum(self.loudest, level, out=self.loudest)

    def learn(self, X: np.ndarray | csr_matrix, W: np.ndarray, forget_factor: float, penalty: Penalty) -> None:
        """Add a batch and renew the components; `penalty` is that of a sample."""
        self.n_samples = forget_factor * self.n_samples + X.shape[0]
        l1, l2 = (weight * self.n_samples for weight in penalty)
        if self.beta == 2:
            kept = _kept(np.diag(self.A), forget_factor)
            self.A *= np.sqrt(np.outer(kept, kept))
            self.B *= kept
            self.A += W.T @ W
            self.B += X.T @ W
            coordinate_descent(Penalty(l1, l2).ridge(self.A), self.B, l1, self.T)
            return
        p, q = Divergence(X, self.beta).parts_T(W, self.T)
        rising, falling = max(self.beta - 1, 0), max(2 - self.beta, 0)
        kept = _kept(self.A, forget_factor)
        self.A *= kept
        self.B *= kept
        least = max(_TINY, np.finfo(self.T.dtype).tiny ** (0.75 / max(rising, 1)))  # whose power is a number
        self.A += q * np.maximum(self.T, self.T.dtype.type(least)) ** -rising
        self.B += p * self.T**falling
        known = self.A > 0
        self.T[known] = _root(self.A[known], self.B[known], l1, l2, rising, falling)


def _means(X: np.ndarray | csr_matrix) -> np.ndarray:
    return np.asarray(X.mean(axis=0), float).ravel()


def _kept(level: np.ndarray, forget_factor: float) -> np.ndarray:
    """Return a memory after forgetting; one that is nearly zero is kept, since it would lose its digits."""
    return np.where((level < _TINY) & (forget_factor > 0), 1, forget_factor).astype(level.dtype)


def _root(A: np.ndarray, B: np.ndarray, l1: float, l2: float, rising: float, falling: float) -> np.ndarray:
    """The x with ``A x^rising + l1 + l2 x = B x^-falling``, where A is positive.

    By Newton's method for the logarithm of the quotient of both sides, convex in that of x, from right of the root.
    """
    if l1 == l2 == 0 or (rising == 0 and l2 == 0):
        return (B / (A + A.dtype.type(l1))) ** (1 / (rising + falling))
    positive = B > (0 if falling else l1)
    a, b = (values[positive].astype(float) for values in (A, B))
    z = np.minimum(np.log(b / a) / (rising + falling), np.log(b / l2) / (1 + falling) if l2 else np.inf)
    for _ in range(50):
        left = a * np.exp(rising * z) + l1 + l2 * np.exp(z)
        step = (np.log(left / b) + falling * z) / (
            (rising * (left - l1) + (1 - rising) * l2 * np.exp(z)) / left + falling
        )
        z -= step
        if np.abs(step).max(initial=0) < 1e-7:
            break
    x = np.zeros_like(B)
    x[positive] = np.exp(z)
    return x
