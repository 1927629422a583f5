import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.decomposition._nmf import _initialize_nmf

from nmfaudio.factorize import NMF
from nmfaudio.nmf.start import INITS, initialise, successive_projection


def data(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((12, 4)) @ rng.random((4, 9)) + 0.1 * rng.random((12, 9))
    X[3] = 0
    return X.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
@pytest.mark.parametrize("init", [*INITS, None])
def test_every_start_fits_the_data(init, container, dtype):
    X = data(dtype)
    W, H = initialise(container(X), 4, init, np.random.RandomState(0))
    again = initialise(container(X), 4, init, np.random.RandomState(0))
    assert W.shape == (12, 4) and H.shape == (4, 9)
    for factor, other in zip((W, H), again, strict=True):
        assert factor.dtype == dtype and factor.flags.c_contiguous
        assert factor.min() >= 0 and np.isfinite(factor).all() and factor.any(axis=0).all()
        np.testing.assert_array_equal(factor, other)
    if init == "kmeans":
        return  # there it is told that there are fewer clusters
    silent = initialise(container(np.zeros_like(X)), 4, init, np.random.RandomState(0))
    assert all(np.isfinite(factor).all() for factor in silent)


@pytest.mark.parametrize("init", ["random", "nndsvd", "nndsvda", "nndsvdar"])
def test_starts_equal_those_of_scikit_learn(init):
    X = data()
    ours = initialise(X, 3, init, np.random.RandomState(1))
    theirs = _initialize_nmf(X, 3, init, random_state=np.random.RandomState(1))
    if init == "nndsvda":  # theirs fills with the mean of X, whatever the level that W and H share
        fill = np.sqrt(X.mean() / 3)
        theirs = [np.where(factor == 0, fill, factor) for factor in _initialize_nmf(X, 3, "nndsvd", random_state=1)]
    if init in ("random", "nndsvdar"):  # the order of the random numbers is not the same, their sizes are
        ours, theirs = ([np.sort(factor.ravel())[::7].mean() for factor in pair] for pair in (ours, theirs))
        np.testing.assert_allclose(ours, theirs, rtol=0.5)
    else:
        for one, two in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-10)


@pytest.mark.parametrize("init", ["random", "nndsvd", "nndsvda", "nndsvdar"])
def test_a_start_follows_the_level(init):
    one, two = (initialise(scale * data(), 3, init, np.random.RandomState(0)) for scale in (1, 4.0**8))
    for factor, louder in zip(one, two, strict=True):
        np.testing.assert_allclose(2.0**8 * factor, louder, rtol=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), sparse=st.booleans())
def test_successive_projection_is_exact_on_separable_data(seed, sparse):
    rng = np.random.default_rng(seed)
    pure = rng.random((3, 8)) * (rng.random((3, 8)) < 0.6) + np.eye(3, 8)
    mixed = rng.random((10, 3)) @ pure
    X = np.concatenate([pure, mixed])[rng.permutation(13)] * rng.uniform(0.1, 10, (13, 1))
    chosen = successive_projection(csr_matrix(X) if sparse else X, 3)
    found = {tuple(np.round(row / row.sum(), 6)) for row in X[chosen]}
    assert found == {tuple(np.round(row / row.sum(), 6)) for row in pure}


def test_exemplars_are_samples_with_sound():
    X = data()
    _, H = initialise(X, 5, "exemplars", np.random.RandomState(0))
    likeness = H @ X.T / np.outer(np.linalg.norm(H, axis=1), np.maximum(np.linalg.norm(X, axis=1), 1e-9))
    assert (likeness.max(axis=1) > 0.999).all()


def test_a_given_start_is_used_and_left_alone():
    X = data()
    W, H = np.ones((12, 2)), np.arange(1.0, 19).reshape(2, 9)
    model = NMF(2, init=(W, H), max_iter=1, tol=0).fit(X)
    assert (W == 1).all() and (H.ravel() == np.arange(1, 19)).all()
    np.testing.assert_allclose(model.objective_[0], 0.5 * ((X - W @ H) ** 2).sum())


def test_a_good_start_saves_iterations():
    X = data() + 0.01
    first = {init: NMF(4, init=init, max_iter=1, tol=0, random_state=0).fit(X).objective_[0] for init in INITS}
    assert max(first["separable"], first["exemplars"], first["nndsvd"]) < first["random"]
