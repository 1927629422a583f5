"""scikit-learn's own tests of NMF and MiniBatchNMF, taken from the installed package and run against our estimators.

Nothing is copied. The names that those tests use are bound to the stand-ins below, which translate what is spelt
differently. The words of their messages are theirs: what a test expects to be raised or warned of is, its text is not
looked at.
"""

from fnmatch import fnmatch
from types import FunctionType

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import NMF as TheirNMF
from sklearn.decomposition import MiniBatchNMF as TheirMiniBatchNMF

from nmfaudio import factorize

pytestmark = pytest.mark.needs_jit
theirs = pytest.importorskip("sklearn.decomposition.tests.test_nmf")

PRIVATE = "tests a private function of scikit-learn alone"
ZEROS = "for beta of 0 and below zeros of X are lifted by the rounding unit, not refused"
BATCHES = "OnlineNMF finds a batch's activations anew in each pass, and has no start for them"
NOT_APPLICABLE = {
    "test_initialize_*": PRIVATE,
    "test_beta_divergence*": PRIVATE,
    "test_special_sparse_dot*": PRIVATE,
    "test_nmf_underflow": PRIVATE,
    "test_parameter_checking": "solver 'cd' is for Kullback-Leibler too; the other errors are in test_estimators.py",
    "test_non_negative_factorization_checking": "a start of zeros is left by HALS, and not refused",
    "test_nmf_multiplicative_update_sparse*": "sparse X is refused but for beta 2 and 1; others need the whole model",
    "test_nmf_negative_beta_loss*": ZEROS,
    "test_minibatch_nmf_negative_beta_loss*": ZEROS,
    "test_nmf_custom_init_dtype_error*": "a start of another dtype is converted, not refused",
    "test_nmf_minibatchnmf_equivalence*": BATCHES,
    "test_minibatch_nmf_partial_fit": BATCHES,
    "test_nmf_w_h_not_used_warning": "a start is given as init, so that none can be given in vain",
}


class Peer(BaseEstimator):
    """An estimator of ours behind scikit-learn's parameters."""

    def fit(self, X, y=None, W=None, H=None):
        self.fit_transform(X, y, W, H)
        return self

    def fit_transform(self, X, y=None, W=None, H=None):
        self.ours_ = self.translated(X, W, H)
        return self.ours_.fit_transform(X)

    def translated(self, X, W, H):
        options = self.get_params()
        if self.n_components == "auto":
            options["n_components"] = np.shape(X)[1] if H is None else len(H)
        if self.init == "custom":
            options["init"] = W, H
        return self.made(**{name: value for name, value in options.items() if name not in self.unknown})

    @property
    def _n_components(self):
        return self.ours_.n_components_

    def __getattr__(self, name):
        if name.startswith("__") or name == "ours_":
            raise AttributeError(name)
        return getattr(self.ours_, name)


class NMF(Peer):
    made, unknown = factorize.NMF, ("verbose",)

    def __init__(
        self,
        n_components="auto",
        *,
        init=None,
        solver="cd",
        beta_loss="frobenius",
        tol=1e-4,
        max_iter=200,
        random_state=None,
        alpha_W=0.0,
        alpha_H="same",
        l1_ratio=0.0,
        verbose=0,
    ):
        for name, value in list(locals().items()):
            if name != "self":
                setattr(self, name, value)

    def translated(self, X, W, H):
        model = super().translated(X, W, H)
        frobenius = self.beta_loss in (2, "frobenius")
        return model.set_params(solver="hals") if self.solver == "cd" and frobenius else model


class MiniBatchNMF(Peer):
    made = factorize.OnlineNMF
    unknown = "verbose", "max_no_improvement", "fresh_restarts", "fresh_restarts_max_iter", "transform_max_iter"

    def __init__(
        self,
        n_components="auto",
        *,
        init=None,
        batch_size=1024,
        beta_loss="frobenius",
        tol=1e-4,
        max_no_improvement=10,
        max_iter=200,
        alpha_W=0.0,
        alpha_H="same",
        l1_ratio=0.0,
        forget_factor=0.7,
        fresh_restarts=False,
        fresh_restarts_max_iter=30,
        transform_max_iter=None,
        random_state=None,
        verbose=0,
    ):
        for name, value in list(locals().items()):
            if name != "self":
                setattr(self, name, value)

    def partial_fit(self, X, y=None, W=None, H=None):
        if not hasattr(self, "ours_"):
            self.ours_ = self.translated(X, W, H)
        self.ours_.partial_fit(X)
        return self

    @property
    def n_steps_(self):
        return self.ours_.n_batches_


def non_negative_factorization(X, W=None, H=None, n_components="auto", *, update_H=True, **options):
    if update_H:
        model = NMF(n_components, **options)
        W = model.fit_transform(X, W=W, H=H)
        return W, model.components_, model.n_iter_
    model = NMF(len(H), **options | {"init": "custom", "max_iter": 1, "tol": 0})
    model.fit(X, W=np.ones((X.shape[0], len(H)), X.dtype), H=H)
    model.ours_.set_params(max_iter=options.get("max_iter", 200), tol=options.get("tol", 1e-4)).components_ = H
    return model.transform(X), H, 1


class Anywhere:
    """pytest for tests that expect another's words."""

    def __getattr__(self, name):
        return getattr(pytest, name)

    @staticmethod
    def raises(kind, match=None):
        return pytest.raises(kind)

    @staticmethod
    def warns(kind, match=None):
        return pytest.warns(kind)


STAND_INS = {
    "NMF": NMF,
    "MiniBatchNMF": MiniBatchNMF,
    "non_negative_factorization": non_negative_factorization,
    "pytest": Anywhere(),
}
OURS = {TheirNMF: NMF, TheirMiniBatchNMF: MiniBatchNMF}


def translated(value):
    if isinstance(value, list | tuple):
        return type(value)(map(translated, value))
    return OURS.get(value, value) if isinstance(value, type) else value


def adopted(test):
    """The test with our names in the place of theirs, in its code and its cases."""
    ours = FunctionType(test.__code__, vars(theirs) | STAND_INS, test.__name__, test.__defaults__)
    for mark in reversed(getattr(test, "pytestmark", [])):
        args = map(translated, mark.args) if mark.name == "parametrize" else mark.args
        ours = getattr(pytest.mark, mark.name)(*args, **mark.kwargs)(ours)
    return pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")(ours)


@pytest.fixture(autouse=True)
def only_what_applies(request):
    for pattern, reason in NOT_APPLICABLE.items():
        if fnmatch(request.node.name, pattern):
            pytest.skip(reason)


globals().update({name: adopted(test) for name, test in vars(theirs).items() if name.startswith("test_")})
