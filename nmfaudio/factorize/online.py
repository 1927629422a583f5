"""NMF of a stream, in batches that are seen once and forgotten little by little."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_matrix
from sklearn.utils import check_random_state, gen_batches

from ..nmf.beta_divergence import Divergence, divergence
from ..nmf.start import Init, initialise
from ._base import Factorizer, Run, check_count, check_number
from .nmf import activations
from .solvers import coordinate_descent


class OnlineNMF(Factorizer):
    """NMF by mini-batches: `partial_fit` learns from one batch at a time, and memory does not grow with the stream.

    Minimises ``D_beta(X | W H)``. A batch's activations are found for the present components; what the components need
    to know of it is added to two small matrices, in which all that was before counts `forget_factor` times as much; and
    the components are renewed from these:

        beta = 2:   A = sum W' W,  B = sum W' X;  H is improved for ``tr(H' A H) / 2 - tr(H' B)`` by sweeps of HALS
        else:       H = (sum p H_t^max(2 - beta, 0) / sum q H_t^-max(beta - 1, 0))^(1 / a), H_t the components then,
                    a = max(beta - 1, 0) + max(2 - beta, 0), and p, q as in `nmfaudio.kernels.nmf.multiplicative`

    X has samples in rows: for a spectrogram V (F, N) fit ``V.T``, or give its frames to `partial_fit`, batch by batch.

    Parameters
    ----------
    n_components : int
    beta_loss : float or str
        Divergence: "frobenius" or 2 (halved), "kullback-leibler" or 1, "itakura-saito" or 0, or any other number.
    batch_size : int
        Samples in a batch of `fit`.
    forget_factor : float
        Weight, at every batch, of those before it, from 0 (only the batch counts) to 1 (nothing is forgotten).
    init : str, pair of array_like, or None
        Start, see `nmfaudio.nmf.start.initialise`, from the first batch, of which H is used; None: samples of the
        first batch at random if there are enough, else "random".
    max_iter : int
        Largest number of passes through X in `fit`, and of updates of a batch's activations.
    tol : float
        `fit` ends when ten passes lower the mean divergence by no more than `tol` times its first value.
    random_state : int, RandomState or None
        Seed of the start and of the order of samples in `fit`.

    Attributes
    ----------
    components_, n_components_, n_features_in_, n_iter_, restarts_, reconstruction_err_
        See `nmfaudio.factorize._base.Factorizer`.
    objective_ : ndarray
        After `fit`: divergence between X and the model as the batches met it, at the start and in every pass, which
        need not fall from one to the next.
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
        max_iter: int = 200,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.beta_loss = beta_loss
        self.batch_size = batch_size
        self.forget_factor = forget_factor
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @property
    def _accepts_sparse(self) -> bool:  # type: ignore[override]
        return self._beta in (1, 2)

    def partial_fit(self, X: ArrayLike, y: None = None) -> "OnlineNMF":
        """Learn from one more batch.

        Parameters
        ----------
        X : {array_like, sparse matrix}, shape (n_samples, n_features)
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
            H = self._start(X, check_random_state(self.random_state))
            self.n_components_, self.n_batches_ = len(H), 0
            self._memory = _Memory(np.ascontiguousarray(H.T), self._beta)
        self._memory.learn(X, self._fit_batch(X, self._memory.T), self.forget_factor)
        self.components_ = np.ascontiguousarray(self._memory.T.T)
        self.n_batches_ += 1
        return self

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("forget_factor", self.forget_factor, 0, 1)
        check_count("batch_size", self.batch_size)

    def _run(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> Run:
        n_samples = X.shape[0]
        H = self._start(X[rng.permutation(n_samples)[: self.batch_size]], rng)
        memory = _Memory(np.ascontiguousarray(H.T), self._beta)
        met = divergence(X, self._fit_batch(X, memory.T), H, self._beta)
        n_batches = 0

        def one_pass() -> None:
            nonlocal met, n_batches
            met, order = 0.0, rng.permutation(n_samples)
            for batch in gen_batches(n_samples, self.batch_size):
                part = X[order[batch]]
                W = self._fit_batch(part, memory.T)
                met += divergence(part, W, memory.T.T, self._beta)
                memory.learn(part, W, self.forget_factor)
                n_batches += 1

        objective = self._descend(one_pass, lambda: met)
        extra = {"n_batches_": n_batches, "_memory": memory}
        return Run(self._fit_batch(X, memory.T), np.ascontiguousarray(memory.T.T), objective, extra)

    def _start(self, X: np.ndarray | csr_matrix, rng: np.random.RandomState) -> np.ndarray:
        init = self.init
        if init is None:
            init = "exemplars" if X.shape[0] >= self.n_components else "random"
        return initialise(X, self.n_components, init, rng)[1]

    def _fit_batch(self, X: np.ndarray | csr_matrix, T: np.ndarray) -> np.ndarray:
        return activations(X, T.T.astype(X.dtype), self._beta, 0, 0, self.max_iter, self.tol)

    def _activations(self, X: np.ndarray | csr_matrix) -> np.ndarray:
        return self._fit_batch(X, self.components_.T)


class _Memory:
    """Components (as columns of T) and what is kept of the batches seen."""

    def __init__(self, T: np.ndarray, beta: float) -> None:
        self.T, self._beta = T, beta
        self.A = np.zeros((T.shape[1], T.shape[1]) if beta == 2 else T.shape, T.dtype)
        self.B = np.zeros_like(T)

    def learn(self, X: np.ndarray | csr_matrix, W: np.ndarray, forget_factor: float) -> None:
        """Add a batch and renew the components."""
        self.A *= self.T.dtype.type(forget_factor)
        self.B *= self.T.dtype.type(forget_factor)
        if self._beta == 2:
            self.A += W.T @ W
            self.B += X.T @ W
            coordinate_descent(self.A, self.B, 0.0, self.T)
            return
        p, q = Divergence(X, self._beta).parts_T(W, self.T)
        rising, falling = max(self._beta - 1, 0), max(2 - self._beta, 0)
        tiny = np.finfo(self.T.dtype).tiny
        self.A += q * np.maximum(self.T, self.T.dtype.type(tiny**0.25)) ** -rising
        self.B += p * self.T**falling
        self.T = (self.B / np.maximum(self.A, tiny)) ** (1 / (rising + falling))
