import numpy as np
import pytest
import reference_factorize as reference
from planted import likeness, planted
from scipy.sparse import csr_array, csr_matrix
from sklearn import decomposition

from nmfaudio.factorize import NMF
from nmfaudio.factorize.solvers import SOLVERS
from nmfaudio.nmf.acceleration import Accelerated, Guarded
from nmfaudio.nmf.beta_divergence import divergence


def start(X, n_components, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((len(X), n_components)) + 0.1, rng.random((n_components, X.shape[1])) + 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("solver", "beta"),
    [*((s, 2) for s in (*SOLVERS, "ahals")), ("cd", 1), ("mu", 1), ("mu", 0.5), ("mu", 1.5), ("amu", 1), ("amu", 0.5)],
)
def test_a_planted_factorisation_is_found(solver, beta, dtype):
    X, W, H = planted(dtype)
    model = NMF(
        3,
        solver=solver,
        beta_loss=beta,
        init="exemplars",
        max_iter=120 if solver == "mu" else 40,
        tol=0,
        random_state=1,
    )
    found = model.fit_transform(X)
    assert model.objective_[-1] < 1e-3 * model.objective_[0]
    assert likeness(model.components_, H) > 0.995
    assert likeness(found.T, W.T) > 0.995


@pytest.mark.parametrize("penalties", [{}, {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3}])
@pytest.mark.parametrize("beta", [2, 1, -0.5, 1.5, 3])
def test_multiplicative_updates_equal_those_of_scikit_learn(beta, penalties):
    if penalties and beta != 2:
        pytest.skip("there scikit-learn's quadratic penalty does not minimise a majoriser")
    X = planted()[0] + 0.1
    W, H = start(X, 3)
    model = NMF(3, solver="mu", beta_loss=beta, init=(W, H), max_iter=12, tol=0, **penalties)
    found = model.fit_transform(X)
    peer = decomposition.NMF(3, solver="mu", beta_loss=beta, init="custom", max_iter=12, tol=0, **penalties)
    peer_W = peer.fit_transform(X, W=W.copy(), H=H.copy())
    np.testing.assert_allclose(model.components_, peer.components_, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(found, peer_W, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(model.reconstruction_err_, peer.reconstruction_err_, rtol=1e-6)


@pytest.mark.parametrize("beta", [0, 0.5])
def test_fewer_multiplicative_updates_reach_scikit_learns_objective_below_one(beta):
    X = planted()[0] + 0.1
    W, H = start(X, 3)
    model = NMF(3, solver="mu", beta_loss=beta, init=(W, H), max_iter=28, tol=0).fit(X)
    peer = decomposition.NMF(3, solver="mu", beta_loss=beta, init="custom", max_iter=40, tol=0)
    peer.fit_transform(X, W=W.copy(), H=H.copy())
    assert model.reconstruction_err_ < peer.reconstruction_err_


@pytest.mark.parametrize("penalties", [{}, {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.7}])
def test_hals_equals_coordinate_descent_of_scikit_learn(penalties):
    X = planted(n_components=5)[0] + 0.1
    W, H = start(X, 20)  # more components than a block
    model = NMF(20, solver="hals", init=(W, H), max_iter=4, tol=0, **penalties)
    found = model.fit_transform(X)
    swapped = {{"alpha_W": "alpha_H", "alpha_H": "alpha_W"}.get(name, name): value for name, value in penalties.items()}
    peer = decomposition.NMF(20, init="custom", max_iter=4, tol=1e-30, **swapped)
    with pytest.warns(Warning, match="Maximum number of iterations"):
        peer_H = peer.fit_transform(np.ascontiguousarray(X.T), W=H.T.copy(), H=W.T.copy())
    np.testing.assert_allclose(model.components_, peer_H.T, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found, peer.components_.T, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("penalties", [{}, {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3}])
@pytest.mark.parametrize("beta", [1, 0, 0.5, 1.5, 3])
def test_accelerated_updates_need_fewer_iterations_and_never_rise(beta, penalties):
    X = planted()[0] + 0.1
    start_ = start(X, 4)
    plain, fast = (
        NMF(4, solver=solver, beta_loss=beta, init=start_, max_iter=n, tol=0, **penalties).fit(X)
        for solver, n in (("mu", 60), ("amu", 36))
    )
    assert np.diff(fast.objective_).max() <= 0
    reached = np.flatnonzero(fast.objective_ <= plain.objective_[-1])
    assert len(reached)
    value = divergence(X, fast.fit_transform(X), fast.components_, beta)
    if not penalties:
        np.testing.assert_allclose(fast.objective_[-1], value, rtol=1e-6)


def test_a_last_step_that_leads_uphill_is_taken_back():
    X = np.full((2, 3), 2.0)

    def objective():
        return float(np.sum((X - 1) ** 2))

    def iterate(relaxation):
        before = objective()
        X[:] = 9 if relaxation else 1.5
        return before

    accelerated = Accelerated([X], iterate, objective)
    assert accelerated.step() == 6
    assert accelerated.objective() == 6
    np.testing.assert_array_equal(X, 2)


def test_where_the_objective_is_no_number_nothing_but_the_safe_step_is_done():
    X = np.full((2, 3), 2.0)

    def iterate(bold):
        X[:] *= 9 if bold else 1.5
        return np.nan

    Guarded([X], iterate, lambda: np.nan).step()
    np.testing.assert_array_equal(X, 3)


@pytest.mark.parametrize("solver", ["bpp", "anls-as"])
def test_alternating_least_squares_equal_those_by_lawson_and_hanson(solver):
    X = planted()[0] + 0.1
    W, H = start(X, 3)
    model = NMF(3, solver=solver, init=(W, H), max_iter=4, tol=0)
    found = model.fit_transform(X)
    for _ in range(4):
        H = reference.least_squares(W, X.T).T
        W = reference.least_squares(H.T, X)
    np.testing.assert_allclose(model.components_, H, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found, W, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("penalties", [{}, {"alpha_W": 0.002, "l1_ratio": 0.5}])
def test_solvers_of_one_problem_agree(penalties):
    X = planted()[0] + 0.05 * np.random.default_rng(0).random((24, 15))
    W, H = start(X, 3)
    ends = {
        solver: NMF(3, solver=solver, init=(W, H), max_iter=30, tol=0, **penalties).fit(X).objective_[-1]
        for solver in (*SOLVERS, "ahals")
    }
    fast = ends.pop("ahals")
    assert fast <= 1.001 * ends["hals"] and fast > 0.9 * min(ends.values()), ends
    assert max(ends.values()) < 1.08 * min(ends.values()), ends
    one = NMF(3, beta_loss=1, init=(W, H), max_iter=25, tol=0).fit(X)
    two = NMF(3, beta_loss=1, solver="mu", init=(W, H), max_iter=200, tol=0).fit(X)
    assert abs(one.objective_[-1] / two.objective_[-1] - 1) < 0.03


def test_kullback_leibler_is_plsa():
    """With X counts of words in documents, the updates are the steps of expectation and maximisation of PLSA.

    C. Ding, T. Li, W. Peng, "On the equivalence between non-negative matrix factorization and probabilistic latent
    semantic indexing", 2008.
    """
    rng = np.random.default_rng(0)
    counts = rng.poisson(3 * planted()[0]).astype(float) + (rng.random((24, 15)) < 0.1)
    counts[0] += 1  # no word is missing, and no document is empty
    counts[:, 0] += 1
    W, H = start(counts, 3)
    model = NMF(3, beta_loss=1, solver="mu", init=(W, H), max_iter=10, tol=0)
    W = model.fit_transform(counts)

    given_W, H = start(counts, 3)
    topics = H / H.sum(axis=1, keepdims=True)  # P(word | topic)
    joint = given_W * H.sum(axis=1)  # P(document, topic), up to a constant
    for _ in range(10):
        for what in ("joint", "topics"):
            posterior = joint[:, :, None] * topics  # P(topic | document, word)
            posterior /= posterior.sum(axis=1, keepdims=True)
            expected = counts[:, None, :] * posterior
            if what == "topics":
                # The multiplicative update leaves W as it is, so what H is scaled by goes into the joint.
                scale = expected.sum(axis=(0, 2)) / joint.sum(axis=0)
                topics, joint = expected.sum(axis=0), joint * scale
                topics /= topics.sum(axis=1, keepdims=True)
            else:
                joint = expected.sum(axis=2)
    np.testing.assert_allclose(model.components_ / model.components_.sum(axis=1, keepdims=True), topics, rtol=1e-9)
    np.testing.assert_allclose(W * model.components_.sum(axis=1), joint, rtol=1e-9, atol=1e-12)
    # The likelihood differs from the divergence by what does not depend on the model; sums of the counts are kept.
    model_X = W @ model.components_
    np.testing.assert_allclose(model_X.sum(axis=0), counts.sum(axis=0))
    likelihood = (counts * np.log(model_X / counts.sum())).sum()
    constant = (np.where(counts > 0, counts * np.log(np.where(counts > 0, counts, 1) / counts.sum()), 0)).sum()
    np.testing.assert_allclose(divergence(counts, W, model.components_, 1), constant - likelihood)


@pytest.mark.parametrize("container", [csr_matrix, csr_array])
@pytest.mark.parametrize("solver", [*SOLVERS, "ahals", "mu", "cd", "mu of counts", "amu of counts"])
def test_sparse_matrices_give_the_same_and_are_never_made_dense(solver, container, monkeypatch):
    beta, solver = (1, solver.split()[0]) if solver == "cd" or " " in solver else (2, solver)
    X, *_ = planted(n_samples=20)
    X[X < 0.3] = 0
    sparse = container(X)
    for kind in (csr_matrix, csr_array):
        for name in ("toarray", "todense"):
            monkeypatch.setattr(kind, name, lambda *args, **kwargs: pytest.fail("made dense"))
    one, two = (
        NMF(3, beta_loss=beta, solver=solver, alpha_W=0.001, l1_ratio=0.5, max_iter=8, tol=0, random_state=0)
        for _ in range(2)
    )
    np.testing.assert_allclose(one.fit_transform(X), two.fit_transform(sparse), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one.objective_, two.objective_, rtol=1e-9)
    np.testing.assert_allclose(one.reconstruction_err_, two.reconstruction_err_, rtol=1e-6)
    np.testing.assert_allclose(one.transform(X), two.transform(sparse), rtol=1e-5, atol=1e-7)


def test_sparse_matrices_need_a_divergence_that_zeros_do_not_matter_to():
    with pytest.raises(TypeError, match="[Ss]parse"):
        NMF(2, beta_loss=0).fit(csr_matrix(np.eye(3)))


@pytest.mark.parametrize("beta", [2, 1, 0, 1.5])
def test_transform_finds_the_minimum(beta):
    X = planted()[0][:6] + 0.1
    model = NMF(3, beta_loss=beta, alpha_W=0.01, l1_ratio=0.5, max_iter=60 if beta == 1 else 300, tol=0, random_state=0)
    model.fit(X)
    W, H = model.transform(X), model.components_
    L = W @ H
    gradient = (L ** (beta - 1) - X * L ** (beta - 2)) @ H.T + 15 * 0.005 * (1 + W)
    assert np.abs(W * gradient).max() < 1e-3 and gradient.min() > -1e-3
    np.testing.assert_allclose(model.transform(X[:1]), W[:1], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("beta", [2, 1])
def test_larger_penalties_leave_less(beta):
    X = planted()[0]
    kept, less = (
        NMF(5, beta_loss=beta, alpha_W=alpha, l1_ratio=1, max_iter=20, tol=0, random_state=0).fit_transform(X)
        for alpha in (0, 0.03)
    )
    assert (less < 1e-6).mean() > (kept < 1e-6).mean() + 0.1


def test_the_divergence_is_that_of_the_entries():
    X = planted()[0][:5] + 0.1
    W, H = start(X, 3)
    L = W @ H
    np.testing.assert_allclose(divergence(X, W, H), ((X - L) ** 2).sum() / 2)
    np.testing.assert_allclose(divergence(X, W, H, 1), (X * np.log(X / L) - X + L).sum())
    np.testing.assert_allclose(divergence(X, W, H, 0), (X / L - np.log(X / L) - 1).sum())
    np.testing.assert_allclose(divergence(csr_matrix(X), W, H, 1), divergence(X, W, H, 1))
    np.testing.assert_allclose(divergence(csr_matrix(X), W, H), divergence(X, W, H))
