import os
import subprocess
import sys

import numpy as np
import pytest
import reference

from nmfaudio.kernels.nmf.divergence import beta_divergence
from nmfaudio.kernels.nmf.multiplicative import divergence_and_ratios, ratios
from nmfaudio.nmf.carried import Carried, denominator
from nmfaudio.nmf.multiplicative_updates import MultiplicativeUpdates

BETAS = [2, 1, 0, 0.5, 1.5, 3, -1]
F, K, N = 7, 4, 6


def problem(dtype, penalty="atom", weighted=False, seed=0):
    rng = np.random.default_rng(seed)
    V = rng.random((F, N)) + 0.01
    V[2, 3] = 1e-6
    W = rng.random((F, K))
    W[:2, 1] = 0
    W /= np.linalg.norm(W, axis=0)
    H = rng.random((K, N))
    H[0, 2] = 0
    mu = {"none": np.zeros((K, 1)), "atom": rng.random((K, 1)), "matrix": rng.random((K, N))}[penalty]
    weights = rng.integers(0, 3, (F, N)).astype(dtype) if weighted else None
    return [a.astype(dtype) for a in (V, W, H, mu)] + [weights]


def twin(V, W, H, mu, weights, beta, eps):
    """Arguments of the reference, all in double precision and full shape."""
    weights = np.ones_like(V) if weights is None else weights
    arrays = V, W, H, np.broadcast_to(mu, H.shape)
    return *(a.astype(float) for a in arrays), beta, weights.astype(float), float(eps)


def tolerance(dtype):
    return {"rtol": 1e-4, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-13}


@pytest.mark.parametrize("n_cores", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", ["none", "atom", "matrix"])
@pytest.mark.parametrize("beta", BETAS)
def test_updates_equal_their_literal_twins(beta, penalty, weighted, dtype, n_cores, monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads._LEAST_VALUES", 1)
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: n_cores)
    V, W, H, mu, weights = problem(dtype, penalty, weighted)
    updates = MultiplicativeUpdates(V, W, H, mu, beta, weights, n_fixed=1)

    args = twin(V, W, H, mu, weights, beta, updates.eps)
    np.testing.assert_allclose(updates.objective(), reference.objective(*args), rtol=1e-5 if V.dtype == "f" else 1e-12)

    expected_H = reference.update_H(*args)
    updates.update_H()
    np.testing.assert_allclose(updates.H, expected_H, **tolerance(dtype))

    args = twin(V, W, updates.H, mu, weights, beta, updates.eps)
    expected_W, expected_H = reference.update_W(*args, n_fixed=1)
    updates.update_W()
    np.testing.assert_allclose(W, expected_W, **tolerance(dtype))
    np.testing.assert_allclose(updates.H, expected_H, **tolerance(dtype))
    assert W.dtype == updates.H.dtype == dtype


@pytest.mark.parametrize("n_fixed", [1, K])
@pytest.mark.parametrize("beta", [1, 0])
def test_a_step_in_blocks_is_an_update_of_the_activations_and_one_of_the_atoms(beta, n_fixed, monkeypatch):
    V, W, H, mu, weights = problem(np.float64, weighted=True)
    whole = MultiplicativeUpdates(V, W.copy(), H, mu, beta, weights, n_fixed)
    objective = whole.objective()
    whole.update_H()
    if n_fixed < K:
        whole.update_W()
    monkeypatch.setattr("nmfaudio.compute.threads._LEAST_VALUES", F)
    monkeypatch.setattr("nmfaudio.compute.threads._MOST_VALUES", F)
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: 2)
    blocks = MultiplicativeUpdates(V, W.copy(), H, mu, beta, weights, n_fixed)
    np.testing.assert_allclose(blocks.step(), objective, rtol=1e-12)
    np.testing.assert_allclose(blocks.H, whole.H, rtol=1e-10)
    np.testing.assert_allclose(blocks.W, whole.W, rtol=1e-10)
    np.testing.assert_allclose(blocks.objective(), whole.objective(), rtol=1e-12)


@pytest.mark.parametrize("n_cores", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", ["none", "matrix"])
def test_steps_that_carry_denominators_equal_their_literal_twin(penalty, weighted, n_cores, monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads._LEAST_VALUES", 1)
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: n_cores)
    V, W, H, mu, weights = problem(np.float64, penalty, weighted)
    if weighted:
        weights += 0.5
    updates = MultiplicativeUpdates(V, W, H, mu, 0, weights, n_fixed=1)
    V, _, _, mu, _, weights, eps = twin(V, W, H, mu, weights, 0, updates.eps)
    expected_W, expected_H, values = reference.carrying_steps(V, W.copy(), H, mu, weights, eps, 1, 6)
    np.testing.assert_allclose([updates.step(carry=True) for _ in range(6)], values, rtol=1e-9)
    np.testing.assert_allclose(updates.W, expected_W, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(updates.H, expected_H, rtol=1e-8, atol=1e-12)


def test_a_step_that_does_not_carry_is_exact_after_those_that_do():
    V, W, H, mu, _ = problem(np.float64)
    updates = MultiplicativeUpdates(V, W, H, mu, 0)
    for _ in range(3):
        updates.step(carry=True)
    exact = MultiplicativeUpdates(V, W.copy(), updates.H, mu, 0)
    updates.step()
    exact.step()
    np.testing.assert_allclose(updates.W, exact.W, rtol=1e-12)
    np.testing.assert_allclose(updates.H, exact.H, rtol=1e-12)


def test_a_carried_denominator_is_exact_where_only_levels_have_changed():
    rng = np.random.default_rng(0)
    W, X, level = rng.random((F, K)), rng.random((N, K)), rng.uniform(0.1, 10, (N, 1))
    carried, out = Carried(np.empty_like(X), np.full(N, float(F))), np.empty_like(X)
    denominator(carried, X, lambda q: np.copyto(q, (1 / (X @ W.T)) @ W), True, out)
    kept = out.copy()
    denominator(carried, X * level, lambda q: pytest.fail("computed"), False, out)
    np.testing.assert_allclose(out, kept / level, rtol=1e-12)


@pytest.mark.parametrize("factor", [0, 1e-30, 1e30])
def test_a_carried_denominator_stays_finite_for_zero_tiny_and_huge_factors(factor):
    X = np.ones((N, K), np.float32)
    carried, out = Carried(np.empty_like(X), np.array([F] * (N - 1) + [0], np.float32)), np.empty_like(X)
    denominator(carried, X, lambda q: q.fill(F / K), True, out)
    denominator(carried, X * np.float32(factor), lambda q: None, False, out)
    assert (out >= 0).all() and out.max() < 1001 * F / K  # less of the level may be nothing but rounding


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("beta", BETAS)
def test_a_divergence_with_its_ratios_is_both(beta, weighted, dtype):
    rng = np.random.default_rng(0)
    V, L, weights = (rng.random((5, 1300)).astype(dtype) + dtype(0.01) for _ in range(3))
    weights = weights if weighted else None
    expected = [L.copy(), np.empty_like(L)]
    value = beta_divergence(V, L, beta, 1e-6, np.empty_like(L), weights)
    ratios(V, *expected, beta, 1e-6, weights)
    R = np.empty_like(L)
    np.testing.assert_allclose(divergence_and_ratios(V, L, R, beta, 1e-6, weights), value, rtol=1e-6)
    np.testing.assert_allclose(R, expected[1], rtol=1e-6)
    if beta != 1 or weighted:
        np.testing.assert_allclose(L, expected[0], rtol=1e-6)
    V[3, 700] = np.nan
    assert np.isnan(divergence_and_ratios(V, L, R, beta, 1e-6, weights))
    assert np.isnan(R[3, 700])
    assert np.isnan(R).sum() == 1


@pytest.mark.needs_jit
def test_a_long_sum_in_single_precision_is_that_in_double():
    rng = np.random.default_rng(0)
    V, L = (rng.gamma(1, 1, (3, 200_000)) + 1e-3 for _ in range(2))
    for beta in (0, 1):
        values = [beta_divergence(v, x, beta, 0, v.copy()) for v, x in ((V, L), (V.astype("f"), L.astype("f")))]
        np.testing.assert_allclose(*values, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", BETAS)
def test_divergence_of_zeros_tiny_and_huge_values(beta, dtype):
    if beta > 0:
        V = np.array([[0, 1e-9, 1, 1e9], [0, 0, 1e-9, 1]], dtype)
        L = np.array([[0, 1e-9, 2, 1e8], [1, 1e9, 1e-9, 1]], dtype)
    else:
        V = np.array([[1e-6, 1, 1e3]], dtype)
        L = np.array([[1e-5, 2, 1e2]], dtype)
    eps = dtype(1e-12)
    expected = reference.beta_divergence(V.astype(float), L.astype(float) + eps, beta, np.ones(V.shape))
    np.testing.assert_allclose(beta_divergence(V, L, beta, eps, np.empty_like(V)), expected, rtol=1e-5)


def test_a_sum_of_squares_has_room_for_what_single_precision_has_not():
    V = np.full((40, 50), 1e18, np.float32)
    for weights in (None, np.ones_like(V)):
        value = beta_divergence(V, np.zeros_like(V), 2, 0.0, np.empty_like(V), weights)
        np.testing.assert_allclose(value, 1e39, rtol=1e-5)


def test_the_divergence_of_a_matrix_and_itself_is_zero():
    V = np.random.default_rng(0).random((5, 6))
    for beta in BETAS:
        assert abs(beta_divergence(V, V, beta, 0.0, np.empty_like(V))) < 1e-12


def test_an_atom_that_nothing_asks_for_falls_silent_and_stays_usable():
    V, W, H, mu, _ = problem(np.float32)
    V[3] = 0
    W[:, 2] = np.eye(F)[3]
    updates = MultiplicativeUpdates(V, W, H, mu)
    updates.update_H()
    updates.update_W()
    assert (updates.H[2] == 0).all()
    np.testing.assert_allclose(np.linalg.norm(W, axis=0), 1, rtol=1e-6)
    assert np.isfinite(updates.objective())


def test_nothing_becomes_denormal():
    V, W, H, mu, _ = problem(np.float32)
    updates = MultiplicativeUpdates(V, W, H, mu + 10)
    for _ in range(30):
        updates.update_H()
        updates.update_W()
    values = np.concatenate([W.ravel(), updates.H.ravel()])
    assert ((values == 0) | (values >= np.finfo(np.float32).tiny)).all()


def test_kernels_work_where_no_cache_can_be_written(tmp_path):
    """A read-only install without a home."""
    code = (
        "import numba.core.caching as c\n"
        "for name in dir(c):\n"
        "    if name.endswith('CacheLocator') or name.endswith('CacheLocatorFsAgnostic'):\n"
        "        getattr(c, name).from_function = classmethod(lambda cls, *args: None)\n"
        "import numpy as np\n"
        "from nmfaudio.kernels.nmf.divergence import beta_divergence\n"
        "V = np.ones((2, 2))\n"
        "print(beta_divergence(V, 2 * V, 2, 0.0, V.copy()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.stdout.strip() == "2.0", done.stderr
