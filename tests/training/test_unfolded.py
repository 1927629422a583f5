from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import reference_unfolded as reference
import soundfile as sf
from unfolded_helpers import LOOKING_AHEAD, N_BINS, as_double, random_dictionary, random_frames, random_weights

from nmfaudio import NmfaudioError
from nmfaudio.denoising.unfolded.context import Context
from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.spectra.stft import STFT
from nmfaudio.training.checkpoint import Checkpoint
from nmfaudio.training.data.corpus import Corpus
from nmfaudio.training.data.frame_pool import Example, Pool
from nmfaudio.training.data.mixing import Mixer, mixer_of
from nmfaudio.training.unfolded import build, presets, start
from nmfaudio.training.unfolded.adam import Adam
from nmfaudio.training.unfolded.gradient import loss_and_gradient
from nmfaudio.training.unfolded.loss import Objective
from nmfaudio.training.unfolded.stage import Schedule, descend, mean_loss, train_stage
from nmfaudio.training.unfolded.start import initial_weights
from nmfaudio.unfolded.stage import Stage
from nmfaudio.unfolded.updates import Rows
from nmfaudio.unfolded.weights import Weights

CONTEXT = Context(N_BINS, 4, 250.0, means=((-1, -1), (1, 3)), minima=((-5, 0),), floors=((-5, 5),))


@pytest.mark.parametrize("n_sources, n_targets", [(2, 1), (4, 4)])
@pytest.mark.parametrize("context", LOOKING_AHEAD)
def test_gradient_is_the_slope_of_the_loss(context, n_sources, n_targets):
    rng = np.random.default_rng(1)
    spectra = rng.random((2, 9, n_targets, context.height))
    n_high = np.arange(9) % (context.n_high + 1)
    arrays = as_double(random_weights(context, n_sources=n_sources)).arrays()
    rows = Rows.of(context, n_high)
    stack, tracked = random_frames(context, dtype=np.float64)
    batch, objective = Example(stack * rows.present[rows.group], tracked, *spectra, n_high), Objective()
    _, gradient = loss_and_gradient(Weights.from_arrays(arrays), [0, 0, 1], batch, context, objective)
    for name, array in arrays.items():
        direction = rng.standard_normal(array.shape)
        step = 1e-6 * direction
        losses = []
        for sign in (1, -1):
            moved = Weights.from_arrays({**arrays, name: array + sign * step})
            losses.append(loss_and_gradient(moved, [0, 0, 1], batch, context, objective)[0])
        slope = (losses[0] - losses[1]) / 2e-6
        assert slope == pytest.approx(np.sum(gradient.arrays()[name] * direction), rel=1e-4, abs=1e-9), name


def test_adam_is_the_published_one_and_keeps_weights_positive():
    rng = np.random.default_rng(0)
    arrays = {"w": rng.random(5).astype(np.float32) + 0.1}
    start, optimiser = arrays["w"].astype(float), Adam(arrays)
    gradients = rng.standard_normal((4, 5))
    for gradient in gradients:
        optimiser.step(arrays, {"w": gradient.astype(np.float32)}, 0.1)
    np.testing.assert_allclose(arrays["w"], reference.adam(start, gradients, 0.1, 0.9, 0.99), rtol=1e-4)
    assert (arrays["w"] > 0).all()


def test_one_odd_batch_does_not_steer_the_steps_after_it():
    rng = np.random.default_rng(0)
    arrays = {"w": np.ones(50, np.float32)}
    optimiser, moved = Adam(arrays), []
    for factor in (*[1] * 150, 1000, *[1] * 10):
        before = arrays["w"].copy()
        optimiser.step(arrays, {"w": np.float32(factor) * rng.standard_normal(50).astype(np.float32)}, 1e-3)
        moved.append(np.abs(arrays["w"] - before).mean())
    assert max(moved[150:]) < 3 * np.mean(moved[100:150]) and min(moved[151:]) > 0.5 * np.mean(moved[100:150])


def random_example(number, n=6):
    rng = np.random.default_rng(number)
    F, B = CONTEXT.n_bins, CONTEXT.n_bands
    mixture = rng.random((n, 1, F)).astype(np.float32)
    # speech wherever the first row of the stack is high: something that can be learnt
    stack = rng.random((n, CONTEXT.n_rows)).astype(np.float32)
    tracked = rng.random((n, CONTEXT.n_tracked, F + B)).astype(np.float32)
    return Example(stack, tracked, mixture, mixture * (stack[:, :1, None] > 0.5), np.zeros(n, np.float32))


@pytest.mark.parametrize("n_new", [2, 0.5])
def test_pool_begun_later_holds_what_it_would_have_held(n_new):
    pool = Pool(random_example, n_items=5, n_new=n_new)
    for step in range(3):
        pool.batch(np.random.default_rng(step), 4)
    later = Pool(random_example, n_items=5, n_new=n_new, step=3)
    a, b = (p.batch(np.random.default_rng(9), 16) for p in (pool, later))
    np.testing.assert_array_equal(a.stack, b.stack)
    pool.close()
    later.close()


SCHEDULE = Schedule(steps=12, rate=0.05, warm_up=1, n_frames=8, pool_items=4, new_items=1, check_every=4)


def train(schedule=SCHEDULE, checkpoint=None, report=lambda entry: None):
    dev = random_example(10**6, n=40)
    weights = random_weights(CONTEXT)
    if checkpoint is not None:
        checkpoint = Checkpoint(checkpoint, {"n_components": len(weights.start)})
    options = {"schedule": schedule, "objective": Objective(), "checkpoint": checkpoint, "report": report}
    return dev, train_stage(weights, [0, 1], CONTEXT, random_example, dev, **options)


def test_training_lowers_the_loss_on_what_it_does_not_see():
    dev, (best, curve) = train()
    before = mean_loss(random_weights(CONTEXT), [0, 1], dev, CONTEXT, Objective())
    assert mean_loss(best, [0, 1], dev, CONTEXT, Objective()) == pytest.approx(
        min(entry["dev"] for entry in curve), rel=1e-5
    )
    assert curve[-1]["dev"] < before
    assert all((array >= 0).all() for array in best.arrays().values())


def test_the_best_weights_are_those_of_the_lowest_loss_on_the_way():
    seen, losses = [], iter([1.0, 0.5, 2.0])

    def dev_loss(averages):
        seen.append(averages["w"].copy())
        return next(losses)

    def gradients(step):
        while True:
            yield 1.0, {"w": np.ones(3, np.float32)}

    schedule = Schedule(steps=3, rate=0.1, warm_up=0, check_every=1, averaged=1)
    last, best, curve = descend({"w": np.ones(3, np.float32)}, gradients, dev_loss, schedule)
    np.testing.assert_array_equal(best["w"], seen[1])
    np.testing.assert_array_equal(last["w"], seen[2])
    assert [entry["dev"] for entry in curve] == [1, 0.5, 2] and (seen[2] < seen[1]).all()


def test_training_that_was_killed_goes_on_to_the_same_result(tmp_path, monkeypatch):
    monkeypatch.setattr("nmfaudio.training.unfolded.stage.time", SimpleNamespace(monotonic=count().__next__))
    _, (want, _) = train()

    def kill(entry):
        if entry["step"] == 8:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint=checkpoint, report=kill)
    assert checkpoint.exists()
    _, (got, curve) = train(checkpoint=checkpoint)
    assert [entry["step"] for entry in curve] == [4, 8, 12]
    assert [entry["seconds"] for entry in curve] == [1, 2, 3]  # of all runs together
    for name, array in want.arrays().items():
        np.testing.assert_allclose(got.arrays()[name], array, rtol=1e-5)


def test_what_single_batches_push_to_and_fro_is_averaged_away():
    still = dict(steps=12, rate=0.05, warm_up=1, decay=1e-9, n_frames=16, pool_items=3, new_items=1, check_every=12)
    ends = [train(schedule=Schedule(**still, averaged=n))[1][0] for n in (1, 3, 100)]
    start = random_weights(CONTEXT).sources[0]
    far = [np.abs(end.sources[0] - start).mean() for end in ends]
    assert far[0] > far[2] > 0  # the mean of the way is nearer to its beginning than its end is
    assert len({round(float(x), 9) for x in far}) == 3


def test_checkpoint_of_another_model_is_refused(tmp_path):
    Checkpoint(tmp_path / "state.npz", {"n_components": 6}).save({})
    with pytest.raises(NmfaudioError, match="another training .n_components 6, not 5"):
        train(checkpoint=tmp_path / "state.npz")
    (tmp_path / "state.npz").write_bytes(b"precious")
    with pytest.raises(NmfaudioError, match="state.npz: not a checkpoint"):
        train(checkpoint=tmp_path / "state.npz")


def test_rate_rises_stays_and_falls():
    rates = [Schedule(steps=1000, rate=1.0, warm_up=10, decay=0.5).rate_at(step) for step in (0, 9, 400, 750, 999)]
    assert rates[0] < rates[1] == rates[2] == 1 > rates[3] > rates[4] > 0


def test_a_schedule_may_begin_at_its_rate_and_refuses_what_ends_nowhere():
    assert Schedule(rate=0.5, warm_up=0).rate_at(0) == 0.5
    for name in ("steps", "n_frames", "pool_items", "item_frames", "check_every", "averaged"):
        with pytest.raises(NmfaudioError, match=f"{name} must be a positive integer, not 0"):
            Schedule(**{name: 0})


@pytest.mark.needs_jit
def test_a_later_stage_begins_with_the_mask_of_the_one_before(sounds, monkeypatch):
    monkeypatch.setattr("nmfaudio.training.unfolded.start.N_FRAMES", 200)
    corpora = (Corpus(sounds / kind, 16000) for kind in ("speech", "noise"))
    mixer = Mixer(*corpora, STFT.for_rate(16000), seconds=0.5)
    options = {"noise_spectra": ((-4, 0),), "periodic": ((-1, 1),), "estimates": True}
    context = Context(257, 4, 8000.0, speech_means=((-1, 0),), noise_means=((-1, 0),), **options)
    weights = initial_weights(context, mixer, FrontEnd(exponent=0.6), presets.Size((3, 2), (0, 0)), random_state=0)
    V = np.random.default_rng(0).random((257, 30), np.float32) + 0.1
    mask = np.random.default_rng(1).random(V.shape, np.float32)
    assert np.abs(Stage(weights, [0, 0], context)(V, mask)[0] - mask).mean() < 0.1
    rows = {part.name: part.rows for part in context.layout}
    gains, speech = weights.layers[0].gains, rows["speech_estimate"]
    assert (gains[speech, rows["speech_means"]] == 1).all() and (gains[speech, rows["noise_means"]] < 0.1).all()
    assert (gains[rows["noise_estimate"], rows["noise_means"]] == 1).all()
    assert (gains[rows["noise_estimate"], rows["speech_means"]] < 0.1).all()


@pytest.mark.needs_jit
def test_the_stage_for_a_full_band_is_trained_on_where_there_is_one(sounds):
    dictionary = random_dictionary(LOOKING_AHEAD)
    corpora = (Corpus(sounds / kind, 1200) for kind in ("speech", "noise"))
    mixer = mixer_of(*corpora, dictionary.front_end, 0)
    schedule = Schedule(steps=1, rate=0.01, warm_up=1, n_frames=16, pool_items=2, new_items=1, item_frames=20)
    for mixes, trained in ((mixer.low, "1"), (mixer, "12")):
        made = build.retrain_unfolded(dictionary, mixes, mixes, schedule=schedule, n_dev=2).arrays
        assert {name[0] for name, array in made.items() if (array != dictionary.arrays[name]).any()} == {*trained}


def test_silence_teaches_no_atoms(sounds, tmp_path, monkeypatch):
    monkeypatch.setattr(start, "MOST_SILENT", 5)
    sf.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    mixer = Mixer(Corpus(tmp_path, 16000), Corpus(sounds / "noise", 16000), STFT.for_rate(16000), seconds=0.5)
    context = Context(257, 4, 8000.0, means=((-1, -1),), floors=((-5, 0),))
    with pytest.raises(NmfaudioError, match="speech: nothing to train on but silence"):
        initial_weights(context, mixer, FrontEnd(exponent=0.6), presets.Size((3, 2), (0,)), random_state=0)


@pytest.mark.parametrize("kind", ["file", "causal"])
def test_what_a_full_band_cannot_be_trained_on_is_refused_with_a_remedy(sounds, kind):
    preset = presets.PRESETS[kind]
    mixer = mixer_of(*(Corpus(sounds / name / "a", 48_000) for name in ("speech", "noise")), preset.front_end, 0)
    options = {"front_end": preset.front_end, "schedules": [Schedule(steps=1)] * 4, "objective": Objective()}
    with pytest.raises(NmfaudioError, match="give recordings at 44.1 or 48 kHz too, or take a fast kind"):
        build.build_unfolded(mixer, mixer, preset, first_stages=[], **options)
    with pytest.raises(NmfaudioError, match="random_state must be an integer of at least 0, not -1"):
        build.build_unfolded(mixer, mixer, preset, first_stages=[], random_state=-1, **options)


@pytest.mark.parametrize("name", sorted(presets.PRESETS))
def test_presets_look_where_they_say(name):
    future = sum(context.future for context in presets.PRESETS[name].contexts)
    assert (future == 0) == name.startswith("causal")


def test_training_goes_on_from_a_dictionary_with_more_layers(sounds, monkeypatch):
    monkeypatch.setattr("nmfaudio.training.unfolded.start.N_FRAMES", 50)
    monkeypatch.setattr(build, "N_DEV_MIXTURES", 1)
    corpora = (Corpus(sounds / kind, 16000) for kind in ("speech", "noise"))
    mixer = Mixer(*corpora, STFT.for_rate(16000), seconds=0.5)
    context = Context(257, 4, 8000.0, means=((-1, -1),), floors=((-5, 0),))
    larger = initial_weights(context, mixer, FrontEnd(exponent=0.6), presets.Size((3, 2), (0, 1)), random_state=5)
    trained = build.build_unfolded(
        mixer,
        mixer,
        presets.Preset((context,), (presets.Size((3, 2), (0,)),)),
        front_end=FrontEnd(exponent=0.6),
        schedules=[Schedule(steps=1, rate=1e-9, n_frames=8, pool_items=1, new_items=1, item_frames=8)],
        objective=Objective(),
        first_stages=[],
        start=[Stage(larger, [0, 1], context)],
    )
    assert "0/atoms1" not in trained.arrays
    np.testing.assert_allclose(trained.arrays["0/atoms0"], larger.layers[0].atoms, rtol=1e-5)
