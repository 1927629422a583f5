"""Orthogonal, semi-, convex and symmetric NMF."""

import numpy as np
import pytest
import reference_variants as reference
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from nmfaudio.errors import NmfaudioError
from nmfaudio.factorize import ConvexNMF, OrthogonalNMF, SemiNMF, SymmetricNMF
from nmfaudio.kernels.nmf.symmetric import sweep_dense, sweep_sparse


def blobs(n=60, n_features=12, n_clusters=3, seed=0):
    """Samples about centres of equal length, and the number of the centre of each."""
    rng = np.random.default_rng(seed)
    centres = np.kron(np.eye(n_clusters), np.ones(n_features // n_clusters)) + 0.2
    truth = rng.integers(n_clusters, size=n)
    return np.maximum(centres[truth] + 0.1 * rng.standard_normal((n, n_features)), 0), truth, rng


def test_orthogonal_nmf_is_orthogonal():
    X, truth, _ = blobs()
    model = OrthogonalNMF(3, random_state=0)
    W = model.fit_transform(X)
    np.testing.assert_allclose(W.T @ W, np.eye(3), atol=1e-12)
    np.testing.assert_array_equal(W.argmax(axis=1), model.labels_)
    np.testing.assert_array_equal(model.predict(X), model.labels_)
    for level in (1e-24, 1e21):  # squares have no room there
        at_level = (level * X).astype(np.float32)
        other = OrthogonalNMF(3, random_state=0).fit(at_level)
        np.testing.assert_array_equal(other.predict(at_level), other.labels_)
    np.testing.assert_allclose(model.transform(X), W, atol=1e-12)
    assert adjusted_rand_score(truth, model.labels_) == 1
    for k in range(3):  # the best component of a cluster is its leading singular vector
        leading = np.linalg.svd(X[model.labels_ == k])[2][0]
        np.testing.assert_allclose(model.components_[k] / np.linalg.norm(model.components_[k]), abs(leading), atol=1e-4)
    assert model.reconstruction_err_ == pytest.approx(np.linalg.norm(X - W @ model.components_))


def test_orthogonal_nmf_is_k_means_but_for_the_scale_of_a_sample():
    X, truth, rng = blobs()
    kmeans = KMeans(3, n_init=5, random_state=0).fit(X)
    memberships = np.eye(3)[kmeans.labels_]
    G = memberships / np.sqrt(memberships.sum(axis=0))  # G' G = I, with one value in each column
    assert np.linalg.norm(X - G @ (G.T @ X)) ** 2 == pytest.approx(kmeans.inertia_)
    model = OrthogonalNMF(3, random_state=0).fit(X)
    assert adjusted_rand_score(kmeans.labels_, model.labels_) == 1
    assert 0.8 * kmeans.inertia_ < 2 * model.objective_[-1] < kmeans.inertia_
    scaled = X * rng.uniform(0.1, 3, (len(X), 1))  # which k-means takes for clusters
    assert adjusted_rand_score(truth, OrthogonalNMF(3, random_state=0).fit_predict(scaled)) == 1
    assert adjusted_rand_score(truth, KMeans(3, n_init=5, random_state=0).fit_predict(scaled)) < 0.9


def test_a_component_that_no_sample_points_to_takes_the_worst_sample():
    X = np.eye(4)[[0, 0, 0, 1, 2, 3]] + 0.01
    start = np.ones((6, 4)), np.eye(4)[[0, 0, 0, 0]] + 0.01
    model = OrthogonalNMF(4, init=start, tol=0, max_iter=20).fit(X)
    assert len(set(model.labels_)) == 4
    assert np.diff(model.objective_).max() < 1e-12


def multiplicative_semi(X, W, n_iter):
    """SemiNMF by the updates of Ding, Li and Jordan 2010."""
    for _ in range(n_iter):
        H = np.linalg.pinv(W) @ X
        C, G = X @ H.T, H @ H.T
        up, down = np.maximum(C, 0) + W @ np.maximum(-G, 0), np.maximum(-C, 0) + W @ np.maximum(G, 0)
        W = W * np.sqrt(up / down)
    return 0.5 * np.linalg.norm(X - W @ np.linalg.pinv(W) @ X) ** 2


def multiplicative_convex(X, W, n_iter):
    """ConvexNMF by the updates of Ding, Li and Jordan 2010."""
    A, K = (W / W.sum(axis=0)).T, X @ X.T
    P, N = np.maximum(K, 0), np.maximum(-K, 0)
    for _ in range(n_iter):
        W = W * np.sqrt((P @ A.T + W @ (A @ N @ A.T)) / (N @ A.T + W @ (A @ P @ A.T)))
        G = W.T @ W
        A = A * np.sqrt((W.T @ P + G @ A @ N) / (W.T @ N + G @ A @ P))
    return 0.5 * np.linalg.norm(X - W @ A @ X) ** 2


@pytest.mark.needs_jit
@pytest.mark.parametrize(("kind", "updates"), [(SemiNMF, multiplicative_semi), (ConvexNMF, multiplicative_convex)])
def test_signed_variants_end_no_higher_than_the_updates_of_the_paper(kind, updates):
    X, _, _ = blobs(30)
    X = X - X.mean(axis=0)
    labels = KMeans(3, n_init=1, random_state=0).fit(X).labels_
    theirs = updates(X, np.eye(3)[labels] + 0.2, 300)
    ours = kind(3, max_iter=300, tol=0, random_state=0).fit(X)
    assert ours.objective_[-1] <= theirs * (1 + 1e-6)


def test_semi_nmf_recovers_signed_components():
    rng = np.random.default_rng(0)
    W = np.vstack([np.eye(3), rng.dirichlet(np.ones(3), 40)]) * rng.uniform(0.5, 2, (43, 1))
    H = rng.standard_normal((3, 15))
    model = SemiNMF(3, tol=1e-12, max_iter=2000, random_state=0)
    found = model.fit_transform(W @ H)
    assert model.reconstruction_err_ < 1e-3 * np.linalg.norm(W @ H)
    assert found.min() >= 0 and model.components_.min() < 0


@pytest.mark.needs_jit
def test_components_of_convex_nmf_are_mixtures_of_samples():
    X, truth, _ = blobs()
    signed = X - 0.3
    model = ConvexNMF(3, random_state=0)
    W = model.fit_transform(signed)
    assert model.mixing_.min() >= 0 and model.mixing_.shape == (3, 60)
    np.testing.assert_allclose(model.mixing_ @ signed, model.components_, atol=1e-12)
    assert adjusted_rand_score(truth, W.argmax(axis=1)) == 1
    inertia = KMeans(3, n_init=5, random_state=0).fit(signed).inertia_
    semi = SemiNMF(3, random_state=0).fit(signed)
    assert semi.objective_[-1] < model.objective_[-1] < inertia / 2  # ever fewer liberties


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_symmetric_sweep_equals_its_twin(dtype):
    rng = np.random.default_rng(0)
    for scale in (1e-2, 1, 1e2):
        A = rng.random((6, 6))
        A = (scale * (A + A.T) * (A + A.T < 1)).astype(dtype)
        W = (np.sqrt(scale) * rng.random((6, 3)) * (rng.random((6, 3)) < 0.8)).astype(dtype)
        expected = reference.symmetric_sweep(A.astype(float), W.astype(float))
        dense, sparse, S = W.copy(), W.copy(), csr_matrix(A)
        sweep_dense(A, dense, W.T @ W)
        sweep_sparse(S.data, S.indices, S.indptr, sparse, W.T @ W)
        tolerance = {"rtol": 1e-3, "atol": 1e-3 * scale**0.5} if dtype == np.float32 else {"rtol": 1e-6, "atol": 1e-7}
        np.testing.assert_allclose(dense, expected, **tolerance)
        np.testing.assert_allclose(sparse, dense, rtol=1e-4 if dtype == np.float32 else 1e-12)
        assert dense.dtype == dtype


@pytest.mark.needs_jit
def test_symmetric_nmf_recovers_a_planted_factor():
    rng = np.random.default_rng(0)
    W = np.eye(3)[rng.integers(3, size=30)] * rng.uniform(0.5, 1.5, (30, 1)) + 0.2 * rng.random((30, 3))
    W[:3] = np.diag([1.0, 2, 0.5])
    A = W @ W.T
    model = SymmetricNMF(3, n_init=3, max_iter=2000, tol=1e-12, random_state=0)
    found = model.fit_transform(A)
    order = [int(np.argmax(found[k])) for k in range(3)]
    np.testing.assert_allclose(found[:, order], W, atol=0.02)
    assert adjusted_rand_score(W.argmax(axis=1), model.labels_) == 1
    at_once = SymmetricNMF(3, init="separable", tol=0, max_iter=1).fit(A)
    assert at_once.objective_[0] < 1e-20 * np.linalg.norm(A) ** 2


def test_symmetric_nmf_refuses_what_is_not_symmetric():
    A = np.array([[1.0, 0.5], [0.4, 1.0]])
    with pytest.raises(NmfaudioError, match=r"symmetric; fit their mean"):
        SymmetricNMF(2).fit(A)
    with pytest.raises(NmfaudioError, match="'separable' gives at most 2 components here, not 3"):
        SymmetricNMF(3, init="separable").fit(A + A.T)
