"""The spatial filter, against its literal twin."""

import numpy as np
import pytest

from nmfaudio.kernels.spatial import spatial_filter


def filtered(Y, masks, reach, n_iter):
    """The filter by matrices."""
    prior = 3 / (2 * reach + 1)
    n_sources, n_bins, n_frames = masks.shape
    out = np.zeros((n_sources, 2, n_bins, n_frames), complex)
    for f in range(n_bins):
        y = Y[:, f].T.astype(complex)  # (T, 2)
        v = masks[:, f] * np.mean(abs(y) ** 2, axis=1)
        C = masks[:, f, :, None, None] ** 2 * (y[:, :, None] * y[:, None].conj())
        for _ in range(n_iter + 1):
            near = [slice(max(0, t - reach), t + reach + 1) for t in range(n_frames)]
            R = [[C[j, part].sum(axis=0) / v[j, part].sum() for part in near] for j in range(n_sources)]
            R = (np.array(R) + prior * np.eye(2)) / (1 + prior)
            E = v[..., None, None] * R
            gain = E @ np.linalg.inv(E.sum(axis=0))
            s = (gain @ y[..., None])[..., 0]
            C = s[..., :, None] * s[..., None, :].conj() + E - gain @ E
        out[:, :, f] = s.transpose(0, 2, 1)
    return out


@pytest.mark.parametrize("n_iter", [0, 1, 3])
@pytest.mark.parametrize("reach", [3, 40])
def test_the_filter_is_that_of_the_formulas(reach, n_iter):
    rng = np.random.default_rng(0)
    Y = (rng.standard_normal((2, 3, 20)) + 1j * rng.standard_normal((2, 3, 20))).astype(np.complex64)
    masks = rng.dirichlet(np.ones(3), (3, 20)).transpose(2, 0, 1).astype(np.float32)
    out = np.empty((3, 2, 3, 20), np.complex64)
    spatial_filter(Y, masks, reach, n_iter, 0, out)
    want = filtered(Y, masks.astype(float), reach, n_iter)
    np.testing.assert_allclose(out, want, atol=1e-5)
    np.testing.assert_allclose(out.sum(axis=0), Y, atol=1e-5)
    part = np.empty((3, 2, 3, 5), np.complex64)
    spatial_filter(Y, masks, reach, n_iter, 8, part)
    np.testing.assert_array_equal(part, out[..., 8:13])


def test_sources_at_their_places_come_out_better_than_by_masks():
    rng = np.random.default_rng(0)
    S = rng.standard_normal((2, 4, 300)) + 1j * rng.standard_normal((2, 4, 300))
    S *= rng.random((2, 1, 300)) + 0.1
    images = (S[:, None] * np.array([[1, 0.3], [0.2, 1]])[:, :, None, None]).astype(np.complex64)
    Y = images.sum(axis=0)
    power = np.mean(abs(images) ** 2, axis=1)
    masks = (power / power.sum(axis=0)).astype(np.float32)
    out = np.empty_like(images)
    spatial_filter(Y, masks, 100, 1, 0, out)
    assert np.mean(abs(out - images) ** 2) < 0.3 * np.mean(abs(masks[:, None] * Y - images) ** 2)


def test_silence_stays_silence():
    out = np.ones((2, 2, 1, 9), np.complex64)
    spatial_filter(np.zeros((2, 1, 9), np.complex64), np.full((2, 1, 9), 0.5, np.float32), 3, 1, 0, out)
    assert not out.any()
