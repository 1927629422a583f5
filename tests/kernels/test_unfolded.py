"""Kernels that denoising runs on, against their literal twins."""

import numpy as np
import pytest
import reference_runtime as reference

from nmfaudio.kernels.elementary import exp2, log2
from nmfaudio.kernels.nmf.extrapolation import extrapolate
from nmfaudio.kernels.unfolded.bfloat16 import halved
from nmfaudio.kernels.unfolded.block import masks_block, ratio_block, relaxed_update
from nmfaudio.kernels.unfolded.clean_odds import raise_odds
from nmfaudio.kernels.unfolded.context import (
    means_of_past,
    means_over,
    means_over_bins,
    minima_of_past,
    minima_over,
    running_sums,
)
from nmfaudio.kernels.unfolded.frame import masks_frame, products, update_frame
from nmfaudio.kernels.unfolded.limits import EPS, LEAST, MOST
from nmfaudio.unfolded.weights import Layers, Sources

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SPANS = np.array([(-3, -1), (0, 0), (-2, 4), (1, 6), (-1, -1)])


def single(function, values):
    return np.array([function(np.float32(x)) for x in values])


def test_logarithm_is_that_of_numpy():
    x = np.exp(np.random.default_rng(0).uniform(-87, 88, 500)).astype(np.float32)
    x = np.concatenate([x, np.linspace(0.9, 1.1, 101, dtype=np.float32), [np.finfo(np.float32).tiny, 1e38, 1, 2]])
    got, want = single(log2, x), np.log2(x.astype(float))
    np.testing.assert_array_less(abs(got - want), 3e-7 * np.maximum(abs(want), 1e-3) + 1e-12)
    assert np.isnan(log2(np.float32(np.nan)))


def test_exponential_is_that_of_numpy():
    x = np.random.default_rng(0).uniform(-126, 127, 500).astype(np.float32)
    got, want = single(exp2, x), 2 ** x.astype(float)
    np.testing.assert_allclose(got, want, rtol=3e-7)
    assert [exp2(np.float32(x)) for x in (0, 1, -1)] == [1, 2, 0.5]
    assert exp2(np.float32(1e9)) > 1e38 and 0 < exp2(np.float32(-1e9)) < 2e-38  # finite, and not denormal
    assert np.isnan(exp2(np.float32(np.nan)))


@DTYPES
@pytest.mark.parametrize("level", [1e-20, 1, 1e15])
def test_means_over_spans_are_those_of_the_frames(level, dtype):
    X = (level * np.random.default_rng(0).random((3, 17))).astype(dtype)
    X[1, 4:9] = 0
    sums, out = np.empty((3, 3 + 1 + 17 + 6)), np.empty((len(SPANS), 3, 17), dtype)
    running_sums(X, 3, sums)
    means_over(sums, 3, SPANS, out)
    want = reference.means_over(X.astype(float), SPANS, 17)
    np.testing.assert_allclose(out, want, rtol=1e-6, atol=1e-7 * level)
    assert (out >= 0).all()
    part = np.empty((len(SPANS), 3, 5), dtype)
    means_over(sums, 3 + 4, SPANS, part)
    np.testing.assert_array_equal(part, out[:, :, 4:9])


@DTYPES
@pytest.mark.parametrize("level", [0, 1e-20, 1, 1e15])
@pytest.mark.parametrize("reach", [1, 4, 30])
def test_means_over_bins_are_those_of_the_bins_there_are(reach, level, dtype):
    X = (level * np.random.default_rng(0).random((19, 6))).astype(dtype)
    X[3, 2] = np.nan
    out = np.empty_like(X)
    means_over_bins(X, reach, out)
    others = [0, 1, 3, 4, 5]
    want = reference.means_over_bins(X.astype(float), reach)
    np.testing.assert_allclose(out[:, others], want[:, others], rtol=1e-6 if dtype == np.float32 else 1e-12)
    assert np.isnan(out[3, 2])  # and no other frame


@DTYPES
def test_minima_over_windows_are_those_of_the_frames(dtype):
    X = np.random.default_rng(0).random((3, 30)).astype(dtype)
    widths = np.array([1, 2, 5, 8, 13])
    out = np.empty((5, 3, 30), dtype)
    minima_over(X, widths, out)
    want = reference.minima_over(X, widths)
    known = ~np.isnan(want)
    np.testing.assert_array_equal(out[known], want[known].astype(dtype))


def test_spans_of_the_past_are_those_of_whole_recordings():
    X = np.random.default_rng(0).random((3, 12)).astype(np.float32)
    spans = np.array([(-5, -2), (0, 0), (-7, 0)])
    mean, least = np.empty((3, 3), np.float32), np.empty((3, 3), np.float32)
    rows = np.ascontiguousarray(X.T)
    means_of_past(rows, 10, spans, mean)
    minima_of_past(rows, 10, spans, least)
    np.testing.assert_allclose(mean, reference.means_over(X, spans, 12)[:, :, 10], rtol=1e-6)
    np.testing.assert_array_equal(least, [X[:, 10 + a : 11 + b].min(axis=1) for a, b in spans])


def problem(n_frames, n_tracked=3, n_atoms=6, height=5, n_bands=3, n_parts=2, n_full=1, seed=0):
    """Arrays of an update, and the number of rows of the spectrogram; the stack has `n_full` parts in full."""
    rng = np.random.default_rng(seed)
    D = n_full * height + n_parts * n_bands
    shapes = {
        "W": (D, n_atoms), "h": (n_atoms, n_frames), "v": (D, n_frames), "a": (n_tracked, n_frames),
        "tracked": (n_tracked, height + n_bands, n_frames), "gains": (n_tracked, D), "weights": (D,),
        "penalty": (n_atoms,), "relaxation": (n_atoms,), "tracked_penalty": (n_tracked,),
    }  # fmt: skip
    p = {name: (rng.random(shape) + 0.1).astype(np.float32) for name, shape in shapes.items()}
    p["h"][1] = 0
    p["v"][:, 0] = 0  # silence
    p["v"][:, -1] *= np.float32(1e20)
    weighted = p["weights"] * p["gains"]
    p["n_full"] = n_full * height
    full = weighted[:, : p["n_full"]].reshape(n_tracked, n_full, height).sum(axis=1)
    bands = weighted[:, p["n_full"] :].reshape(n_tracked, n_parts, n_bands).sum(axis=1)
    p["folded"] = np.concatenate([full, bands], axis=1)
    p["denominator"] = p["weights"] @ p["W"] + p["penalty"]
    return p, height


def wanted(p, height, eps, t, against=None):
    names = ("W", "h", "v", "tracked", "gains", "a", "weights", "penalty", "relaxation", "tracked_penalty")
    q = {name: p[name].astype(float) for name in names}
    return reference.update(
        q["W"], q["h"][:, t], q["v"][:, t], q["tracked"][:, :, t], q["gains"], q["a"][:, t], q["weights"], height,
        p["n_full"], eps, q["penalty"], q["relaxation"], q["tracked_penalty"], float(LEAST), float(MOST), against,
    )  # fmt: skip


def layers_of(p, against=None):
    """One layer as the loops take it."""
    alone = {name: p[name][None] for name in ("weights", "gains", "folded", "relaxation", "tracked_penalty")}
    return Layers(
        order=np.zeros(1, np.int64),
        n_full=p["n_full"],
        atoms=halved(p["W"])[None],
        denominator=(p["weights"] @ p["W"] + p["penalty"])[None],
        against=np.empty((0, *p["W"].shape), np.float32) if against is None else halved(against)[None],
        against_of=np.array([-1 if against is None else 0]),
        **alone,
    )


@pytest.mark.parametrize("n_full", [1, 3])
@pytest.mark.parametrize("n_tracked", [1, 2, 3, 4])
def test_an_update_of_a_block_is_that_of_the_formulas(n_tracked, n_full):
    p, height = problem(4, n_tracked, n_full=n_full)
    H, a, R, num, den = p["h"].copy(), p["a"].copy(), p["W"] @ p["h"], *(np.empty_like(p["a"]) for _ in range(2))
    ratio_block(p["v"], R, p["tracked"], layers_of(p), 0, a, height, num, den)
    relaxed_update(H, p["W"].T @ R, p["denominator"], p["relaxation"])
    a *= num / (den + p["tracked_penalty"][:, None])
    for t in range(4):
        want_h, want_a = wanted(p, height, float(EPS), t)
        np.testing.assert_allclose(H[:, t], want_h, rtol=2e-5)
        np.testing.assert_allclose(a[:, t], want_a, rtol=2e-5)


def exact_in_halves(X):
    return (X.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


@pytest.mark.parametrize("n_tracked, n_parts, opposed", [(1, 2, False), (3, 10, False), (4, 10, True)])
@pytest.mark.parametrize("in_halves", [False, True])
def test_an_update_of_a_frame_is_that_of_the_formulas(in_halves, n_tracked, n_parts, opposed):
    p, height = problem(4, n_tracked, n_parts=n_parts, n_full=n_tracked)
    against = np.random.default_rng(1).random(p["W"].shape, np.float32) if opposed else None
    if in_halves:
        p["W"] = exact_in_halves(p["W"])
        against = exact_in_halves(against) if opposed else None
    layers = layers_of(p, against)
    assert layers.atoms.dtype == (np.uint16 if in_halves else np.float32)
    for t in range(4):
        want_h, want_a = wanted(p, height, float(EPS), t, against)
        for modelled in (False, True):  # before the call
            h, a = p["h"][:, t].copy(), p["a"][:, t].copy()
            model = p["W"] @ h if modelled else np.zeros(len(p["W"]), np.float32)
            v, tracked = p["v"][:, t].copy(), p["tracked"][:, :, t].copy()
            update_frame(layers, 0, not modelled, v, tracked, height, model, h, a)
            np.testing.assert_allclose(h, want_h, rtol=2e-5)
            np.testing.assert_allclose(a, want_a, rtol=2e-5)


@pytest.mark.parametrize("n_rows", [1, 16, 37])
def test_products_of_halves_are_those_of_what_they_stand_for(n_rows):
    rng = np.random.default_rng(0)
    X, h = rng.standard_normal((n_rows, 5)).astype(np.float32), rng.random(5).astype(np.float32)
    X[0] = np.float32([0, 1e-38, -1e-20, 1e30, 1e-45])
    for Y in (X, exact_in_halves(X)):
        out = np.empty(n_rows, np.float32)
        products(halved(Y), h, out)
        np.testing.assert_allclose(out, Y.astype(float) @ h, rtol=1e-5, atol=1e-6)


def test_a_matrix_is_halved_only_where_nothing_is_lost():
    X = np.float32([[1, 0.5], [-3, 0]])
    assert halved(X).nbytes == X.nbytes // 2
    X[1, 1] = 1 + 2**-10
    assert halved(X) is X


@pytest.mark.parametrize("level", [0, 1e-30, 1, 1e15])
def test_odds_of_a_frame_rise_with_the_ratio_of_the_time_before(level):
    rng = np.random.default_rng(0)
    past = np.zeros((2, 4), np.float32)
    powers, masks = (rng.random((6, 3)) * level).astype(np.float32), rng.random((6, 3)).astype(np.float32)
    masks[1:5] = np.float32([[0.999], [1], [1], [1]])
    powers[5] *= np.float32(1e-6)  # the frames before are cleaner than the largest ratio that counts
    for t in range(6):
        mask = masks[t].copy()
        raise_odds(mask, powers[t], past, t % 4, np.float32(50), np.float32(1e4))
        near = slice(max(0, t - 3), t + 1)
        want = reference.raised_odds(masks[near].astype(float), powers[near].astype(float), 50, 1e4)
        np.testing.assert_allclose(mask, want, rtol=1e-5)


def test_a_nan_in_a_frame_stays_in_it():
    p, height = problem(3)
    p["v"][2, 1] = np.nan
    R, num, den = p["W"] @ p["h"], *(np.empty_like(p["a"]) for _ in range(2))
    ratio_block(p["v"], R, p["tracked"], layers_of(p), 0, p["a"], height, num, den)
    P = p["W"].T @ R
    H = np.ones_like(p["h"])
    relaxed_update(H, P, p["denominator"], p["relaxation"])
    assert np.isnan(H[:, 1]).all() and np.isfinite(H[:, [0, 2]]).all()


@pytest.mark.parametrize("n_sources", [2, 4])
def test_masks_are_shares_of_the_powers_of_the_sources(n_sources):
    rng = np.random.default_rng(0)
    shapes = (n_sources, 5, 4), (2, 8, 4), (2, 4), (n_sources, 2, 5)
    parts, tracked, a, gains = (rng.random(shape).astype(np.float32) for shape in shapes)
    power = (2 * rng.random(5)).astype(np.float32)
    parts[0, 0, 0], parts[1, 1, 1] = np.float32(1e-25), np.float32(1e20)
    want = reference.masks(*(x.astype(float) for x in (parts, tracked, a, gains, power)))
    sources = Sources(np.empty((n_sources * 5, 0), np.float32), gains, power)
    for t in range(4):
        of_one = parts[:, :, t].copy()
        masks_frame(of_one, tracked[:, :, t].copy(), a[:, t].copy(), sources)
        np.testing.assert_allclose(of_one, want[:, :, t], rtol=2e-5)
    masks_block(parts, tracked, a, sources)
    np.testing.assert_allclose(parts, want, rtol=2e-5)


def test_bins_in_which_nothing_is_are_shared_equally():
    parts, tracked, a = np.zeros((2, 3, 2), np.float32), np.zeros((1, 4, 2), np.float32), np.ones((1, 2), np.float32)
    sources = Sources(np.empty((6, 0), np.float32), np.ones((2, 1, 3), np.float32), np.full(3, 2, np.float32))
    of_one = parts[:, :, 0].copy()
    masks_frame(of_one, tracked[:, :, 0].copy(), a[:, 0].copy(), sources)
    masks_block(parts, tracked, a, sources)
    np.testing.assert_allclose(parts, 0.5)
    np.testing.assert_allclose(of_one, 0.5)


@DTYPES
@pytest.mark.parametrize("strength", [0, 0.5, 1])
def test_extrapolation_goes_on_as_before_and_stays_positive(strength, dtype):
    X = np.array([[1, 1.1, 0, 0, 5, 1e-15, 1e15]], dtype)
    Y = np.array([[1, 1, 0, 1, 0, 1e-3, 1e-3]], dtype)
    want = [reference.extrapolate(float(x), float(y), strength) for x, y in zip(X[0], Y[0], strict=True)]
    np.testing.assert_allclose(1.1 * 1.1**strength, want[1], rtol=1e-4)
    now = X.copy()
    extrapolate(X, Y, strength)
    np.testing.assert_allclose(X[0], want, rtol=1e-5)
    np.testing.assert_array_equal(Y, now)
    assert X.dtype == dtype and (X >= 0).all()
