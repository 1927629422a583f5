import numpy as np
import pytest
from planted import likeness, planted
from scipy.sparse import csr_matrix

from nmfaudio.errors import NmfaudioError
from nmfaudio.factorize import NMF, OnlineNMF
from nmfaudio.factorize.nmf import activations
from nmfaudio.nmf.beta_divergence import divergence


def stream(H, n_batches, seed=0, n_samples=12):
    rng = np.random.default_rng(seed)
    for _ in range(n_batches):
        yield rng.random((n_samples, len(H))) * (rng.random((n_samples, len(H))) < 0.5) @ H


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [2, 1])
def test_components_are_learnt_from_a_stream(beta, dtype):
    H = planted()[2]
    model = OnlineNMF(3, beta_loss=beta, forget_factor=0.8, max_iter=10, random_state=0)
    sizes = set()
    for X in stream(H, 60):
        model.partial_fit(X.astype(dtype))
        sizes.add(sum(array.nbytes for array in (model._memory.A, model._memory.B, model._memory.T)))
    assert model.n_batches_ == 60 and len(sizes) == 1  # memory does not grow
    assert likeness(model.components_, H) > (0.98 if beta == 2 else 0.95)
    assert model.components_.dtype == dtype


@pytest.mark.parametrize(("first", "second"), [(np.float32, np.float64), (np.float64, np.float32)])
@pytest.mark.parametrize("beta", [2, 1, 0, 0.5, 3])
def test_batches_of_two_precisions_are_learnt_in_that_of_the_first(beta, first, second):
    batches = [X + 0.01 for X in stream(planted()[2], 4)]
    one, mixed = (OnlineNMF(3, beta_loss=beta, max_iter=10, random_state=0) for _ in range(2))
    for i, X in enumerate(batches):
        one.partial_fit(X.astype(first))
        mixed.partial_fit(X.astype(second if i % 2 else first))
    assert mixed.components_.dtype == first
    np.testing.assert_allclose(mixed.components_, one.components_, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("beta", [2, 1, 0])
def test_fit_comes_close_to_a_fit_of_everything_at_once(beta):
    X = planted(n_samples=30)[0] + 0.1
    online = OnlineNMF(3, beta_loss=beta, batch_size=10, max_iter=30, tol=0, random_state=0).fit(X)
    whole = NMF(3, beta_loss=beta, init="exemplars", max_iter=60, tol=0, random_state=0).fit(X)
    assert online.reconstruction_err_ < 1.5 * whole.reconstruction_err_ + 0.02 * np.linalg.norm(X)
    assert online.n_batches_ == 3 * online.n_iter_ == 90
    assert online.objective_[-1] < 0.2 * online.objective_[0]


@pytest.mark.parametrize("beta", [1, -0.5, 1.5, 3])
def test_a_batch_alone_is_one_multiplicative_update(beta):
    X = planted(n_samples=10)[0] + 0.1
    start = np.ones((10, 3)), np.random.default_rng(0).random((3, 15)) + 0.1
    model = OnlineNMF(3, beta_loss=beta, forget_factor=0, init=start, max_iter=100).partial_fit(X)
    W = NMF(3, beta_loss=beta, solver="mu", init=start, max_iter=100, tol=1e-4)
    W.components_ = start[1]
    W.n_features_in_ = 15
    step = NMF(3, beta_loss=beta, solver="mu", init=(start[1].T, W._activations(X).T), max_iter=1, tol=0)
    np.testing.assert_allclose(model.components_, step.fit_transform(X.T).T, rtol=1e-3)  # W is updated first


def test_a_batch_alone_is_the_minimum_of_the_majoriser_for_itakura_saito():
    X = planted(n_samples=10)[0] + 0.1
    H = np.random.default_rng(0).random((3, 15)) + 0.1
    model = OnlineNMF(3, beta_loss=0, forget_factor=0, init=(np.ones((10, 3)), H), max_iter=100).partial_fit(X)
    W = activations(X, H, 0, 0, 0, max_iter=100, tol=1e-4)
    L = W @ H
    np.testing.assert_allclose(model.components_, H * np.sqrt(W.T @ (X / L**2) / (W.T @ (1 / L))), rtol=1e-3)


def test_two_matrices_stand_for_all_batches():
    """For beta = 2, against the sums written out."""
    H = planted()[2]
    model, seen = OnlineNMF(3, forget_factor=0.5, random_state=0), []
    for X in stream(H, 4):
        components = getattr(model, "components_", None)
        model.partial_fit(X)
        if components is not None:
            W = NMF(3).fit(X).set_params(init=None)
            W.components_ = components
            seen.append((X, W.transform(X)))
    weights = [0.5 ** (len(seen) - 1 - i) for i in range(len(seen))]
    A = sum(w * W.T @ W for w, (_, W) in zip(weights, seen, strict=True))
    B = sum(w * X.T @ W for w, (X, W) in zip(weights, seen, strict=True))
    fresh = OnlineNMF(3, forget_factor=0.5, random_state=0).partial_fit(next(stream(H, 1)))
    first = 0.5**3
    np.testing.assert_allclose(model._memory.A, A + first * fresh._memory.A, rtol=1e-8)
    np.testing.assert_allclose(model._memory.B, B + first * fresh._memory.B, rtol=1e-8)


def test_what_is_forgotten_makes_room():
    one, two = planted(seed=1)[2], planted(seed=2)[2]
    errors = {}
    for forget_factor in (0.5, 1):
        model = OnlineNMF(3, forget_factor=forget_factor, random_state=0)
        for H, seed in ((one, 0), (two, 1)):
            for X in stream(H, 15, seed):
                model.partial_fit(X)
        X = next(stream(two, 1, 9))
        errors[forget_factor] = divergence(X, model.transform(X), model.components_)
    assert errors[0.5] < 0.1 * errors[1]


@pytest.mark.parametrize("beta", [2, 1])
def test_sparse_matrices_give_the_same(beta):
    X = planted()[0]
    one, two = (OnlineNMF(3, beta_loss=beta, batch_size=10, max_iter=3, tol=0, random_state=0) for _ in range(2))
    np.testing.assert_allclose(one.fit_transform(X), two.fit_transform(csr_matrix(X)), rtol=1e-5, atol=1e-8)


def test_a_stream_goes_on_after_fit():
    X = planted()[0]
    model = OnlineNMF(3, max_iter=3, tol=0, random_state=0).fit(X)
    before = model.n_batches_
    assert model.partial_fit(X).n_batches_ == before + 1
    with pytest.raises(ValueError, match="15 features"):
        model.partial_fit(X[:, :4])


@pytest.mark.needs_jit
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [2, 1, 0, 0.5, 1.5, 3])
def test_silence_of_any_length_is_forgotten_nothing_for(beta, dtype):
    H = planted()[2]
    model = OnlineNMF(3, beta_loss=beta, max_iter=10, random_state=0)
    batches = [X.astype(dtype) for X in stream(H, 10)]
    for X in batches:
        model.partial_fit(X)
    before = model.components_.copy()
    for _ in range(400):
        model.partial_fit(np.zeros((5, 15), dtype))
    np.testing.assert_array_equal(model.components_, before)
    quiet = np.full((5, 15), 1e-9, dtype)  # not quite silent
    for _ in range(400):
        model.partial_fit(quiet)
    model.partial_fit(batches[0])
    assert np.isfinite(model.components_).all() and np.isfinite(model.transform(batches[0])).all()
    assert model.transform(batches[0]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [2, 1, 0, 0.5, 1.5])
@pytest.mark.parametrize("start", ["silent", "nearly silent", "half the bins", "one sample"])
def test_what_comes_after_the_beginning_is_learnt(start, beta, dtype):
    """A microphone that is off at first, or has little to say."""
    H = planted()[2]
    first = np.zeros((12, 15))
    if start == "nearly silent":
        first += 1e-9 * np.random.default_rng(0).random(first.shape)
    elif start == "half the bins":
        first[:, 8:] = next(stream(H, 1, seed=5))[:, 8:]
    elif start == "one sample":
        first[4] = H[0]
    model = OnlineNMF(3, beta_loss=beta, max_iter=20, random_state=0)
    for X in [first] * 3:
        model.partial_fit(X.astype(dtype))
    for X in stream(H, 60):
        model.partial_fit(X.astype(dtype) + dtype(1e-3))
    test = next(stream(H, 1, seed=9)).astype(dtype) + dtype(1e-3)
    mean = NMF(1, beta_loss=beta, random_state=0).fit(test)  # what one spectrum explains; a dead bin would cost more
    assert divergence(test, model.transform(test), model.components_, beta) < 0.4 * mean.objective_[-1]


@pytest.mark.parametrize("beta", [2, 1, 0, -1, 5])
@pytest.mark.parametrize("level", [1e-9, 1e-30])
def test_a_stream_may_become_louder_by_any_factor(beta, level):
    H, model = planted()[2], OnlineNMF(3, beta_loss=beta, max_iter=20, random_state=0)
    for X in stream(H, 3):
        model.partial_fit((level * (X + 0.1)).astype(np.float32))
    for X in stream(H, 60):
        model.partial_fit((X + 0.1).astype(np.float32))
    test = (next(stream(H, 1, seed=9)) + 0.1).astype(np.float32)
    mean = NMF(1, beta_loss=beta, random_state=0).fit(test)
    assert model.components_.dtype == np.float32
    assert divergence(test, model.transform(test), model.components_, beta) < 0.8 * mean.objective_[-1]


@pytest.mark.needs_jit
@pytest.mark.parametrize("beta", [2, 1, 0, 1.5, 3])
def test_penalties_of_a_batch_alone_are_those_of_nmf(beta):
    """Where the same batch leads to, again and again, the derivative of the objective is zero."""
    X = planted(n_samples=10)[0] + 0.1
    penalties = {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3}
    H = np.random.default_rng(0).random((3, 15)) + 0.1
    model = OnlineNMF(
        3,
        beta_loss=beta,
        forget_factor=0,
        init=(np.ones((10, 3)), H),
        max_iter=30 if beta else 150,
        tol=1e-6,
        **penalties,
    )
    for _ in range(300):
        model.partial_fit(X)
    W, H = model.transform(X), model.components_
    L = W @ H
    slope = W.T @ (L ** (beta - 1) - X * L ** (beta - 2)) + 10 * 0.02 * (0.3 + 0.7 * H)
    assert slope.min() > -2e-2 and np.abs(slope * H).max() < 1e-2
    slope = (L ** (beta - 1) - X * L ** (beta - 2)) @ H.T + 15 * 0.01 * (0.3 + 0.7 * W)
    assert slope.min() > -2e-2 and np.abs(slope * W).max() < 1e-2


@pytest.mark.parametrize("beta", [2, 1, 0])
def test_larger_penalties_leave_less(beta):
    X = planted(n_samples=30)[0] + 0.1
    options = {"beta_loss": beta, "batch_size": 10, "max_iter": 20, "tol": 0, "random_state": 0, "l1_ratio": 1}
    free, tied = (OnlineNMF(3, alpha_W=alpha, **options) for alpha in (0, 0.02))
    W, less = free.fit_transform(X), tied.fit_transform(X)
    assert less.sum() * tied.components_.sum() < W.sum() * free.components_.sum()
    assert tied.objective_[-1] < tied.objective_[0]


def test_small_first_batches_are_enough():
    model = OnlineNMF(5, random_state=0).partial_fit(np.ones((2, 4)))
    assert model.components_.shape == (5, 4) and np.isfinite(model.components_).all()


@pytest.mark.parametrize(
    "changes", [{"batch_size": 0}, {"forget_factor": 1.5}, {"beta_loss": np.inf}, {"alpha_W": -1}, {"l1_ratio": 2}]
)
def test_what_cannot_be_is_named(changes):
    with pytest.raises(NmfaudioError, match=next(iter(changes))):
        OnlineNMF(2, **changes).partial_fit(np.ones((3, 3)))
