import numpy as np
import pytest
import reference_separation as reference

from nmfaudio.errors import NmfaudioError
from nmfaudio.nmf.spatial_nmf import SpatialUpdates, spatial_nmf

PLACES = np.array([0, 0, 1, 2])


def problem(n_channels, n_taps, dtype, seed=0):
    """V with zeros and large values, atoms, activations, levels and weights."""
    rng = np.random.default_rng(seed)
    V = rng.gamma(0.5, 1, (n_channels, 6, 9))
    V[:, 2] = 0
    V[:, :, 4] *= 1e3
    W = rng.random((6, n_taps, 4))
    W /= np.linalg.norm(W, axis=(0, 1))
    Q = rng.random((n_channels, 4)) + 0.1
    Q[:, 1] = Q[:, 0]
    Q /= np.sqrt((Q**2).mean(axis=0))
    weights = rng.choice([0.0, 0.5, 1.0], V.shape)
    return [x.astype(dtype) for x in (V, W, rng.random((4, 9)), Q, weights)]


@pytest.mark.parametrize(("n_channels", "n_taps", "mu"), [(1, 1, 0.0), (2, 1, 0.7), (1, 3, 0.7), (2, 3, 0.0)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-3), (np.float64, 1e-10)])
@pytest.mark.parametrize("weighted", [False, True])
def test_updates_are_those_of_the_formulas(n_channels, n_taps, mu, dtype, tolerance, weighted):
    V, W, H, Q, weights = problem(n_channels, n_taps, dtype)
    certain = weights if weighted else np.ones_like(weights)
    twin = [x.astype(np.float64) for x in (W, H, Q)]
    penalty = np.full((4, 1), mu, dtype)
    updates = SpatialUpdates(V, W, H, Q, penalty, PLACES, weights if weighted else None, n_fixed=1)
    eps = float(updates.eps)
    assert updates.objective() == pytest.approx(reference.objective(V, *twin, mu, certain, eps), rel=1e-4)

    updates.update_H()
    twin[1] = reference.update_H(V, *twin, mu, certain, eps)
    np.testing.assert_allclose(H, twin[1], rtol=tolerance, atol=tolerance)

    updates.update_atoms()
    twin[0], twin[1] = reference.update_atoms(V, *twin, mu, certain, eps, n_fixed=1)
    np.testing.assert_allclose(W, twin[0], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(H, twin[1], rtol=tolerance, atol=tolerance)

    updates.update_levels()
    twin[2], twin[1] = reference.update_levels(V, *twin, mu, certain, eps, PLACES)
    np.testing.assert_allclose(Q, twin[2], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(H, twin[1], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_objective_never_rises(dtype):
    V, W, _, _, weights = problem(2, 2, dtype, seed=3)
    found = spatial_nmf(
        V, W[:, :, :2], n_free=2, penalty=0.3, places=PLACES, weights=weights, n_iter=60, tol=0, random_state=1
    )
    rises = np.diff(found.objective) / found.objective[0]
    assert rises.max() <= (1e-6 if dtype == np.float32 else 1e-12)
    assert found.objective[-1] < 0.9 * found.objective[1]
    np.testing.assert_allclose(np.linalg.norm(found.W, axis=(0, 1)), 1, rtol=1e-5)
    np.testing.assert_array_equal(found.W[:, :, :2], W[:, :, :2])
    assert found.W.dtype == found.H.dtype == found.Q.dtype == dtype


@pytest.mark.needs_jit
def test_planted_events_of_several_frames_are_found_again():
    rng = np.random.default_rng(0)
    W = rng.random((12, 4, 2)) * (rng.random((12, 4, 2)) < 0.4)
    H = np.zeros((2, 60))
    H[0, [3, 20, 41]], H[1, [9, 30, 50]] = 1, 2
    V = reference.model(W, H, np.array([[1.0, 0.2], [0.3, 1.0]]))
    tries = (spatial_nmf(V, n_free=2, n_taps=4, n_iter=100, tol=0, random_state=seed) for seed in range(6))
    found = min(tries, key=lambda found: found.objective[-1])
    estimate = sum(found.estimate([k]) for k in range(2))
    assert np.linalg.norm(estimate - V) < 0.1 * np.linalg.norm(V)
    ratios = sorted(found.Q[0] / found.Q[1])
    assert ratios[0] == pytest.approx(0.2, abs=0.05)
    assert ratios[1] == pytest.approx(1 / 0.3, rel=0.2)


def test_atoms_do_not_begin_where_they_are_not_present():
    V = np.random.default_rng(0).random((1, 5, 30))
    present = np.ones((3, 30), bool)
    present[1, 10:] = False
    found = spatial_nmf(V, n_free=3, present=present, n_iter=10)
    assert not found.H[1, 10:].any()
    assert found.H[1, :10].any()


def test_scaling_the_input_scales_the_estimate():
    V = np.random.default_rng(0).random((1, 6, 20)).astype(np.float32)
    small, large = (spatial_nmf(scale * V, n_free=2, penalty=0.5, n_iter=10) for scale in (1e-6, 1e3))
    np.testing.assert_allclose(large.estimate(), 1e9 * small.estimate(), rtol=1e-3)


def test_missing_entries_do_not_count():
    rng = np.random.default_rng(0)
    V = (rng.random((8, 1)) @ rng.random((1, 20)))[None]
    weights = np.ones_like(V)
    weights[:, 3:5, 6:9] = 0
    damaged = np.where(weights, V, 100)
    found = spatial_nmf(damaged, n_free=1, weights=weights, n_iter=100, tol=0)
    np.testing.assert_allclose(found.estimate(), V, rtol=1e-3)


def test_silence_and_misfits():
    assert not spatial_nmf(np.zeros((1, 4, 6)), n_free=2).estimate().any()
    with pytest.raises(NmfaudioError, match="5 bins cannot explain a spectrogram of 4 bins"):
        spatial_nmf(np.ones((1, 4, 6)), np.ones((5, 1, 2)))
