import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from planted import likeness, planted
from scipy.sparse import csr_matrix

from nmfaudio.errors import NmfaudioError
from nmfaudio.factorize import GroupSparseNMF, SmoothNMF, SparsenessNMF, SparseNMF, sparse_nmf, sparseness
from nmfaudio.factorize.hoyer import project
from nmfaudio.nmf.beta_divergence import divergence

ROUND = 0.01 * np.linalg.norm(planted()[0] + 0.1) / 24**0.5  # of the corners of total variation


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "estimator",
    [
        SparseNMF(3, alpha=1e-3),
        GroupSparseNMF(3, groups=3, alpha=1e-3),
        SmoothNMF(3, alpha=1e-4),
        SmoothNMF(3, alpha=1e-4, smoothness="variation"),
        SparsenessNMF(3, sparseness_H=None, sparseness_W=None),
    ],
    ids=lambda estimator: repr(estimator),
)
def test_a_planted_factorisation_is_found(estimator, dtype):
    X, W, H = planted(dtype)
    estimator.set_params(init="exemplars", max_iter=120, tol=0, random_state=0)
    found = estimator.fit_transform(X)
    assert likeness(estimator.components_, H) > 0.99
    assert likeness(found.T, W.T) > 0.99


@pytest.mark.parametrize("beta", [2, 1, 0])
def test_sparse_nmf_is_the_function_of_that_name(beta):
    X = planted()[0] + 0.1
    start = np.random.default_rng(0).random((24, 3)), np.random.default_rng(1).random((3, 15))
    model = SparseNMF(3, alpha=0.2, beta_loss=beta, init=start, max_iter=20, tol=0)
    W = model.fit_transform(X)
    result = sparse_nmf(X.T, 3, beta_loss=beta, alpha_H=0.2, W=start[1].T, max_iter=20, tol=0)
    np.testing.assert_array_equal(model.components_, result.W.T)
    np.testing.assert_array_equal(W, result.H.T)
    np.testing.assert_array_equal(model.objective_, result.objective)


@pytest.mark.parametrize(
    ("estimator", "penalty"),
    [
        (
            GroupSparseNMF(4, groups=[5, 5, 2, 5], alpha=0.3),
            lambda W: np.linalg.norm(W[:, [0, 1, 3]], axis=1).sum() + W[:, 2].sum(),
        ),
        (SmoothNMF(4, alpha=0.3), lambda W: 0.5 * (np.diff(W, axis=0) ** 2).sum()),
        (SmoothNMF(4, alpha=0.3, smoothness="variation"), lambda W: np.sqrt(np.diff(W, axis=0) ** 2 + ROUND**2).sum()),
    ],
)
@pytest.mark.parametrize("beta", [2, 1, 0])
def test_the_objective_is_what_the_docstring_says(estimator, penalty, beta):
    X = planted()[0] + 0.1
    estimator.set_params(beta_loss=beta, max_iter=10, tol=0, random_state=0)
    W = estimator.fit_transform(X)
    np.testing.assert_allclose(np.linalg.norm(estimator.components_, axis=1), 1)
    expected = divergence(X, W, estimator.components_, beta) + 0.3 * penalty(W)
    np.testing.assert_allclose(estimator.objective_[-1], expected)


@pytest.mark.parametrize("estimator", [GroupSparseNMF(4, groups=2), SmoothNMF(4), SmoothNMF(4, smoothness="variation")])
def test_sparse_matrices_give_the_same(estimator):
    X = planted()[0]
    estimator.set_params(max_iter=10, tol=0, random_state=0)
    for beta in (2, 1):
        estimator.set_params(beta_loss=beta)
        W = estimator.fit_transform(X)
        np.testing.assert_allclose(estimator.fit_transform(csr_matrix(X)), W, rtol=1e-5, atol=1e-8)


def test_groups_take_turns():
    """Two speakers with like spectra: with the penalty on groups each moment is explained by one of them."""
    rng = np.random.default_rng(0)
    speakers = [rng.random((3, 20)) ** 2 + 0.3, rng.random((3, 20)) ** 2 + 0.3]
    X = np.concatenate([rng.random((20, 3)) ** 2 @ atoms for atoms in speakers])
    X += 0.1 * rng.random(X.shape)
    true = np.concatenate([np.concatenate(speakers)])
    start = np.ones((40, 6)), true * rng.uniform(0.7, 1.3, true.shape)

    def leakage(alpha):
        model = GroupSparseNMF(6, groups=2, alpha=alpha, beta_loss=2, init=start, max_iter=150, tol=0)
        W = model.fit_transform(X)
        energy = np.stack([(W[:, g] @ model.components_[g]).sum(axis=1) for g in (slice(3), slice(3, 6))], axis=1)
        return (energy.min(axis=1) / energy.sum(axis=1)).mean()

    assert leakage(0.3) < 0.5 * leakage(0)


def test_groups_are_numbered_or_counted():
    X = planted()[0]
    assert list(GroupSparseNMF(5, groups=2, max_iter=2, tol=0).fit(X).groups_) == [0, 0, 0, 1, 1]
    assert list(GroupSparseNMF(3, groups=[7, 7, 1], max_iter=2, tol=0).fit(X).groups_) == [7, 7, 1]
    for groups in ([1, 2], 0, 1.5, [0.0, 1, 2]):
        with pytest.raises(NmfaudioError, match="groups must be a number or 3 group numbers"):
            GroupSparseNMF(3, groups=groups).fit(X)


@pytest.mark.parametrize("penalty", ["squares", "variation"])
def test_steady_activations_are_found_in_noise(penalty):
    rng = np.random.default_rng(0)
    true = np.repeat([[1, 3, 0.5], [2, 0.5, 3], [0.2, 2, 1]], 15, axis=0)
    H = np.eye(3, 12) + 0.2 * rng.random((3, 12))
    X = rng.gamma(4, 0.25, (45, 12)) * (true @ H)

    def error(alpha):
        model = SmoothNMF(
            3, smoothness=penalty, alpha=alpha, beta_loss=1, init=(np.ones((45, 3)), H), tol=0, max_iter=60
        )
        return np.linalg.norm(model.fit_transform(X) @ model.components_ - true @ H)

    assert error(1) < 0.8 * error(0)
    if penalty == "variation":
        model = SmoothNMF(3, smoothness=penalty, alpha=1, init=(np.ones((45, 3)), H), tol=0, max_iter=60)
        changes = np.abs(np.diff(model.fit_transform(X), axis=0)).sum(axis=1)
        assert set(np.argsort(changes)[-2:]) == {14, 29}
        assert np.median(changes) < 0.05 * changes.max()


def test_unknown_penalties_are_named():
    with pytest.raises(NmfaudioError, match="smoothness must be one of 'squares', 'variation', not 'cubes'"):
        SmoothNMF(2, smoothness="cubes").fit(np.ones((3, 3)))
    with pytest.raises(NmfaudioError, match="alpha must be a finite number of at least 0, not -1"):
        SmoothNMF(2, alpha=-1).fit(np.ones((3, 3)))


@settings(max_examples=50, deadline=None)
@example(seed=119, n=6, level=0.0, dtype=np.float64)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(2, 20),
    level=st.floats(0, 1),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_projection_gives_the_sparseness_asked_for(seed, n, level, dtype):
    rng = np.random.default_rng(seed)
    x = (10.0 ** rng.integers(-3, 4) * (rng.standard_normal(n) + rng.choice([0, 1]))).astype(dtype)
    s = project(x, level)
    tol = 1e-3 if dtype == np.float32 else 1e-6
    assert s.dtype == dtype and s.min() >= 0
    np.testing.assert_allclose(np.linalg.norm(s), np.linalg.norm(x), rtol=tol)
    np.testing.assert_allclose(sparseness(s), level, atol=tol)
    np.testing.assert_allclose(project(s, level), s, atol=10 * tol * np.linalg.norm(x))
    if s.any():  # no other vector of this sparseness and norm is nearer
        others = [project(np.abs(s + scale * rng.standard_normal(n) * s.max()), level) for scale in (0.01, 0.1, 1, 10)]
        others = [other * np.linalg.norm(s) / max(np.linalg.norm(other), 1e-30) for other in others]
        assert all(np.linalg.norm(x - s) <= np.linalg.norm(x - other) * (1 + 10 * tol) for other in others)


def test_equal_entries_become_sparse_too():
    np.testing.assert_allclose(sparseness(project(np.ones(9), 0.5)), 0.5)


@pytest.mark.parametrize(("level_W", "level_H"), [(None, 0.6), (0.7, None), (0.5, 0.4), (None, 0), (None, 1)])
def test_factors_have_the_sparseness_asked_for(level_W, level_H):
    X = planted()[0] + 0.2
    model = SparsenessNMF(3, sparseness_W=level_W, sparseness_H=level_H, max_iter=30, tol=0, random_state=0)
    W = model.fit_transform(X)
    for factor, level in ((W.T, level_W), (model.components_, level_H)):
        if level is not None:
            np.testing.assert_allclose(sparseness(factor), level, atol=1e-6)
    if level_H is not None:
        np.testing.assert_allclose(np.linalg.norm(model.components_, axis=1), 1)


def test_one_sample_has_no_sparseness():
    with pytest.raises(NmfaudioError, match="1 feature.*no sparseness.*sparseness_H"):
        SparsenessNMF(1).fit(np.ones((4, 1)))
    with pytest.raises(NmfaudioError, match="1 sample.*no sparseness.*sparseness_W"):
        SparsenessNMF(1, sparseness_W=0.5).fit(np.ones((1, 4)))
    with pytest.raises(NmfaudioError, match="sparseness_H must be a finite number from 0 to 1, not 2"):
        SparsenessNMF(1, sparseness_H=2).fit(np.ones((4, 4)))
