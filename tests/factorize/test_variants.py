"""What holds for every variant of NMF beside its own tests."""

import numpy as np
import pytest
from factorize_estimators import scikit_learn_checks
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from nmfaudio.errors import NmfaudioError
from nmfaudio.factorize import (
    PARAFAC,
    ConvexNMF,
    ConvolutiveNMF,
    JointNMF,
    OrthogonalNMF,
    SemiNMF,
    SeparableNMF,
    SequentialNMF,
    SymmetricNMF,
    WeightedNMF,
)
from nmfaudio.nmf.beta_divergence import dot

FEW = {"max_iter": 20, "tol": 0, "random_state": 0}

SIGNED = [SemiNMF(2, **FEW), ConvexNMF(2, **FEW)]
ITERATED = [
    *(WeightedNMF(2, beta_loss=beta, **FEW) for beta in (2, 1, 0, 1.5)),
    *(WeightedNMF(2, beta_loss=beta, alpha=0.01, **FEW) for beta in (2, 1)),
    OrthogonalNMF(2, n_init=1, **FEW),
    *SIGNED,
    SymmetricNMF(2, **FEW),
    *(PARAFAC(2, beta_loss=beta, **FEW) for beta in (2, 1, 0, 3)),
    *(JointNMF(2, beta_loss=beta, **FEW) for beta in (2, 1, 0, 3)),
    ConvolutiveNMF(2, n_frames=3, **FEW),
    ConvolutiveNMF(2, n_frames=3, n_shifts=2, **FEW),
]
DETERMINED = [SequentialNMF(2, min_gain=0, max_iter=20, tol=0), SeparableNMF(2), SeparableNMF(2, refine=True)]
ALL = [*ITERATED, *DETERMINED]

CHECKED = [  # by scikit-learn
    WeightedNMF(2, random_state=0),
    SequentialNMF(2),
    OrthogonalNMF(2, n_init=2, random_state=0),
    SemiNMF(2, max_iter=50, random_state=0),
    ConvexNMF(2, max_iter=10, random_state=0),
    SymmetricNMF(2, max_iter=10, random_state=0),
    SeparableNMF(2),
    PARAFAC(2, random_state=0),
    JointNMF(2, random_state=0),
    ConvolutiveNMF(2, n_frames=2, max_iter=10, random_state=0),
]

NAMES = {"ids": lambda estimator: repr(estimator).replace("\n", "")}


def expected_failures(estimator):
    """Names of scikit-learn's checks that an estimator fails, and why it must."""
    failures = {}
    if isinstance(estimator, OrthogonalNMF | SymmetricNMF):
        failures["check_clustering"] = "the check's data has negative values"
    both = ("check_transformer_general", "check_transformer_data_not_an_array")
    if isinstance(estimator, SymmetricNMF):
        failures |= dict.fromkeys(both, "fit_transform fits W W', transform W H with H fixed")
    if isinstance(estimator, ConvolutiveNMF):
        failures |= dict.fromkeys(both, "ten multiplicative updates do not reach the minimum that transform seeks")
        order = "activations depend on the samples before and after"
        failures |= dict.fromkeys(("check_methods_sample_order_invariance", "check_methods_subset_invariance"), order)
    return failures


def data(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((9, 2)) @ rng.random((2, 7)) + 0.3 * rng.random((9, 7))
    X[rng.random(X.shape) < 0.1] = 0
    return X.astype(dtype)


def data_for(estimator, dtype=np.float64, seed=0):
    X = data(dtype, seed)
    if isinstance(estimator, SymmetricNMF):
        return X @ X.T
    if isinstance(estimator, SemiNMF):
        return X - X.mean(axis=0)
    return X


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@scikit_learn_checks(CHECKED, expected_failures)
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", ALL, **NAMES)
def test_factors_are_not_negative_and_keep_their_type(estimator, dtype):
    X = data_for(estimator, dtype)
    model = clone(estimator)
    W = model.fit_transform(X)
    for factor in (W, model.transform(X), model.components_):
        assert factor.dtype == dtype and np.isfinite(factor).all()
        assert factor.min() >= 0 or (factor is model.components_ and isinstance(model, SemiNMF))
    assert len(W) == len(X) and W.shape == model.transform(X).shape
    L = model.inverse_transform(W)
    assert L.shape == X.shape and L.dtype == dtype
    assert np.linalg.norm(X - L) < np.linalg.norm(X)
    assert model.get_feature_names_out().shape == (W.shape[1],)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", [*ITERATED, DETERMINED[0]], **NAMES)
def test_the_objective_never_rises(estimator, dtype):
    rounding = 2e-6 if dtype == np.float32 else 1e-12
    for seed, scale in ((0, 1), (1, 1e-4), (2, 1e4)):
        X = (scale * data_for(estimator, seed=seed)).astype(dtype)
        objective = clone(estimator).fit(X).objective_
        differences = isinstance(estimator, OrthogonalNMF | SemiNMF | SequentialNMF)  # of X's square and the model's
        assert np.diff(objective).max() <= rounding * (dot(X, X) if differences else objective[0])
        assert 0 <= objective[-1] < objective[0]


@pytest.mark.parametrize("estimator", ITERATED, **NAMES)
def test_the_seed_decides(estimator):
    X = data_for(estimator)
    one, two, three = (
        clone(estimator).set_params(random_state=seed, max_iter=3, n_init=1, **start).fit(X).objective_
        for seed in (1, 1, 5)
        for start in [{"init": "random"} if hasattr(estimator, "init") else {}]
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")  # k-means, of zeros
@pytest.mark.parametrize("estimator", ALL, **NAMES)
def test_silence_stays_silent(estimator):
    X = data_for(estimator)
    X[4] = 0
    if isinstance(estimator, SymmetricNMF):
        X[:, 4] = 0
    model = clone(estimator)
    L = model.inverse_transform(model.fit_transform(X))
    assert np.isfinite(L).all()
    if not isinstance(estimator, ConvolutiveNMF):  # there a neighbour may be heard
        assert np.abs(L[4]).max() < 0.02 * np.abs(L).max()
    nothing = clone(estimator).fit(np.zeros((6, 6)))
    assert np.isfinite(nothing.components_).all() and np.isfinite(nothing.objective_).all()


@pytest.mark.parametrize(
    "estimator",
    [
        *(
            clone(estimator).set_params(n_init=1)
            for estimator in CHECKED
            if estimator._accepts_sparse and hasattr(estimator, "n_init")
        ),
        SequentialNMF(2),
        SeparableNMF(2, refine=True),
        SymmetricNMF(2, init="separable", max_iter=10, tol=0),
        JointNMF(2, beta_loss=1, **FEW),
    ],
    **NAMES,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sparse_matrices_give_what_dense_ones_do(estimator):
    X = np.abs(data_for(estimator))
    X[X < 0.5 * X.max()] = 0
    dense, sparse = clone(estimator), clone(estimator)
    W = dense.fit_transform(X)
    np.testing.assert_allclose(sparse.fit_transform(csr_matrix(X)), W, atol=1e-8)
    np.testing.assert_allclose(sparse.transform(csr_matrix(X)), dense.transform(X), atol=1e-8)
    np.testing.assert_allclose(sparse.components_, dense.components_, atol=1e-8)


def test_several_runs_keep_the_best():
    X = data()
    for estimator in ITERATED:
        model = clone(estimator).set_params(n_init=3, max_iter=2).fit(data_for(estimator))
        assert model.restarts_.shape == (3,) and model.objective_[-1] == model.restarts_.min()
    assert OrthogonalNMF(3, random_state=0).fit(X).restarts_.shape == (10,)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (WeightedNMF(beta_loss="kl"), "beta_loss must be a number from -2 to 5 or one of .*, not 'kl'"),
        (PARAFAC(init="svd"), "init must be 'random' or a factor for each axis, not 'svd'"),
        (PARAFAC(2, init=(np.ones((9, 2)), np.ones((7, 3)))), r"shapes \[\(9, 2\), \(7, 2\)\]"),
        (PARAFAC(2, init=(np.ones((9, 2)), -np.ones((7, 2)))), "a factor in init holds negative"),
        (JointNMF(n_own=-1), "n_own must be an integer of at least 0.*not -1"),
        (SequentialNMF(min_gain=2), "min_gain must be a finite number from 0 to 1, not 2"),
        (SymmetricNMF(init="nndsvd"), "init must be one of 'random', 'separable', not 'nndsvd'"),
        (SymmetricNMF(), r"similarities of shape \(n, n\), not \(9, 7\)"),
        (SeparableNMF(20), "n_components=20, but X has 9 samples"),
        (ConvexNMF(20), "n_components=20, but X has 9 samples to start from"),
        (ConvolutiveNMF(n_frames=0), "n_frames must be a positive integer, not 0"),
        (ConvolutiveNMF(n_shifts=8), "n_shifts=8, but X has 7 features"),
    ],
)
def test_what_cannot_be_is_named(estimator, message):
    with pytest.raises(NmfaudioError, match=message):
        estimator.fit(data())


@pytest.mark.parametrize(
    "estimator",
    [
        OrthogonalNMF(2, random_state=0),
        PARAFAC(2, random_state=0),
        ConvolutiveNMF(2, n_frames=2, n_shifts=2, max_iter=9, tol=0, random_state=0),
    ],
    **NAMES,
)
def test_activations_may_be_sparse(estimator):
    X = np.random.default_rng(0).random((9, 6))
    with pytest.raises(NotFittedError):
        estimator.inverse_transform(X[:, :2])
    W = estimator.fit_transform(X)
    W[W < W.mean()] = 0
    np.testing.assert_allclose(estimator.inverse_transform(csr_matrix(W)), estimator.inverse_transform(W))


@pytest.mark.parametrize("kind", [SemiNMF, ConvexNMF])
def test_fewer_distinct_samples_than_components_are_no_reason_to_warn(kind):
    X = np.repeat(np.eye(2, 5) + 0.1, 4, axis=0)
    assert kind(3, max_iter=20, tol=0, random_state=0).fit(X).reconstruction_err_ < 1e-3
