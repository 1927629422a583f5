import numpy as np
import pytest
import reference_variants as reference

from nmfaudio.errors import NmfaudioError
from nmfaudio.factorize import NMF, WeightedNMF, cross_validated_rank
from nmfaudio.kernels.nmf.weighted import weighted_sweep


def planted(n_samples=30, n_features=20, rank=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n_samples, rank)) @ rng.random((rank, n_features)), rng


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weighted_sweep_equals_its_twin(dtype):
    rng = np.random.default_rng(0)
    X, weights, H, W = (rng.random(s).astype(dtype) for s in ((5, 8), (5, 8), (3, 8), (5, 3)))
    weights[:, 2], weights[1], H[2], W[0] = 0, 0, 0, 0
    for scale, l2 in ((1e-6, 0), (1, 0), (1e6, 0), (1, 0.5)):
        start, result = dtype(scale) * W, dtype(scale) * W
        weighted_sweep(dtype(scale) * X, weights, H, result, l2)
        expected = reference.weighted_sweep(*(a.astype(float) for a in (dtype(scale) * X, weights, H, start)), l2)
        tolerance = 1e-4 if dtype == np.float32 else 1e-9
        np.testing.assert_allclose(result, expected, rtol=tolerance, atol=scale * tolerance)
        np.testing.assert_array_equal(result[1], start[1] if l2 == 0 else 0)  # of which nothing is known
        assert result.dtype == dtype and result.min() >= 0


@pytest.mark.parametrize("beta", [2, 1, 0])
def test_hidden_entries_are_predicted(beta):
    X, rng = planted(20, 15, rank=2)
    hidden = rng.random(X.shape) < 0.2
    holes = np.where(hidden, np.nan, X)
    model = WeightedNMF(2, beta_loss=beta, max_iter=80 if beta == 2 else 250, tol=0, random_state=0)
    W = model.fit_transform(holes)
    assert model.hidden_error(X, hidden) < 0.03
    np.testing.assert_array_equal(model.impute(holes)[~hidden], X[~hidden])
    np.testing.assert_allclose(model.impute(holes)[hidden], X[hidden], atol=0.1)
    np.testing.assert_allclose(model.transform(holes) @ model.components_, W @ model.components_, atol=0.05)


def test_nan_means_a_weight_of_zero():
    X, rng = planted()
    hidden = rng.random(X.shape) < 0.3
    fits = [
        WeightedNMF(2, random_state=0).fit_transform(np.where(hidden, np.nan, X)),
        WeightedNMF(2, random_state=0).fit_transform(np.where(hidden, 7, X), weights=~hidden),
        WeightedNMF(2, random_state=0).fit_transform(np.where(hidden, np.nan, X), weights=np.ones_like(X)),
    ]
    np.testing.assert_array_equal(fits[0], fits[1])
    np.testing.assert_array_equal(fits[0], fits[2])


def test_equal_weights_give_nmf(monkeypatch):
    # weighted NMF carries nothing over
    monkeypatch.setattr("nmfaudio.nmf.beta_divergence.due", lambda turn: (True, True))
    X, rng = planted()
    start = rng.random((30, 4)), rng.random((4, 20))
    options = {"init": start, "max_iter": 7, "tol": 0}
    plain = NMF(4, solver="hals", **options).fit(X)
    for weight in (1, 3):
        model = WeightedNMF(4, **options).fit(X, weights=np.full(X.shape, weight))
        np.testing.assert_allclose(model.components_, plain.components_, rtol=1e-7)
        np.testing.assert_allclose(model.objective_, weight * plain.objective_, rtol=1e-7)
        assert model.reconstruction_err_ == pytest.approx(np.sqrt(weight) * plain.reconstruction_err_)
    for beta in (1, 0):
        for alpha in (0, 0.01):
            swapped = {**options, "init": (start[1].T, start[0].T)}  # as that updates W first
            peer = NMF(4, solver="mu", beta_loss=beta, alpha_W=alpha, **swapped).fit(X.T)
            model = WeightedNMF(4, beta_loss=beta, alpha=alpha, **options).fit(X)
            np.testing.assert_allclose(model.objective_, peer.objective_)
            assert model.reconstruction_err_ == pytest.approx(peer.reconstruction_err_)


def test_the_penalty_keeps_predictions_from_running_away():
    X, rng = planted(40, 10, rank=6)
    X *= rng.random((40, 1)) ** 8  # a few loud samples
    hidden = rng.random(X.shape) < 0.5
    errors = [
        WeightedNMF(6, alpha=alpha, max_iter=60, tol=0, random_state=0).fit(X, weights=~hidden).hidden_error(X, hidden)
        for alpha in (0, 1e-3)
    ]
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.needs_jit
def test_certain_entries_count_more():
    X, rng = planted(40, 25)
    deviation = rng.choice([0.02, 0.5], X.shape)
    noisy = np.maximum(X + deviation * rng.standard_normal(X.shape), 0)
    blind = WeightedNMF(3, random_state=0).fit(noisy)
    knowing = WeightedNMF(3, random_state=0).fit(noisy, weights=deviation**-2)
    errors = [
        np.linalg.norm(model.inverse_transform(model.transform(noisy, weights)) - X)
        for model, weights in ((blind, None), (knowing, deviation**-2))
    ]
    assert errors[1] < 0.3 * errors[0]


def test_what_was_never_seen_is_silent():
    X, _ = planted()
    X[4] = np.nan
    W = WeightedNMF(2, random_state=0).fit_transform(X)
    np.testing.assert_array_equal(W[4], 0)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((30, 1)), r"X's shape \(30, 20\), not \(30, 1\)"),
        (np.full((30, 20), -1.0), "negative"),
        (np.full((30, 20), np.nan), "NaN"),
    ],
)
def test_weights_that_do_not_fit_are_named(weights, message):
    with pytest.raises(NmfaudioError, match=message):
        WeightedNMF(2).fit(planted()[0], weights=weights)


@pytest.mark.needs_jit
def test_cross_validation_finds_the_planted_rank():
    X, rng = planted(20, 14, rank=2)
    X = np.maximum(X + 0.05 * rng.standard_normal(X.shape), 0)
    X[3, 4] = np.nan
    found = cross_validated_rank(X, [1, 2, 3], n_folds=3, random_state=0)
    assert found.best == 2
    assert found.errors.shape == (3, 3)
    means = found.errors.mean(axis=1)
    assert means[0] > 1.3 * means[1] and means[2] > 1.03 * means[1]  # it rises again
    again = cross_validated_rank(X, [2], n_folds=3, model=WeightedNMF(random_state=0), random_state=0)
    np.testing.assert_array_equal(again.errors, found.errors[1:2])


@pytest.mark.needs_jit
@pytest.mark.parametrize("exponent", [-530, 530])  # 1e-160 and 1e160, whose squares are no numbers
def test_predictions_do_not_depend_on_the_level(exponent):
    X, _ = planted(20, 14, rank=2)
    one, far = (cross_validated_rank(np.ldexp(X, e), [1, 2], n_folds=2, random_state=0) for e in (0, exponent))
    np.testing.assert_allclose(far.errors, one.errors, rtol=0.05)
    assert far.best == 2


@pytest.mark.parametrize(
    ("ranks", "n_folds", "message"), [([], 3, "ranks is empty"), ([0], 3, "a rank"), ([1], 1, "at least 2")]
)
def test_cross_validation_names_what_cannot_be(ranks, n_folds, message):
    with pytest.raises(NmfaudioError, match=message):
        cross_validated_rank(np.ones((4, 4)), ranks, n_folds=n_folds)
