"""Separable NMF, exact factorisations, and components one at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmfaudio.errors import NmfaudioError
from nmfaudio.factorize import NMF, SeparableNMF, SequentialNMF, rank_factorization, symmetric_rank_factorization


def separable(rng, n_samples=25, n_features=12, rank=4):
    """A separable matrix and the samples that the others are mixtures of."""
    pure = rng.permutation(n_samples)[:rank]
    W = rng.dirichlet(np.ones(rank), n_samples) * rng.uniform(0.1, 10, (n_samples, 1))
    W[pure] = np.diag(rng.uniform(0.1, 10, rank))
    return W @ rng.random((rank, n_features)), pure


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), rank=st.integers(1, 6), refine=st.booleans())
def test_separable_data_is_factorised_exactly(seed, rank, refine):
    X, pure = separable(np.random.default_rng(seed), rank=rank)
    model = SeparableNMF(rank, refine=refine)
    W = model.fit_transform(X)
    assert set(model.anchors_) == set(pure) or rank == 1  # then all are the same
    np.testing.assert_array_equal(model.components_, X[model.anchors_])
    np.testing.assert_allclose(W @ model.components_, X, atol=1e-8 * X.max())
    np.testing.assert_allclose(model.transform(X), W)


def test_noise_moves_the_result_no_further_than_itself():
    rng = np.random.default_rng(0)
    X, pure = separable(rng, 60, 20)
    X /= X.sum(axis=1, keepdims=True)
    for level in (1e-5, 1e-4, 1e-3):
        noisy = np.maximum(X + level * rng.standard_normal(X.shape), 0)
        for refine in (False, True):
            model = SeparableNMF(4, refine=refine).fit(noisy)
            assert set(model.anchors_) == set(pure)
            assert model.reconstruction_err_ < 3 * level * np.sqrt(X.size)


@pytest.mark.parametrize("rank", [1, 2])
def test_rank_one_and_two_always_factorise(rank):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.random((6, rank)) @ rng.random((rank, 7))
        if rank == 2:  # the cone of the rows need not be that of these factors
            X = rng.dirichlet(np.ones(3), 6) @ np.array([[2, 0, 1, 1, 3], [0, 2, 1, 1, 1], [1, 1, 1, 1, 2.0]])
        W, H = rank_factorization(X)
        assert W.shape[1] == len(H) == rank and min(W.min(), H.min()) >= 0
        np.testing.assert_allclose(W @ H, X, rtol=1e-8)


def test_a_monomial_submatrix_is_found():
    rng = np.random.default_rng(0)
    W, H = rng.random((8, 4)), rng.random((4, 9))
    W[[5, 2, 0, 7]] = np.diag([1, 2, 3, 4.0])
    for X in (W @ H, (W @ H).T):  # in the rows, in the columns
        found = rank_factorization(X)
        assert found[0].shape == (len(X), 4) and min(factor.min() for factor in found) >= 0
        np.testing.assert_allclose(found[0] @ found[1], X, rtol=1e-8)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 1]], "no non-negative factorisation of rank 3"),  # none
        ([[1, -1], [0, 1]], "negative"),
        ([1, 2], r"shape \(2,\)"),
        ([[0, 0], [0, 0]], "rank 0"),
    ],
)
def test_what_has_no_rank_factorisation_is_told(X, message):
    with pytest.raises(NmfaudioError, match=message):
        rank_factorization(X)


def test_symmetric_rank_factorisation():
    rng = np.random.default_rng(0)
    W = rng.random((9, 3))
    W[[6, 1, 4]] = np.diag([2, 0.5, 1])
    found = symmetric_rank_factorization(W @ W.T)
    np.testing.assert_allclose(found @ found.T, W @ W.T, rtol=1e-9)
    np.testing.assert_allclose(found[:, found[6].argmax()], W[:, 0], atol=1e-9)
    with pytest.raises(NmfaudioError, match="no diagonal submatrix of its rank 3"):
        symmetric_rank_factorization((W + 0.1) @ (W + 0.1).T)
    with pytest.raises(NmfaudioError, match="symmetric"):
        symmetric_rank_factorization([[1, 2], [0, 1]])


@pytest.mark.needs_jit
@pytest.mark.parametrize(("rank", "noise"), [(1, 0.1), (3, 0.01), (3, 0.1), (5, 0.02)])
def test_sequential_nmf_stops_at_the_planted_rank(rank, noise):
    rng = np.random.default_rng(rank)
    X = rng.random((50, rank)) ** 2 @ rng.random((rank, 40)) ** 2
    X = np.maximum(X + noise * rng.standard_normal(X.shape), 0)
    model = SequentialNMF(9, max_iter=1000, tol=1e-6).fit(X)
    curve = model.residual_variance_
    assert model.n_components_ == len(model.components_) == rank
    assert len(curve) == rank + 2 and curve[0] == 1 and np.all(np.diff(curve) < 0)
    assert curve[rank] == pytest.approx((model.reconstruction_err_ / np.linalg.norm(X)) ** 2)


def test_sequential_nmf_is_as_good_as_all_at_once():
    rng = np.random.default_rng(0)
    X = rng.random((40, 5)) @ rng.random((5, 30)) + 0.1 * rng.random((40, 30))
    together = NMF(5, n_init=5, max_iter=500, random_state=0).fit(X)
    sequential = SequentialNMF(5, min_gain=0, max_iter=500).fit(X)
    assert sequential.n_components_ == 5 and len(sequential.residual_variance_) == 6
    assert sequential.objective_[-1] < 1.1 * together.objective_[-1]


def test_sequential_nmf_ends_where_nothing_is_left():
    X = np.outer([1.0, 2, 3], [1, 0, 2, 1])
    model = SequentialNMF(3, min_gain=0).fit(X)
    assert model.n_components_ == 1
    assert SequentialNMF(8, min_gain=0.5).fit(np.eye(8)).n_components_ == 1  # the second takes away a seventh
