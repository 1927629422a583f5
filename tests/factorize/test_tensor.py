"""PARAFAC, joint and convolutive NMF."""

import numpy as np
import pytest
import reference_variants as reference

from nmfaudio.errors import NmfaudioError
from nmfaudio.factorize import NMF, PARAFAC, ConvolutiveNMF, JointNMF, SparseNMF


def matched(found, truth):
    """Cosines of the columns of `truth` with the best columns of `found`."""
    found, truth = (a / np.linalg.norm(a, axis=0) for a in (found, truth))
    return (truth.T @ found).max(axis=1)


@pytest.mark.parametrize("beta", [2, 1, 0])
@pytest.mark.parametrize("shape", [(9, 8, 7), (6, 5, 4, 5)])
def test_parafac_recovers_planted_factors(shape, beta):
    rng = np.random.default_rng(0)
    truth = [rng.random((size, 3)) ** 3 for size in shape]
    X = np.einsum("ik,jk,lk->ijl", *truth) if len(shape) == 3 else np.einsum("ik,jk,lk,mk->ijlm", *truth)
    X = X + 1e-6
    model = PARAFAC(3, beta_loss=beta, max_iter=1000, tol=1e-8 if beta else 1e-5, random_state=0)
    W = model.fit_transform(X)
    assert model.inverse_transform(W).shape == X.shape and model.components_.shape == (3, *shape[1:])
    for found, planted in zip(model.factors_, truth, strict=True):
        assert found.shape == planted.shape and matched(found, planted).min() > 0.99
    for factor in model.factors_[1:]:
        np.testing.assert_allclose(np.linalg.norm(factor, axis=0), 1)
    np.testing.assert_allclose(model.transform(X), W, atol=0.02 * W.max())


def test_parafac_of_a_matrix_is_nmf(monkeypatch):
    monkeypatch.setattr("nmfaudio.nmf.beta_divergence.due", lambda turn: (True, True))  # PARAFAC carries nothing over
    rng = np.random.default_rng(0)
    X, start = rng.random((9, 7)), (rng.random((9, 3)), rng.random((7, 3)))
    for beta, solver in ((2, "hals"), (1, "cd"), (0, "mu")):
        model = PARAFAC(3, beta_loss=beta, init=start, max_iter=5, tol=0).fit(X)
        init, data = ((start[1], start[0].T), X.T) if solver == "mu" else ((start[0], start[1].T), X)  # what is first
        plain = NMF(3, beta_loss=beta, solver=solver, init=init, max_iter=5, tol=0).fit(data)
        np.testing.assert_allclose(model.objective_, plain.objective_)
        assert model.reconstruction_err_ == pytest.approx(plain.reconstruction_err_)


def test_parafac_refuses_other_shapes():
    model = PARAFAC(2, max_iter=3, tol=0, random_state=0).fit(np.ones((4, 3, 2)))
    with pytest.raises(NmfaudioError, match=r"shape \(n_samples, 3, 2\), as in fit, not \(4, 3, 5\)"):
        model.transform(np.ones((4, 3, 5)))


def parts(rng):
    """Two matrices of which one component is shared, and one belongs to each."""
    H = np.kron(np.eye(3), np.ones(4)) + 0.05 * rng.random((3, 12))
    voice, noise = rng.random((40, 2)), rng.random((25, 2))
    return H, np.vstack([voice @ H[[0, 1]], noise @ H[[0, 2]]]), np.repeat(["voice", "noise"], [40, 25])


@pytest.mark.parametrize("beta", [2, 1, 0])
def test_joint_nmf_tells_shared_from_own(beta):
    H, X, groups = parts(np.random.default_rng(0))
    model = JointNMF(1, n_own=1, beta_loss=beta, max_iter=500, tol=1e-6, random_state=0)
    W = model.fit_transform(X, groups=groups)
    assert model.groups_.tolist() == ["noise", "voice"]
    assert model.component_groups_.tolist() == [-1, 0, 1]
    assert matched(model.components_.T, H[[0, 2, 1]].T).min() > 0.99
    order = (model.components_ @ H.T).argmax(axis=1)
    assert order.tolist() == [0, 2, 1]
    assert not W[groups == "voice", 1].any() and not W[groups == "noise", 2].any()
    again = model.transform(X, groups=groups)
    assert not again[groups == "voice", 1].any()
    np.testing.assert_allclose(again, W, atol=0.05)
    assert model.transform(X[:5]).shape == (5, 3)  # of unknown origin


def test_joint_nmf_of_one_group_is_nmf():
    rng = np.random.default_rng(0)
    X, options = rng.random((9, 7)), {"init": (rng.random((9, 3)), rng.random((3, 7))), "max_iter": 5, "tol": 0}
    plain = NMF(3, solver="hals", **options).fit(X)
    for model in (JointNMF(3, **options).fit(X), JointNMF(3, n_own=0, **options).fit(X, groups=[0] * 4 + [1] * 5)):
        np.testing.assert_allclose(model.objective_, plain.objective_)
        np.testing.assert_allclose(model.components_, plain.components_)


@pytest.mark.needs_jit
def test_restarts_save_parafac_from_bad_starts():
    """On a tensor as of a stereo recording one start in two ends more than ten times as far off as the others."""
    rng = np.random.default_rng(0)
    X = np.einsum("ik,jk,lk->ijl", *(rng.gamma(0.5, size=(n, 6)) for n in (2, 129, 60)))
    X += 0.01 * rng.random(X.shape)
    errors = [PARAFAC(6, random_state=seed).fit(X).reconstruction_err_ / np.linalg.norm(X) for seed in range(3)]
    assert max(errors) < 0.003, errors


def test_a_group_without_components_of_its_own_teaches_the_shared_ones():
    rng = np.random.default_rng(0)
    noise, voice = rng.random((2, 12)) ** 4, rng.random((2, 12)) ** 4
    X = np.vstack([rng.random((40, 4)) @ np.vstack([noise, voice]), rng.random((30, 2)) @ noise])
    model = JointNMF(2, n_own={"both": 2}, max_iter=1000, tol=1e-5, random_state=0)
    W = model.fit_transform(X, groups=["both"] * 40 + ["noise"] * 30)
    assert model.component_groups_.tolist() == [-1, -1, 0, 0] and not W[40:, 2:].any()
    assert matched(model.components_[:2].T, noise.T).min() > 0.95
    with pytest.raises(NmfaudioError, match="n_own names group 'voice'; there are 'a', 'b'"):
        JointNMF(2, n_own={"voice": 2}).fit(np.ones((2, 3)), groups=["a", "b"])


def test_joint_nmf_names_groups_that_do_not_fit():
    with pytest.raises(NmfaudioError, match=r"one group for each of 4 samples, not have shape \(3,\)"):
        JointNMF(2).fit(np.ones((4, 3)), groups=[1, 2, 3])
    model = JointNMF(1, n_own=1, random_state=0).fit(np.ones((4, 3)), groups=[1, 1, 2, 2])
    with pytest.raises(NmfaudioError, match="group 3 was not in fit; it had 1, 2"):
        model.transform(np.ones((1, 3)), groups=[3])


@pytest.mark.parametrize("n_shifts", [1, 3])
def test_the_convolutive_model_is_that_of_the_papers(n_shifts):
    rng = np.random.default_rng(0)
    X = rng.random((12, 6)) * (rng.random((12, 6)) < 0.8)
    model = ConvolutiveNMF(2, n_frames=4, n_shifts=n_shifts, max_iter=5, tol=0, random_state=0)
    W = model.fit_transform(X)
    assert W.shape == (12, 2 * n_shifts) and model.components_.shape == (2, 4, 6)
    cube = W.reshape(12, 2, n_shifts)
    L = reference.convolutive_model(cube, model.components_)
    np.testing.assert_allclose(model.inverse_transform(W), L)
    literal = reference.convolutive_objective(X, cube, model.components_)
    assert model.objective_[-1] == pytest.approx(literal, rel=1e-9)
    assert model.reconstruction_err_ == pytest.approx(np.sqrt(2 * literal))
    np.testing.assert_allclose(np.linalg.norm(model.components_, axis=(1, 2)), 1)


def test_convolutive_nmf_of_one_frame_is_nmf():
    rng = np.random.default_rng(0)
    X = rng.random((20, 3)) @ rng.random((3, 8)) + 0.1 * rng.random((20, 8))
    options = {"max_iter": 500, "tol": 0, "random_state": 0}
    model, plain = ConvolutiveNMF(3, n_frames=1, **options).fit(X), SparseNMF(3, alpha=0, **options).fit(X)
    assert model.objective_[-1] == pytest.approx(plain.objective_[-1], rel=0.01)


def test_convolutive_nmf_finds_patches_in_time():
    rng = np.random.default_rng(0)
    patches = rng.random((2, 4, 8)) ** 4
    W = np.zeros((80, 2, 1))
    W[rng.permutation(76)[:14], rng.integers(2, size=14)] = 1
    X = reference.convolutive_model(W, patches)
    model = ConvolutiveNMF(2, n_frames=4, n_init=2, max_iter=200, tol=1e-4, random_state=0).fit(X)
    assert matched(model.components_.reshape(2, -1).T, patches.reshape(2, -1).T).min() > 0.98
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X, atol=0.1)


def test_convolutive_nmf_in_two_dimensions_finds_one_instrument_for_all_notes():
    rng = np.random.default_rng(1)
    patch = np.zeros((1, 3, 20))
    patch[0, :, [0, 7, 12]] = [[1, 0.8, 0.5], [0.6, 0.3, 0.1], [0.4, 0.3, 0.2]]
    W = np.zeros((60, 1, 8))
    W[np.arange(0, 57, 3), 0, rng.integers(8, size=19)] = 1
    X = reference.convolutive_model(W, patch)
    options = {"n_frames": 3, "max_iter": 200, "tol": 1e-4, "n_init": 2, "random_state": 0}
    two = ConvolutiveNMF(1, n_shifts=8, **options).fit(X)
    one = ConvolutiveNMF(1, **options).fit(X)
    assert two.objective_[-1] < 0.02 * one.objective_[-1]
    np.testing.assert_allclose(two.inverse_transform(two.transform(X)), X, atol=0.1)


def test_convolutive_nmf_takes_less_than_a_component_lasts():
    X = np.random.default_rng(0).random((3, 5))
    model = ConvolutiveNMF(1, n_frames=6, max_iter=5, tol=0, random_state=0)
    W = model.fit_transform(X)
    assert model.inverse_transform(W).shape == X.shape and np.isfinite(W).all()
