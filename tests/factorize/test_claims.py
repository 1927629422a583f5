"""What the papers claim of the variants, with numbers; see also that Kullback-Leibler NMF is PLSA in test_nmf.py."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from nmfaudio.factorize import (
    ConvexNMF,
    OrthogonalNMF,
    SemiNMF,
    SeparableNMF,
    SequentialNMF,
    SparsenessNMF,
    WeightedNMF,
    sparseness,
)

pytestmark = [pytest.mark.needs_jit, pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")]


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_orthogonal_nmf_clusters_digits_as_k_means_does(digits):
    """Ding, He and Simon 2005; Pompili et al. 2014: the same problem but for the scale of a sample."""
    ours = OrthogonalNMF(10, random_state=0).fit(digits.data).labels_
    theirs = KMeans(10, n_init=10, random_state=0).fit(digits.data).labels_
    for score in (adjusted_rand_score, normalized_mutual_info_score):
        assert score(digits.target, ours) > score(digits.target, theirs) - 0.05
    assert adjusted_rand_score(digits.target, ours) > 0.55
    rng = np.random.default_rng(0)
    dimmed = digits.data * rng.uniform(0.2, 1, (len(digits.data), 1))  # where k-means looks at the light alone
    ours = OrthogonalNMF(10, random_state=0).fit(dimmed).labels_
    theirs = KMeans(10, n_init=10, random_state=0).fit(dimmed).labels_
    assert adjusted_rand_score(digits.target, ours) > adjusted_rand_score(digits.target, theirs) + 0.2


def test_convex_nmf_has_sparser_factors_at_little_cost(digits):
    """Ding, Li and Jordan 2010, section 5: both factors of convex NMF are sparse, those of semi-NMF are not."""
    X = digits.data[:300]
    convex, semi = ConvexNMF(10, random_state=0), SemiNMF(10, random_state=0)
    W, V = convex.fit_transform(X), semi.fit_transform(X)
    assert sparseness(convex.mixing_).mean() > 0.75
    assert sparseness(W.T).mean() > sparseness(V.T).mean() + 0.05
    assert convex.reconstruction_err_ < 1.3 * semi.reconstruction_err_


def test_separable_nmf_is_exact_and_finds_the_pure_samples(digits):
    """Arora et al. 2013; Gillis and Vavasis 2014."""
    rng = np.random.default_rng(0)
    pure = digits.data[[digits.target.tolist().index(d) for d in range(10)]]
    X = np.vstack([pure, rng.dirichlet(np.ones(10), 200) @ pure])[rng.permutation(210)]
    model = SeparableNMF(10)
    W = model.fit_transform(X)
    assert np.abs(W @ model.components_ - X).max() < 1e-10 * X.max()
    assert {row.tobytes() for row in X[model.anchors_]} == {row.tobytes() for row in pure}


def test_the_fractional_residual_variance_falls_to_the_noise_at_the_planted_rank():
    """Ren et al. 2018: it is the share of X's variance that is left, and says where to stop."""
    rng = np.random.default_rng(0)
    clean = rng.gamma(0.7, size=(120, 6)) @ rng.gamma(0.7, size=(6, 80))
    X = np.maximum(clean + 0.05 * clean.mean() * rng.standard_normal(clean.shape), 0)
    model = SequentialNMF(10, tol=1e-5, max_iter=1000)
    W = model.fit_transform(X)
    curve = model.residual_variance_
    left = ((X - W @ model.components_) ** 2).sum() / (X**2).sum()
    assert model.n_components_ == 6 and curve[6] == pytest.approx(left, rel=1e-6)
    assert np.all(np.diff(curve) < 0) and curve[0] == 1
    noise = ((X - clean) ** 2).sum() / (X**2).sum()
    assert 0.7 * noise < curve[6] < noise  # the components follow some of the noise
    assert curve[5] > 5 * curve[6] and curve[7] > 0.9 * curve[6]


def test_the_error_of_imputation_is_of_second_order_in_what_is_missing():
    """Ren et al. 2020: filling in a share f of the entries changes the energy of the model by the order of f**2.

    What is filled in differs from the model of the whole data by what the hidden entries would change, in energy of
    the order of f, and does so on a share f of the entries.
    """
    rng = np.random.default_rng(0)
    X = rng.random((60, 3)) @ rng.random((3, 1000))
    X = np.maximum(X + 0.1 * rng.standard_normal(X.shape), 0)
    model = WeightedNMF(3, random_state=0, tol=1e-6, max_iter=2000).fit(X)
    whole = model.inverse_transform(model.transform(X))
    shares, errors = [0.02, 0.04, 0.08, 0.16], []
    for share in shares:
        hidden = rng.random(X.shape) < share
        filled = model.impute(np.where(hidden, np.nan, X))
        errors.append(((filled - whole)[hidden] ** 2).sum() / (X**2).sum())
    order = np.polyfit(np.log(shares), np.log(errors), 1)[0]
    assert 1.85 < order < 2.2
    assert errors[-1] < 1e-4  # with a sixth of all entries missing


@pytest.mark.parametrize("level", [0.4, 0.6, 0.8])
def test_hoyers_sparseness_is_reached_exactly(digits, level):
    """Hoyer 2004."""
    X = digits.data[:200]
    parts = SparsenessNMF(8, sparseness_H=level, max_iter=50, random_state=0).fit(X)
    np.testing.assert_allclose(sparseness(parts.components_), level, atol=1e-9)
    codes = SparsenessNMF(8, sparseness_H=None, sparseness_W=level, max_iter=50, random_state=0)
    np.testing.assert_allclose(sparseness(codes.fit_transform(X).T), level, atol=1e-9)
