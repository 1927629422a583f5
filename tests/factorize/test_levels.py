"""Data of any level: single precision is enough, since all is scaled inside."""

import numpy as np
import pytest
from sklearn.base import clone

from nmfaudio.errors import NmfaudioError
from nmfaudio.factorize import (
    NMF,
    PARAFAC,
    ConvexNMF,
    ConvolutiveNMF,
    GroupSparseNMF,
    JointNMF,
    OnlineNMF,
    OrthogonalNMF,
    SemiNMF,
    SeparableNMF,
    SequentialNMF,
    SmoothNMF,
    SparsenessNMF,
    SparseNMF,
    SymmetricNMF,
    WeightedNMF,
)

FEW = {"max_iter": 30, "tol": 0, "random_state": 0}
NAMES = {"ids": lambda estimator: repr(estimator).replace("\n", "")}

ALL = [
    *(NMF(2, beta_loss=beta, **FEW) for beta in (2, 1, 0, 0.5)),
    *(NMF(2, solver=solver, **FEW) for solver in ("mu", "pg", "anls-as", "bpp", "nenmf")),
    *(WeightedNMF(2, beta_loss=beta, **FEW) for beta in (2, 1, 0)),
    *(JointNMF(2, beta_loss=beta, **FEW) for beta in (2, 1, 0)),
    *(PARAFAC(2, beta_loss=beta, **FEW) for beta in (2, 1, 0)),
    *(SparseNMF(2, alpha=0, beta_loss=beta, **FEW) for beta in (2, 1, 0)),
    GroupSparseNMF(2, alpha=0, **FEW),
    SmoothNMF(2, alpha=0, **FEW),
    SmoothNMF(2, alpha=0, smoothness="variation", **FEW),
    SparsenessNMF(2, sparseness_H=0.2, **FEW),
    SparsenessNMF(2, sparseness_H=None, sparseness_W=0.2, **FEW),
    OrthogonalNMF(2, n_init=1, **FEW),
    SemiNMF(2, **FEW),
    ConvexNMF(2, **FEW),
    ConvolutiveNMF(2, n_frames=2, **FEW),
    SequentialNMF(2, max_iter=30, tol=0),
    SeparableNMF(2),
]


def data(dtype=np.float64):
    rng = np.random.default_rng(0)
    return (rng.random((9, 2)) @ rng.random((2, 7)) + 0.3 * rng.random((9, 7)) + 0.01).astype(dtype)


@pytest.mark.parametrize("exponent", [-100, 66])  # 1e-30 and 1e20
@pytest.mark.parametrize("estimator", ALL, **NAMES)
def test_a_level_that_squares_have_no_room_for_changes_nothing(estimator, exponent):
    X, far = data(np.float32), np.ldexp(data(np.float32), exponent)
    near = clone(estimator).fit(X)
    model = clone(estimator)
    W = model.fit_transform(far)
    for V in (W, model.transform(far)):
        assert V.dtype == np.float32
    fitted = np.ldexp(model.inverse_transform(model.transform(far)), -exponent)
    np.testing.assert_allclose(fitted, near.inverse_transform(near.transform(X)), rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(np.ldexp(model.inverse_transform(W), -exponent), fitted, atol=0.2)
    beta = near._beta
    np.testing.assert_allclose(model.objective_, near.objective_ * 2.0 ** (beta * exponent), rtol=1e-3)
    np.testing.assert_allclose(
        model.reconstruction_err_, near.reconstruction_err_ * 2.0 ** (beta * exponent / 2), rtol=1e-3
    )


@pytest.mark.parametrize("beta, exponent", [(-2, 0), (-1, -20), (-2, -22), (5, -22), (5, 22)])
@pytest.mark.parametrize("kind", [NMF, WeightedNMF, JointNMF, PARAFAC, SparseNMF, SmoothNMF, OnlineNMF])
def test_high_powers_of_what_is_quiet_stay_numbers(kind, beta, exponent):
    """Where X is zero, the model's power beta - 2 is that of the rounding unit."""
    X = data(np.float32)
    X[2], X[:, 1], X[4, 3] = 0, 0, 0
    penalty = {"alpha": 0} if kind in (SparseNMF, SmoothNMF) else {}
    near, far = (kind(2, beta_loss=beta, **penalty, **FEW).fit(np.ldexp(X, level)) for level in (0, exponent))
    fitted = np.ldexp(far.inverse_transform(far.transform(np.ldexp(X, exponent))), -exponent)
    np.testing.assert_allclose(fitted, near.inverse_transform(near.transform(X)), rtol=2e-3, atol=1e-4)
    assert 0 < far.objective_[-1] < far.objective_[0] < np.inf


def test_similarities_may_have_any_level():
    A = data(np.float32) @ data(np.float32).T
    one, two = (SymmetricNMF(2, **FEW).fit(np.ldexp(A, exponent)) for exponent in (0, -100))
    np.testing.assert_allclose(np.ldexp(two.components_, 50), one.components_, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("beta", [2, 1, 0])
@pytest.mark.parametrize(
    ("estimator", "degree"),
    [
        (NMF(2, l1_ratio=1, **FEW), 0.5),
        (NMF(2, l1_ratio=0, **FEW), 1),
        (NMF(2, l1_ratio=1, solver="mu", **FEW), 0.5),
        (WeightedNMF(2, **FEW), 1),
        (SparseNMF(2, **FEW), 1),
        (GroupSparseNMF(2, **FEW), 1),
        (SmoothNMF(2, **FEW), 2),
        (SmoothNMF(2, smoothness="variation", **FEW), 1),
    ],
    **NAMES,
)
def test_penalties_follow_what_is_scaled_inside(estimator, degree, beta):
    """A penalty of a degree in X's level counts as much at another level if its weight follows the divergence's."""
    name = "alpha_W" if isinstance(estimator, NMF) else "alpha"
    X, models = data(), []
    for exponent in (0, 60):
        alpha = 0.01 * 2.0 ** (exponent * (beta - degree))
        model = clone(estimator).set_params(beta_loss=beta, **{name: alpha}).fit(np.ldexp(X, exponent))
        models.append((model, np.ldexp(model.inverse_transform(model.transform(np.ldexp(X, exponent))), -exponent)))
    np.testing.assert_allclose(models[1][1], models[0][1], rtol=1e-5)
    np.testing.assert_allclose(models[1][0].objective_, models[0][0].objective_ * 2.0 ** (60 * beta), rtol=1e-6)
    unpenalised = clone(estimator).set_params(beta_loss=beta, **{name: 0}).fit(X)
    assert models[0][0].objective_[-1] > unpenalised.objective_[-1]


@pytest.mark.parametrize("level, beta", [(1e-300, 3), (1e300, -1)])
@pytest.mark.parametrize(
    "kind", [NMF, WeightedNMF, SparseNMF, GroupSparseNMF, SmoothNMF], ids=lambda kind: kind.__name__
)
def test_penalties_beside_which_the_data_are_nothing_leave_nothing(kind, level, beta):
    penalty = {"alpha_W": 0.1} if kind is NMF else {"alpha": 0.1}
    model = kind(2, beta_loss=beta, **penalty, **FEW)
    fitted = model.inverse_transform(model.fit_transform(level * data()))
    assert (fitted < 0.01 * level).all()


@pytest.mark.parametrize("level", [1, 1e9, 1e-9])
@pytest.mark.parametrize(
    "init, message",
    [((np.ones((9, 2)),), "init must be a string or a pair"), (("a", "b"), "W in init must be an array")],
)
def test_a_wrong_start_is_named_at_any_level(init, message, level):
    with pytest.raises(NmfaudioError, match=message):
        NMF(2, init=init).fit(level * data())


def test_a_start_is_scaled_too():
    X, exponent = data(np.float32), 66
    W, H = np.ones((9, 2), np.float32), np.random.default_rng(0).random((2, 7)).astype(np.float32) + 0.1
    one = NMF(2, init=(W, H), **FEW).fit(X)
    two = NMF(2, init=(W, np.ldexp(H, exponent)), **FEW).fit(np.ldexp(X, exponent))
    product = two.fit_transform(np.ldexp(X, exponent)) @ np.ldexp(two.components_, -exponent)
    np.testing.assert_allclose(product, one.fit_transform(X) @ one.components_, rtol=1e-3)


@pytest.mark.parametrize("level", [1, 1e160, 1e300])
@pytest.mark.parametrize("estimator", ALL, **NAMES)
def test_an_exact_fit_has_errors_that_are_numbers_at_any_level(estimator, level):
    """The square of 1e160 is no number, but nothing times it is nothing."""
    X = np.outer([1.0, 2, 3, 4], [1, 2, 1]) * level
    model = clone(estimator).set_params(n_components=1).fit(X)
    assert (model.objective_ >= 0).all() and model.reconstruction_err_ >= 0
    if model._beta == 2:
        assert model.reconstruction_err_ < 10 * level


def test_objectives_that_cancel_out_are_not_negative():
    rng = np.random.default_rng(0)
    for _ in range(20):
        X = rng.random((6, 2)) @ rng.standard_normal((2, 5))
        for model in (SemiNMF(3, **FEW), ConvexNMF(3, **FEW)):
            assert model.fit(X).objective_.min() >= 0
        assert OrthogonalNMF(1, **FEW).fit(np.abs(X[:, :1] * X[:1])).objective_.min() >= 0


@pytest.mark.parametrize("solver", ["hals", "mu", "bpp"])
def test_the_objective_of_an_exact_fit_is_not_negative_and_does_not_rise(solver):
    rng = np.random.default_rng(1)
    X = (rng.random((60, 3)) @ rng.random((3, 40))).astype(np.float32)
    objective = NMF(3, solver=solver, tol=0, max_iter=300, random_state=0).fit(X).objective_
    assert objective.min() >= 0
    assert np.diff(objective).max() <= 1e-3 * objective[-1] + 1e-13 * objective[0]
