from dataclasses import asdict

import numpy as np
import pytest
import reference_unfolded as reference
from unfolded_helpers import (
    CAUSAL,
    LOOKING_AHEAD,
    N_BINS,
    N_HIGH,
    as_double,
    random_dictionary,
    random_frames,
    random_weights,
)

from nmfaudio.denoising.unfolded.context import Context
from nmfaudio.denoising.unfolded.decomposition import UnfoldedDecomposition, stages_of
from nmfaudio.denoising.unfolded.pitch import PeriodicStream, periodic_parts
from nmfaudio.denoising.unfolded.stream import ContextStream, DecompositionStream, StageStream
from nmfaudio.dictionary import Dictionary
from nmfaudio.errors import NmfaudioError
from nmfaudio.kernels.unfolded.limits import EPS
from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.spectra.stft import STFT
from nmfaudio.unfolded.context import band_matrix
from nmfaudio.unfolded.stage import Stage, geometric_mean
from nmfaudio.unfolded.updates import Rows, activations, contributions, masks_of
from nmfaudio.unfolded.weights import Weights

ORDER = [0, 0, 1]


@pytest.mark.parametrize("n_sources", [2, 4])
@pytest.mark.parametrize("context", [*LOOKING_AHEAD, *CAUSAL])
def test_updates_and_masks_are_those_of_the_formulas(context, n_sources):
    weights, (stack, tracked) = random_weights(context, n_sources=n_sources), random_frames(context)
    rows = Rows.of(context, np.arange(len(stack)) % (context.n_high + 1))
    present = rows.present[rows.group]
    stack *= present
    h, a, traces = activations(weights, ORDER, stack, tracked, rows)
    masks = masks_of(contributions(weights, h, a, tracked), weights.power)
    want = reference.masks(as_double(weights), ORDER, stack, tracked, context.n_full, float(EPS), present)
    assert masks.dtype == np.float32 and len(traces) == len(ORDER)
    np.testing.assert_allclose(masks, want, rtol=2e-4)


def test_an_update_lowers_the_weighted_divergence_it_descends_from():
    """With no penalty and no relaxation the update is Lee and Seung's, whose objective never rises."""
    context = LOOKING_AHEAD[0]
    weights, (V, tracked) = as_double(random_weights(context)), random_frames(context, dtype=np.float64)
    layer = weights.layers[0]
    layer.penalty[:] = layer.tracked_penalty[:] = 0
    layer.relaxation[:] = 1
    losses = []
    h, a = np.tile(weights.start, (len(V), 1)), np.tile(weights.tracked_start, (len(V), 1))
    for _ in range(15):
        A = layer.gains * reference.rows_of(tracked, V.shape[1], N_BINS, N_BINS)
        L = h @ layer.atoms.T + np.einsum("nj,njd->nd", a, A) + float(EPS)
        losses.append(np.sum(layer.weights * (V * np.log(V / L) - V + L)))
        h, a = reference.update(weights, 0, V, tracked, N_BINS, h, a, float(EPS))
    assert np.all(np.diff(losses) <= 1e-9 * losses[0])


@pytest.mark.parametrize("context", [*LOOKING_AHEAD, *CAUSAL])
def test_stack_holds_the_neighbourhood_that_the_context_names(context):
    rng = np.random.default_rng(0)
    V = (rng.random((context.height, 30)) + 0.01).astype(np.float32)
    mask = rng.random(V.shape).astype(np.float32) if context.needs_mask else None
    got, want = context.stack_rows(V, mask), reference.stack(context, V, mask)
    for x, y in zip(got, want, strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-4, atol=1e-7 if context.periodic else 0)  # shares of nothing


@pytest.mark.parametrize("context", [*LOOKING_AHEAD, *CAUSAL])
def test_the_layout_covers_stack_and_tracked_atoms_without_gaps(context):
    height = {"rows": context.height, "bands": context.n_averages, "atoms": 1}
    ends = {True: 0, False: 0}
    for part in context.layout:
        assert part.rows.start == ends[part.kind == "atoms"]
        assert part.rows.stop - part.rows.start == len(part.spans) * height[part.kind]
        ends[part.kind == "atoms"] = part.rows.stop
    stack, tracked = context.stack_rows(*np.ones((2, context.height, 3), np.float32))
    assert (stack.shape[1], tracked.shape[1]) == (ends[False], ends[True])


@pytest.mark.parametrize("context", [*LOOKING_AHEAD, *CAUSAL])
def test_stack_of_a_frame_depends_on_its_neighbourhood_alone(context):
    rng = np.random.default_rng(0)
    V = rng.random((context.height, 40)).astype(np.float32)
    mask = rng.random(V.shape).astype(np.float32) if context.needs_mask else None
    t = 20
    near = slice(t - context.past, t + context.future + 1)
    whole = context.stack_rows(V, mask)
    piece = context.stack_rows(V[:, near], None if mask is None else mask[:, near])
    for x, y in zip(whole, piece, strict=True):
        np.testing.assert_allclose(x[t], y[context.past], rtol=1e-5)


@pytest.mark.parametrize("span", [(-1, 1), (-1, 0), (-3, -1)])
@pytest.mark.parametrize("with_mask", [False, True])
def test_periodic_parts_are_those_of_the_formulas(with_mask, span):
    rng = np.random.default_rng(0)
    V = rng.random((257, 5)).astype(np.float32)
    mask = rng.random(V.shape).astype(np.float32) if with_mask else None
    parts = periodic_parts(V, 8000.0, mask, span)
    for x, y in zip(parts, reference.periodic_parts(V, 8000.0, mask, span), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)
    silent = periodic_parts(np.zeros((257, 3), np.float32), 8000.0)
    assert not silent[0].any() and not silent[1].any()


@pytest.mark.parametrize("f0", [110, 180, 300])
def test_a_voice_is_periodic_and_noise_is_not(f0):
    rng = np.random.default_rng(0)
    t = np.arange(16000) / 16000
    voice = sum(np.sin(2 * np.pi * f0 * k * t + k) / k for k in range(1, int(4000 / f0)))
    noise = rng.standard_normal(len(t))
    shares = []
    for y in (voice, noise, voice + 0.3 * noise):
        V = np.abs(STFT(512, 256)(y.astype(np.float32))) ** np.float32(0.6)
        periodic, harmonic = periodic_parts(V, 8000.0)
        shares.append((periodic[4:120].sum() / V[4:120].sum(), harmonic[4:120].sum() / V[4:120].sum()))
    assert shares[0][0] > 0.5 and shares[2][0] > 0.4 and shares[1][0] < 0.2
    assert shares[0][1] > 0.6 * shares[0][0]  # most of it on the partials


def test_bands_are_averages_and_none_is_empty():
    B = band_matrix(40, 257, 8000.0)
    np.testing.assert_allclose(B.sum(axis=1), 1, rtol=1e-5)
    assert (B >= 0).all()
    assert (np.diff(B @ np.arange(257)) > 0).all()


def test_the_mask_does_not_depend_on_how_many_frames_are_done_at_once(monkeypatch):
    decomposition = UnfoldedDecomposition(random_dictionary(LOOKING_AHEAD))
    V = np.random.default_rng(0).random((N_BINS + N_HIGH, 50)).astype(np.float32)
    whole = decomposition(V)
    monkeypatch.setattr("nmfaudio.unfolded.stage.Stage.block_frames", 7)
    np.testing.assert_allclose(decomposition(V), whole, rtol=1e-4)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_the_mask_does_not_depend_on_the_number_of_cores(n_threads, monkeypatch):
    decomposition = UnfoldedDecomposition(random_dictionary(LOOKING_AHEAD))
    V = np.random.default_rng(0).random((N_BINS + N_HIGH, 50)).astype(np.float32)
    whole = decomposition(V)
    monkeypatch.setattr("nmfaudio.unfolded.stage.Stage.block_frames", 16)
    monkeypatch.setattr("nmfaudio.denoising.unfolded.decomposition.n_cores", lambda: n_threads)
    np.testing.assert_allclose(decomposition(V), whole, rtol=1e-4)


def test_mask_of_some_frames_is_that_of_the_whole():
    for contexts in (LOOKING_AHEAD, CAUSAL):
        decomposition = UnfoldedDecomposition(random_dictionary(contexts))
        V = np.random.default_rng(0).random((N_BINS + N_HIGH, 60)).astype(np.float32)
        for frames in (slice(0, 7), slice(25, 31), slice(55, 60)):
            near = slice(max(0, frames.start - decomposition.past_frames), frames.stop + decomposition.future_frames)
            own = slice(frames.start - near.start, frames.stop - near.start)
            np.testing.assert_allclose(decomposition(V)[:, frames], decomposition(V[:, near], own), rtol=1e-4)


@pytest.mark.parametrize("n_sources", [2, 3])
def test_running_a_stage_gives_the_numbers_that_training_sees(n_sources):
    order = [0, 0, 2, 1]
    for context in (*LOOKING_AHEAD, *CAUSAL):
        weights = random_weights(context, n_layers=3, n_sources=n_sources)
        V = np.random.default_rng(0).random((context.height, 20), np.float32)
        mask = V / 2 if context.needs_mask else None
        stack, tracked = context.stack_rows(V, mask)
        h, a, _ = activations(weights, order, stack, tracked, Rows.of(context, np.full(20, context.n_high)))
        masks = masks_of(contributions(weights, h, a, tracked), weights.power)
        np.testing.assert_allclose(Stage(weights, order, context)(V, mask), masks.transpose(0, 2, 1), rtol=5e-5)


@pytest.mark.parametrize("n_high", [0, 2, 5])
@pytest.mark.parametrize("contexts", [LOOKING_AHEAD, CAUSAL])
def test_bands_that_a_recording_lacks_are_missing_and_not_zero(contexts, n_high):
    """Cut rows give what rows of weight zero give, in one piece, in training and in a stream."""
    context, V = contexts[2], np.random.default_rng(0).random((N_BINS + n_high, 20), np.float32)
    weights, mask = random_weights(context), V / 2
    cut = Stage(weights, ORDER, context).below(len(V))
    got = cut(V, mask)
    rows, _ = context.kept(context.below(len(V)))
    layers = []
    for layer in weights.layers:
        c = np.zeros_like(layer.weights)
        c[rows] = layer.weights[rows]
        layers.append(layer._replace(weights=c))
    stack, tracked = context.stack_rows(V, mask)
    assert stack[:, np.setdiff1d(np.arange(context.n_rows), rows)].max(initial=0) == 0
    np.testing.assert_allclose(stack[:, rows].mean(axis=1), 1, rtol=1e-5)  # of the rows that there are
    unweighted = weights._replace(layers=tuple(layers))
    want = reference.masks(as_double(unweighted), ORDER, stack, tracked, context.n_full, float(EPS))
    np.testing.assert_allclose(got, want.transpose(0, 2, 1)[:, : len(V)], rtol=2e-4)
    h, a, _ = activations(weights, ORDER, stack, tracked, Rows.of(context, np.full(20, n_high)))
    in_training = masks_of(contributions(weights, h, a, tracked), weights.power)
    np.testing.assert_allclose(got, in_training.transpose(0, 2, 1)[:, : len(V)], rtol=2e-4)
    if not context.future:
        stream = StageStream(cut)
        pushed = [stream.push(v, m) for v, m in zip(V.T, mask.T, strict=True)]
        np.testing.assert_allclose(np.stack(pushed, axis=2), got, rtol=2e-4)


@pytest.mark.parametrize("contexts", [LOOKING_AHEAD, CAUSAL])
def test_a_stage_for_a_full_band_is_left_out_where_there_is_none(contexts):
    V = np.random.default_rng(0).random((N_BINS, 20), np.float32)
    whole, narrow = (UnfoldedDecomposition(random_dictionary(c)) for c in (contexts, contexts[:2]))
    np.testing.assert_array_equal(whole(V), narrow(V))
    wide = np.random.default_rng(0).random((N_BINS + 2, 20), np.float32)
    assert whole(wide).shape == (N_BINS + 2, 20) and np.abs(whole(wide)[:N_BINS] - narrow(wide)).max() > 1e-3


def test_mask_of_a_stage_of_two_passes_is_the_geometric_mean_of_its_mask_and_that_made_of_it():
    dictionary = random_dictionary(LOOKING_AHEAD[:2], passes=(1, 2))
    first, second = stages_of(dictionary)
    V = np.random.default_rng(0).random((N_BINS, 40), np.float32)
    once = second(V, first(V)[0])[0]
    twice = second(V, once)[0]
    assert np.abs(once - twice).max() > 1e-3
    np.testing.assert_allclose(UnfoldedDecomposition(dictionary)(V), np.sqrt(once * twice), rtol=1e-4)


def test_mask_of_a_joined_stage_is_the_geometric_mean_of_all_their_masks():
    first, second, third = LOOKING_AHEAD
    dictionary = random_dictionary([first, second, second, third], passes=(1, 2, 1, 1), joined={2})
    V = np.random.default_rng(0).random((N_BINS + N_HIGH, 60), np.float32)
    stages = stages_of(dictionary)
    once = stages[1](V, stages[0](V)[0])[0]
    twice = stages[1](V, once)[0]
    other = stages[2](V, np.sqrt(once * twice))[0]
    mean = np.cbrt(once * twice * other)
    np.testing.assert_allclose(UnfoldedDecomposition(dictionary)(V[:N_BINS]), mean, rtol=1e-4)
    np.testing.assert_allclose(UnfoldedDecomposition(dictionary)(V), stages[3](V, mean)[0], rtol=1e-4)
    part = UnfoldedDecomposition(dictionary)(V, slice(20, 31))
    np.testing.assert_allclose(part, stages[3](V, mean)[0, :, 20:31], rtol=1e-4)


@pytest.mark.parametrize(("contexts", "joined"), [(CAUSAL, {0}), (CAUSAL, {2})])
def test_a_stage_is_joined_to_one_of_as_many_bands(contexts, joined):
    with pytest.raises(NmfaudioError, match=f"joined True of stage {min(joined)}"):
        stages_of(random_dictionary(contexts, joined=joined))


def test_one_pass_alone_does_not_close_a_bin():
    masks = np.float32([[0, 0.25]]), np.float32([[1, 1]])
    np.testing.assert_allclose(geometric_mean(masks), [[1e-4, 0.5]], rtol=1e-5)


def test_silent_frames_give_a_finite_mask():
    V = np.zeros((N_BINS + N_HIGH, 20), np.float32)
    V[:, 10] = 1
    assert np.isfinite(UnfoldedDecomposition(random_dictionary(LOOKING_AHEAD))(V)).all()
    context = LOOKING_AHEAD[0]  # without penalties, nothing else keeps the denominators from zero
    weights = Weights.from_arrays(
        {name: 0 * x if "penalty" in name else x for name, x in random_weights(context).arrays().items()}
    )
    stack, tracked = context.stack_rows(0 * V[:N_BINS])
    h, a, _ = activations(weights, ORDER, stack, tracked, Rows.of(context, np.zeros(20)))
    assert np.isfinite(h).all() and np.isfinite(a).all()
    assert np.isfinite(Stage(weights, ORDER, context)(0 * V[:N_BINS])).all()


@pytest.mark.parametrize("passes", [(2, 1), (1, 0), (1, 11), (1, 1.0), (1, True)])
def test_passes_that_no_stage_can_have_are_refused(passes):
    with pytest.raises(NmfaudioError, match=f"{passes[1] if passes[0] == 1 else 2} passes of stage"):
        stages_of(random_dictionary(CAUSAL[:2], passes=passes))


@pytest.mark.parametrize("contexts", [CAUSAL[1:2], CAUSAL[:1] * 2, LOOKING_AHEAD[1:2], LOOKING_AHEAD[:1] * 2])
def test_the_first_stage_and_no_other_goes_without_a_mask(contexts):
    with pytest.raises(NmfaudioError, match="stage . takes (a|no) mask"):
        stages_of(random_dictionary(contexts, passes=(1, 1)))


@pytest.mark.parametrize("joined", [(), (1,), (1, 2)])
def test_stream_of_frames_gives_the_numbers_of_the_whole(joined):
    first, second, third = CAUSAL
    dictionary = random_dictionary([first, second, second, third], passes=(1, 2, 1, 2), joined=joined)
    decomposition = UnfoldedDecomposition(dictionary)
    V = np.random.default_rng(0).random((N_BINS + N_HIGH, 40)).astype(np.float32)
    mask = decomposition(V)
    stream = DecompositionStream(decomposition.stages)
    for _ in range(2):  # the second time after a reset
        np.testing.assert_allclose(np.stack([stream.push(v) for v in V.T], axis=1), mask, rtol=2e-4)
        stream.reset()


@pytest.mark.parametrize("level", [1e-15, 1, 1e15])
@pytest.mark.parametrize("stage", [0, 1, 2])
def test_context_of_one_frame_is_that_of_the_whole(stage, level):
    context, rng = CAUSAL[stage], np.random.default_rng(0)
    V = np.float32(level) * rng.random((context.height, 30)).astype(np.float32)
    V[:, :3] = V[2, 5:8] = 0
    mask = rng.integers(0, 3, V.shape).astype(np.float32) / 2 if stage else None
    whole = context.stack_rows(V, mask)
    stream = ContextStream(context)
    for t in range(30):
        frame = stream.push(V[:, t]) if mask is None else stream.push(V[:, t], mask[:, t])
        for x, y in zip(frame, whole, strict=True):
            np.testing.assert_allclose(x, y[t], rtol=1e-4, atol=1e-5)
    V[3, 29] = np.nan
    assert np.isnan(stream.push(*(X[:, 29] for X in (V, mask) if X is not None))[0]).any()


@pytest.mark.parametrize("span", [(-1, 0), (-3, -2)])
def test_the_pitch_of_one_frame_is_that_of_the_whole(span):
    rng = np.random.default_rng(0)
    V, mask = rng.random((2, 257, 12)).astype(np.float32)
    whole = periodic_parts(V, 8000.0, mask, span)
    stream = PeriodicStream(8000.0, span)
    for _ in range(2):  # the second time after a reset
        frames = [stream.push(V[:, t], mask[:, t]) for t in range(12)]
        for x, y in zip(zip(*frames, strict=True), whole, strict=True):
            np.testing.assert_allclose(np.stack(x, axis=1), y, rtol=1e-4, atol=1e-6)
        stream.reset()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"smooth": 0}, "smoothed over 0 frames"),
        ({"periodic": ((-1, 0), (-2, 0))}, "2 spans for one pitch"),
        ({"periodic": ((-1, 0),), "n_high": N_HIGH}, "above the bins"),
    ],
)
def test_contexts_that_mean_nothing_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        Context(N_BINS, 4, 250.0, **options)


@pytest.mark.parametrize("earlier, now", [(True, ((-1, 1),)), (False, ())])
def test_contexts_of_earlier_versions_say_whether_there_is_a_pitch(earlier, now):
    assert Context.from_json({**asdict(LOOKING_AHEAD[0]), "periodic": earlier}).periodic == now


def test_stream_refuses_a_dictionary_that_looks_ahead():
    with pytest.raises(NmfaudioError, match="looks .* frames ahead"):
        DecompositionStream(UnfoldedDecomposition(random_dictionary(LOOKING_AHEAD)).stages)


def test_dictionary_file_keeps_stages_and_contexts(tmp_path):
    dictionary = random_dictionary(CAUSAL)
    dictionary.save(tmp_path / "d.npz")
    V = np.random.default_rng(0).random((N_BINS + N_HIGH, 12)).astype(np.float32)
    loaded = UnfoldedDecomposition(Dictionary.load(tmp_path / "d.npz"))
    np.testing.assert_array_equal(UnfoldedDecomposition(dictionary)(V), loaded(V))
    assert isinstance(loaded.stages[0], Stage) and loaded.stages[1].context == CAUSAL[1]
    assert isinstance(loaded.stages[0].context, Context)
    assert isinstance(Dictionary.load(tmp_path / "d.npz").front_end, FrontEnd)
