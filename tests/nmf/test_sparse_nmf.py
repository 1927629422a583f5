import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from nmfaudio.errors import NmfaudioError
from nmfaudio.factorize import NMF, sparse_nmf
from nmfaudio.nmf.carried import Carried


def planted(seed=0, n_bins=12, n_atoms=3, n_frames=30, dtype=np.float64):
    rng = np.random.default_rng(seed)
    W = rng.random((n_bins, n_atoms)) * (rng.random((n_bins, n_atoms)) < 0.5) + 1e-3
    W /= np.linalg.norm(W, axis=0)
    H = rng.random((n_atoms, n_frames)) * (rng.random((n_atoms, n_frames)) < 0.5)
    return (W @ H).astype(dtype), W.astype(dtype), H.astype(dtype)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    beta=st.sampled_from([2, 1, 0]) | st.floats(-1, 4),
    alpha=st.sampled_from([0.0, 0.01, 1.0, "atom", "matrix"]),
    weighted=st.booleans(),
    zeros=st.booleans(),
    scale=st.sampled_from([1e-6, 1.0, 1e4]),
    n_fixed=st.integers(0, 3),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_the_objective_never_rises(seed, beta, alpha, weighted, zeros, scale, n_fixed, dtype):
    rng = np.random.default_rng(seed)
    V = (rng.random((6, 8)) ** 3 * scale).astype(dtype)
    if zeros:
        V[rng.random(V.shape) < 0.3] = 0
    alpha = {"atom": rng.random(3), "matrix": rng.random((3, 8))}.get(alpha, alpha)
    result = sparse_nmf(
        V,
        3,
        beta_loss=beta,
        alpha_H=alpha,
        weights=rng.integers(0, 3, V.shape) if weighted else None,
        W=rng.random((6, 3)),
        n_fixed=n_fixed,
        max_iter=12,
        tol=0,
    )
    rounding = 1e-5 if dtype == np.float32 else 1e-9
    assert np.isfinite(result.objective).all()
    assert (np.diff(result.objective) <= rounding * np.abs(result.objective[:-1]).max()).all()
    assert result.W.min() >= 0 and result.H.min() >= 0
    assert result.W.dtype == result.H.dtype == dtype


@pytest.mark.parametrize("n_cores", [1, 3])
@pytest.mark.parametrize("n_fixed", [0, 4])
def test_steps_that_lead_uphill_by_carried_denominators_are_taken_back(n_fixed, n_cores, monkeypatch):
    monkeypatch.setattr("nmfaudio.compute.threads._LEAST_VALUES", 1)
    monkeypatch.setattr("nmfaudio.compute.threads.n_cores", lambda: n_cores)
    rng = np.random.default_rng(0)
    V, W = rng.gamma(0.3, 1, (20, 30)) + 1e-6, rng.random((20, 4))
    for max_iter in (11, 12):  # the last step is one that carries, or not
        with monkeypatch.context() as patch:
            patch.setattr("nmfaudio.nmf.carried.Carried.guess", lambda self, X, out: out.fill(1e-3))
            misled = sparse_nmf(V, 4, beta_loss=0, W=W, n_fixed=n_fixed, max_iter=max_iter, tol=0)
        assert np.diff(misled.objective).max() == 0  # what was taken back, and a safe step from there
        assert misled.objective[-1] < 0.99 * misled.objective[0]
        eps = np.exp2(np.ceil(np.log2(V.max()))) * np.finfo(float).eps
        everything = np.zeros((4, 30)), 0, np.ones(V.shape), eps
        np.testing.assert_allclose(
            misled.objective[-1], reference.objective(V + eps, misled.W, misled.H, *everything), rtol=1e-9
        )


@pytest.mark.needs_jit
@pytest.mark.parametrize("estimator", ["sparse_nmf", "NMF"])
def test_as_many_products_go_further_with_carried_denominators(estimator, monkeypatch):
    rng = np.random.default_rng(0)
    V = (rng.gamma(0.5, 1, (60, 8)) @ rng.gamma(0.3, 1, (8, 90))) * rng.gamma(10, 0.1, (60, 90)) + 1e-6
    renew, computed = Carried.renew, []
    monkeypatch.setattr(Carried, "renew", lambda *args: (computed.append(args), renew(*args)))

    def objective():
        computed.clear()
        if estimator == "NMF":
            return NMF(8, beta_loss=0, solver="mu", max_iter=69, tol=0, random_state=0).fit(V.T).objective_
        return sparse_nmf(V, 8, beta_loss=0, max_iter=69, tol=0, random_state=0).objective

    carrying = objective()
    assert len(computed) == 2 * 23 + 1  # each factor's in one iteration of three, and both in the first
    monkeypatch.setattr("nmfaudio.nmf.beta_divergence.due", lambda turn: (True, True))
    exact = objective()
    assert len(computed) == 2 * 69
    assert carrying[69] < exact[54]  # 4 * 69 + 2 * 23 + 1 products of matrices, 6 * 54


@pytest.mark.needs_jit
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [2, 1, 0, 0.5])
def test_a_planted_factorisation_is_found(beta, dtype):
    V, W, _ = planted(dtype=dtype)
    V = V + dtype(1e-3)
    result = sparse_nmf(V, 3, beta_loss=beta, max_iter=400, tol=0, random_state=1)
    assert result.objective[-1] < 0.01 * result.objective[0]
    likeness = (W / np.linalg.norm(W, axis=0)).T @ result.W
    assert (likeness.max(axis=1) > 0.98).all()


@pytest.mark.parametrize("beta", [2, 1, 1.5])
@pytest.mark.parametrize("alpha", [0.05, 0.5])
def test_it_reaches_what_the_well_done_heuristic_reaches(beta, alpha):
    V = planted(n_frames=40)[0] + 0.01
    rng = np.random.default_rng(0)
    W = rng.random((12, 4))
    W /= np.linalg.norm(W, axis=0)
    result = sparse_nmf(V, 4, beta_loss=beta, alpha_H=alpha, W=W, max_iter=60, tol=0)

    H = np.tile(V.sum(axis=0) / W.sum(), (4, 1))
    for _ in range(60):
        L = W @ H
        H = H * ((W.T @ (V * L ** (beta - 2))) / (W.T @ L ** (beta - 1) + alpha)) ** reference.exponent(beta)
        W = reference.well_done_update_W(V, W, H, beta)
    ones = np.ones_like(V)
    heuristic = reference.objective(V, W, H, np.full_like(H, alpha), beta, ones, 0)
    assert result.objective[-1] < 1.05 * heuristic


def test_the_objective_is_what_the_docstring_says():
    V, *_ = planted()
    V += 0.1
    result = sparse_nmf(5 * V, 3, beta_loss=0.5, alpha_H=0.1, max_iter=20, random_state=0)
    expected = reference.objective(5 * V, result.W, result.H, np.full((3, 30), 0.1), 0.5, np.ones_like(V), 0)
    np.testing.assert_allclose(result.objective[-1], expected, rtol=1e-10)
    np.testing.assert_allclose(np.linalg.norm(result.W, axis=0), 1)


def test_a_larger_penalty_makes_activations_sparser():
    V = planted(n_atoms=6)[0]
    sums = [sparse_nmf(V, 6, alpha_H=alpha, random_state=0).H.sum() for alpha in (0, 0.1, 1, 10)]
    assert sums == sorted(sums, reverse=True) and sums[-1] < 0.5 * sums[0]


def test_fixed_atoms_stay_and_free_ones_explain_the_rest():
    V, W, _ = planted(n_atoms=4)
    result = sparse_nmf(V, 4, W=2 * W[:, :3], n_fixed=3, max_iter=200, tol=0, random_state=0)
    np.testing.assert_allclose(result.W[:, :3], W[:, :3])
    assert result.W[:, 3] @ W[:, 3] > 0.98


def test_missing_entries_are_filled_in():
    V, *_ = planted(n_frames=40)
    rng = np.random.default_rng(3)
    missing = rng.random(V.shape) < 0.2
    holes = np.where(missing, np.nan, V)
    result = sparse_nmf(holes, 3, weights=~missing, max_iter=300, tol=0, random_state=0)
    error = np.abs(result.W @ result.H - V)[missing].mean()
    assert error < 0.05 * V[missing].mean()


@pytest.mark.parametrize("beta", [2, 1, 0, 0.5])
@pytest.mark.parametrize("scale", [2.0**-90, 2.0**90])
def test_only_the_level_changes_with_the_level(beta, scale):
    V, *_ = planted(dtype=np.float32)
    alpha = 0.02
    one = sparse_nmf(V, 3, beta_loss=beta, alpha_H=alpha, random_state=0, max_iter=20)
    two = sparse_nmf(
        V * np.float32(scale), 3, beta_loss=beta, alpha_H=alpha * scale ** (beta - 1), random_state=0, max_iter=20
    )
    np.testing.assert_allclose(two.W, one.W, rtol=1e-5)
    np.testing.assert_allclose(two.H, one.H * scale, rtol=1e-5)


@pytest.mark.parametrize("alpha", [0, 0.1])
@pytest.mark.parametrize("beta, level", [(3, 1e-160), (5, 1e-120), (-0.5, 1e220)])
def test_a_level_whose_powers_are_no_numbers_is_no_trouble(beta, level, alpha):
    V, *_ = planted()
    result = sparse_nmf(level * V, 3, beta_loss=beta, alpha_H=alpha, random_state=0, max_iter=20)
    if alpha:  # more than such data weigh
        assert result.H.max() < 1e-3 * level
    else:
        one = sparse_nmf(V, 3, beta_loss=beta, random_state=0, max_iter=20)
        np.testing.assert_allclose(result.W @ (result.H / level), one.W @ one.H, rtol=1e-6)


def test_an_exact_fit_at_a_high_level_has_an_objective_of_zero():
    assert sparse_nmf([[1e200]], 1, beta_loss=2, random_state=0).objective[-1] == 0


def test_the_seed_decides():
    V, *_ = planted()
    one, two, three = (sparse_nmf(V, 3, random_state=seed, max_iter=5).W for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


def test_silence_gives_silence():
    for beta in (2, 1, 0, 0.5):
        result = sparse_nmf(np.zeros((5, 6)), 2, beta_loss=beta, alpha_H=0.1, random_state=0)
        assert result.H.max() == 0 and np.isfinite(result.objective).all()


def test_iterations_stop_when_nothing_is_gained():
    V, *_ = planted()
    assert sparse_nmf(V, 3, random_state=0, max_iter=1000, tol=1e-2).n_iter < 1000
    assert sparse_nmf(V, 3, random_state=0, max_iter=7, tol=0).n_iter == 7


def test_integers_and_other_orders_are_accepted():
    V = np.arange(1, 31).reshape(5, 6)
    expected = sparse_nmf(V.astype(float), 2, random_state=0)
    np.testing.assert_array_equal(sparse_nmf(V, 2, random_state=0).H, expected.H)
    np.testing.assert_array_equal(sparse_nmf(np.asfortranarray(V, float), 2, random_state=0).H, expected.H)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"V": [[1, np.nan]]}, "V holds NaN.*weight 0"),
        ({"V": [[1, np.inf]]}, "infinity"),
        ({"V": [[1, -1]]}, "negative values.*-1"),
        ({"V": np.zeros((0, 3))}, "non-empty"),
        ({"V": [1.0, 2.0]}, r"matrix \(F, N\)"),
        ({"V": [[1j]]}, "real numbers, not"),
        ({"weights": [[1.0]]}, "weights.*shape"),
        ({"weights": [[1, np.nan], [1, 1]]}, "weights holds NaN"),
        ({"weights": [[1, -1], [1, 1]]}, "weights.*negative"),
        ({"alpha_H": -1}, "alpha_H.*negative"),
        ({"alpha_H": [1, 2, 3]}, "alpha_H.*shape"),
        ({"W": np.ones((3, 1))}, "W must have shape"),
        ({"W": np.zeros((2, 1))}, "atom 0.*zeros"),
        ({"W": np.ones((2, 1)), "n_fixed": 2}, "n_fixed 2"),
        ({"W": np.ones((2, 5))}, "5 atoms"),
        ({"n_components": 0}, "a positive integer, not 0"),
        ({"beta_loss": np.nan}, "beta"),
        ({"beta_loss": -20}, "beta_loss must be a number from -2 to 5 or one of .*not -20"),
    ],
)
def test_what_cannot_be_factorised_is_named(changes, message):
    arguments = {"V": [[1.0, 2.0], [3.0, 4.0]], "n_components": 2} | changes
    with pytest.raises(NmfaudioError, match=message):
        sparse_nmf(**arguments)
