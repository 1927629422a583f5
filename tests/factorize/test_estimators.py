"""What holds for every estimator."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from factorize_estimators import ALL, CHECKED, MONOTONE, expected_failures, scikit_learn_checks
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from nmfaudio import factorize
from nmfaudio.errors import NmfaudioError
from nmfaudio.factorize import NMF, SparseNMF

NAMES = {"ids": lambda estimator: repr(estimator).replace("\n", "")}


def data(dtype=np.float64, n_samples=8, n_features=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((n_samples, 2)) @ rng.random((2, n_features)) + 0.3 * rng.random((n_samples, n_features))
    X[rng.random(X.shape) < 0.1] = 0
    return X.astype(dtype)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@scikit_learn_checks(CHECKED, expected_failures)
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", ALL, **NAMES)
def test_factors_are_not_negative_and_keep_their_type(estimator, dtype):
    X = data(dtype)
    model = clone(estimator).set_params(tol=0)
    W = model.fit_transform(X)
    for factor, shape in ((W, (8, 2)), (model.components_, (2, 6)), (model.transform(X), (8, 2))):
        assert factor.shape == shape and factor.dtype == dtype
        assert np.isfinite(factor).all() and factor.min() >= 0
    np.testing.assert_allclose(model.inverse_transform(W), W @ model.components_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", MONOTONE, **NAMES)
def test_the_objective_never_rises(estimator, dtype):
    rounding = 2e-6 if dtype == np.float32 else 1e-12
    for seed, scale in ((0, 1e-4), (1, 1e4)):
        model = clone(estimator).set_params(tol=0, init="random")
        objective = model.fit(scale * data(dtype, seed=seed)).objective_
        assert len(objective) == model.n_iter_ + 1 == 11
        assert np.diff(objective).max() <= rounding * abs(objective[0])
        assert objective[-1] < objective[0]


@pytest.mark.parametrize("estimator", CHECKED, **NAMES)
def test_the_seed_decides(estimator):
    X = data()
    one, two, three = (
        clone(estimator).set_params(init="random", random_state=seed, tol=0, max_iter=3).fit(X).components_
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


@pytest.mark.parametrize("estimator", ALL, **NAMES)
def test_silence_harms_nothing(estimator):
    X = data()
    X[[0, 4, 5]], X[:, 3] = 0, 0
    for silence in (X, np.zeros((6, 4))):
        model = clone(estimator).set_params(tol=0)
        W = model.fit_transform(silence)
        assert np.isfinite(W).all() and np.isfinite(model.components_).all() and np.isfinite(model.objective_).all()


@pytest.mark.parametrize("beta", [2, 1])
def test_silent_samples_and_features_stay_silent(beta):
    X = data()
    X[[0, 4, 5]], X[:, 3] = 0, 0
    model = NMF(2, beta_loss=beta, tol=0, random_state=0)
    W = model.fit_transform(X)
    assert W[[0, 4, 5]].max() == 0 and model.components_[:, 3].max() == 0


@pytest.mark.parametrize("beta", [2, 1, 0])
def test_sound_is_not_explained_by_what_was_learnt_from_silence(beta):
    model = NMF(2, beta_loss=beta, tol=0, max_iter=5, random_state=0).fit(np.zeros((6, 4)))
    np.testing.assert_array_equal(model.transform(np.ones((3, 4))), 0)


def test_starts_that_break_the_precision_are_named():
    X = data(np.float32)
    start = np.full((8, 2), 1e38), np.full((2, 6), 1e38)
    with np.errstate(all="ignore"), pytest.raises(NmfaudioError, match="NMF broke down"):
        NMF(2, solver="hals", init=start).fit(X)


def test_an_objective_beyond_the_largest_number_is_no_breakdown():
    X = 1e170 * data()
    model = SparseNMF(2, beta_loss=2, tol=0, max_iter=5, random_state=0)
    W = model.fit_transform(X)
    assert model.objective_[-1] == np.inf and np.isfinite(W).all() and np.isfinite(model.components_).all()


def test_too_few_iterations_are_told():
    with pytest.warns(ConvergenceWarning, match="NMF has not converged after 2 iterations; raise max_iter or tol"):
        NMF(2, max_iter=2, random_state=0).fit(data())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NMF(2, max_iter=2, tol=0, random_state=0).fit(data())
        assert NMF(2, tol=1e-2, random_state=0).fit(data()).n_iter_ < 200


def test_the_best_of_several_runs_is_kept():
    X = data(n_samples=20)
    model = NMF(4, n_init=6, max_iter=15, tol=0, random_state=3).fit(X)
    assert model.restarts_.shape == (6,) and np.ptp(model.restarts_) > 0
    assert model.objective_[-1] == model.restarts_.min()
    assert NMF(4, max_iter=15, tol=0, init="random", random_state=3).fit(X).objective_[-1] == model.restarts_[0]


def test_the_error_is_that_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    X = data() + 0.01
    for beta in (2, 1, 0, 1.5):
        model = NMF(2, beta_loss=beta, solver="mu", max_iter=30, tol=0, random_state=0).fit(X)
        W, H = model.transform(X), model.components_
        peer = decomposition.NMF(2, beta_loss=beta, solver="mu", init="custom", max_iter=1, tol=0)
        error = np.linalg.norm(X - W @ H) if beta == 2 else None
        peer.fit_transform(X, W=W.copy(), H=H.copy())
        assert peer.reconstruction_err_ <= model.reconstruction_err_ * (1 + 1e-3)
        if error:
            assert abs(error / model.reconstruction_err_ - 1) < 1e-2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_components": 0}, "n_components must be a positive integer, not 0"),
        ({"n_components": 2.5}, "n_components.*2.5"),
        ({"max_iter": 0}, "max_iter"),
        ({"n_init": 0}, "n_init"),
        ({"tol": -1}, "tol must be a finite number of at least 0, not -1"),
        ({"solver": "newton"}, "solver must be one of.*'bpp'.*not 'newton'"),
        ({"solver": "hals", "beta_loss": 1}, "solver 'hals' needs beta_loss 2, not 1; choose 'mu', 'amu' or None"),
        ({"solver": "cd"}, "solver 'cd' needs beta_loss 1, not 'frobenius'; choose 'hals', coordinate descent for 2,"),
        ({"beta_loss": np.nan}, "beta_loss must be a number from -2 to 5 or one of .*, not nan"),
        ({"beta_loss": -2.1}, "beta_loss.* from -2 to 5 .*not -2.1"),
        ({"beta_loss": 6}, "beta_loss.* from -2 to 5 .*not 6"),
        (
            {"beta_loss": "euclidean"},
            "beta_loss.*one of 'frobenius', 'kullback-leibler', 'itakura-saito', not 'euclidean'",
        ),
        ({"alpha_W": -1}, "alpha_W"),
        ({"alpha_H": np.inf}, "alpha_H"),
        ({"l1_ratio": 2}, "l1_ratio must be a finite number from 0 to 1"),
        ({"init": "zero"}, "init must be a pair.*'nndsvd'.*not 'zero'"),
        ({"init": "nndsvd", "n_components": 7}, "at most 6 components here, not 7; use 'random'"),
        ({"init": (np.ones((8, 2)),)}, "pair"),
        ({"init": (np.ones((8, 3)), np.ones((2, 6)))}, r"W in init must have shape \(8, 2\), not \(8, 3\)"),
        ({"init": (np.ones((8, 2)), -np.ones((2, 6)))}, "H in init holds negative"),
    ],
)
def test_what_cannot_be_is_named(changes, message):
    with pytest.raises(NmfaudioError, match=message):
        NMF(**{"n_components": 2} | changes).fit(data())


def test_negative_data_is_named():
    with pytest.raises(NmfaudioError, match=r"Negative values in data passed to NMF \(smallest: -3\)"):
        NMF(2).fit(np.array([[1.0, -3.0]]))


def test_the_functions_need_no_scikit_learn():
    """Training and decomposition use them."""
    code = "import sys; from nmfaudio.factorize import sparse_nmf; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_names_are_public():
    assert all(getattr(factorize, name) is not None for name in factorize.__all__)
    assert set(factorize.__all__) <= set(dir(factorize))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = factorize.no_such_name
