import numpy as np
import pytest
import reference_factorize as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from nmfaudio.kernels.nmf.hals import coordinate_sweep
from nmfaudio.kernels.nmf.kl_descent import sweep_dense, sweep_sparse
from nmfaudio.kernels.nmf.nnls import active_set, block_pivoting
from nmfaudio.kernels.nmf.penalised import penalised_update
from nmfaudio.kernels.nmf.sampled import sampled_product

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def close(dtype):
    return {"rtol": 1e-3, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-10}


@DTYPES
def test_coordinate_sweep_equals_its_twin(dtype):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((9, 4)).astype(dtype)
    A[:, 2] = 0
    G, C, X = A.T @ A, rng.standard_normal((70, 4)).astype(dtype), rng.random((70, 4)).astype(dtype)
    expected = reference.coordinate_sweep(G.astype(float), C.astype(float), X.astype(float))
    coordinate_sweep(G, C - X @ G, X)
    np.testing.assert_allclose(X, expected, **close(dtype))


@DTYPES
@pytest.mark.parametrize("solve", [active_set, block_pivoting])
@pytest.mark.parametrize("scale", [1e-8, 1, 1e8])
def test_exact_solvers_equal_lawson_and_hanson(solve, scale, dtype):
    rng = np.random.default_rng(0)
    A, B = rng.random((12, 5)), rng.standard_normal((8, 12)) + 0.3
    B[3], B[4] = 0, -1
    expected = scale * reference.least_squares(A, B)
    for start in (np.zeros((8, 5)), rng.random((8, 5)) * (rng.random((8, 5)) < 0.5)):
        X = start.astype(dtype)
        solve(A.T @ A, (scale * B @ A).astype(dtype), X)
        np.testing.assert_allclose(X / scale, expected / scale, **close(dtype))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), rank=st.integers(1, 4), solve=st.sampled_from([active_set, block_pivoting]))
def test_exact_solvers_reach_the_minimum_where_columns_depend_on_each_other(seed, rank, solve):
    rng = np.random.default_rng(seed)
    A = rng.random((7, rank)) @ rng.random((rank, 5))
    A[:, 1] = A[:, 0]
    B = rng.standard_normal((3, 7)) + 0.5
    X = rng.random((3, 5)) * (rng.random((3, 5)) < 0.5)
    solve(A.T @ A, B @ A, X)
    assert X.min() >= 0
    best = np.linalg.norm(B - reference.least_squares(A, B) @ A.T, axis=1)
    np.testing.assert_allclose(np.linalg.norm(B - X @ A.T, axis=1), best, rtol=1e-6)


@DTYPES
@pytest.mark.parametrize("beta", [2, 1, 0, 0.5, 1.5, 3, -1])
def test_penalised_update_lowers_the_majoriser_as_its_twin(beta, dtype):
    rng = np.random.default_rng(0)
    X, p, q = (rng.random((5, 4)).astype(dtype) + dtype(0.01) for _ in range(3))
    X[0, 0] = p[1, 1] = 0
    linear = rng.standard_normal((5, 4)).astype(dtype)
    quadratic = ((rng.random((5, 4)) + 0.01) * (rng.random((5, 4)) < 0.7)).astype(dtype)
    linear[quadratic == 0] = abs(linear[quadratic == 0])  # else nothing may bound the entry
    expected = np.zeros((5, 4))
    for place in np.ndindex(X.shape):
        x, terms = float(X[place]), [float(a[place]) for a in (p, q, linear, quadratic)]
        if x > 0 and (terms[0] > 0 or terms[2] < 0):
            expected[place] = x * reference.root(lambda r, x=x, terms=terms: reference.majoriser(r, x, *terms, beta))
    penalised_update(X, p, q, linear, quadratic, beta)
    np.testing.assert_allclose(X, expected, **(close(dtype) | {"rtol": 1e-5}))


@DTYPES
@pytest.mark.parametrize("rows_of_q", [1, 5])
@pytest.mark.parametrize("penalties", [(0.0, 0.0), (0.3, 0.0), (-0.3, 0.1), (0.3, 0.2)])
@pytest.mark.parametrize("beta", [2, 1, 0, 3, -1])
def test_one_penalty_for_all_entries_is_the_same_as_one_for_each(beta, penalties, rows_of_q, dtype):
    rng = np.random.default_rng(0)
    X, p = rng.random((2, 5, 4)).astype(dtype)
    X[0, 0] = p[1, 1] = 0
    q = rng.random((rows_of_q, 4)).astype(dtype)
    q[0, 2] = 0
    apart = X.copy()
    penalised_update(X, p, q, *(np.full((1, 1), a, dtype) for a in penalties), beta)
    each = np.array(np.broadcast_to(q, X.shape))
    penalised_update(apart, p, each, *(np.full(X.shape, a, dtype) for a in penalties), beta)
    np.testing.assert_allclose(X, apart, rtol=1e-5)


@DTYPES
@pytest.mark.parametrize("penalty", [0.0, 0.2])
@pytest.mark.parametrize("beta", [1, 3])
def test_a_relaxed_update_goes_further_the_same_way(beta, penalty, dtype):
    rng = np.random.default_rng(0)
    X, p, q = (rng.uniform(0.8, 1.2, (5, 4)).astype(dtype) for _ in range(3))
    X[0, 0] = p[1, 1] = 0
    plain, relaxed, penalties = X.copy(), X.copy(), [np.full((1, 1), penalty, dtype)] * 2
    penalised_update(plain, p, q, *penalties, beta)
    penalised_update(relaxed, p, q, *penalties, beta, 0.5)
    with np.errstate(invalid="ignore"):
        expected = np.where(X > 0, X * (plain / X) ** 1.5, 0)
    np.testing.assert_allclose(relaxed, expected, rtol=1e-2)
    assert (abs(relaxed - X) >= abs(plain - X)).all() and relaxed.dtype == dtype


@DTYPES
@pytest.mark.parametrize("penalties", [(0.0, 0.0), (0.3, 0.2)])
def test_sweeps_equal_their_twin(penalties, dtype):
    rng = np.random.default_rng(0)
    X = rng.random((6, 9)) * (rng.random((6, 9)) < 0.7)
    X[2] = 0
    H, W, eps = rng.random((3, 9)), 3 * rng.random((6, 3)), 1e-6
    W[4] = 0
    H[:, 5] = 0
    X, H, W = (a.astype(dtype) for a in (X, H, W))
    sparse, from_sparse = csr_matrix(X), W.copy()
    for _ in range(3):
        expected = reference.kl_sweep(*(a.astype(float) for a in (X, H, W)), *penalties, eps)
        sweep_dense(X, H, W, W @ H + dtype(eps), *penalties, eps)
        sweep_sparse(sparse.data, sparse.indices, sparse.indptr, H, from_sparse, *penalties, eps)
        np.testing.assert_allclose(W, expected, **close(dtype))
        np.testing.assert_allclose(from_sparse, expected, **close(dtype))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), level=st.sampled_from([1e-3, 1, 1e3]))
def test_no_sweep_raises_the_divergence(seed, level):
    rng = np.random.default_rng(seed)
    X = rng.random((3, 6)) ** 4 * (rng.random((3, 6)) < 0.8)
    H, W, eps = rng.random((3, 6)) ** 4, level * rng.random((3, 3)) ** 4, 1e-12

    def divergence():
        L = W @ H + eps
        return (np.where(X > 0, X * np.log(np.where(X > 0, X, 1) / L), 0) - X + L).sum()

    before = divergence()
    for _ in range(4):
        sweep_dense(X, H, W, W @ H + eps, 0.0, 0.0, eps)
        assert divergence() <= before + 1e-12 * abs(before)
        before = divergence()


@DTYPES
def test_sampled_product_equals_the_product(dtype):
    rng = np.random.default_rng(0)
    W, T = rng.random((5, 3)).astype(dtype), rng.random((4, 3)).astype(dtype)
    S = csr_matrix((rng.random((5, 4)) < 0.4).astype(dtype))
    out = np.empty_like(S.data)
    sampled_product(W, T, S.indptr, S.indices, out)
    np.testing.assert_allclose(out, (W @ T.T)[S.nonzero()], rtol=1e-6)
