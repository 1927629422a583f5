"""Training of all stages at once: its gradient, what it learns, and how it goes on after a kill."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from unfolded_helpers import CAUSAL, LOOKING_AHEAD, N_BINS, N_HIGH, random_weights

from nmfaudio.denoising.unfolded.context import Context
from nmfaudio.errors import NmfaudioError
from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.spectra.stft import STFT
from nmfaudio.training.checkpoint import Checkpoint
from nmfaudio.training.data.corpus import Corpus
from nmfaudio.training.data.mixing import Mixer
from nmfaudio.training.unfolded import build, presets
from nmfaudio.training.unfolded.context_gradient import mask_gradient
from nmfaudio.training.unfolded.gradient import Inputs
from nmfaudio.training.unfolded.loss import Objective
from nmfaudio.training.unfolded.stage import Schedule
from nmfaudio.training.unfolded.together import (
    EARLIER,
    TOGETHER,
    Whole,
    _mean,
    loss_and_gradients,
    run,
    train_together,
)
from nmfaudio.unfolded.stage import Stage
from nmfaudio.unfolded.weights import Weights

N_FRAMES = 14


def stages_for(contexts, dtype=np.float64, passes=(1, 1, 1), joined=()):
    return [
        Stage(random_weights(context, seed=i).map(lambda x: x.astype(dtype)), [0, 0, 1], context, n, i in joined)
        for i, (context, n) in enumerate(zip(contexts, passes, strict=False))
    ]


def random_whole(number, height, context, dtype=np.float32):
    rng = np.random.default_rng(number)
    V = rng.random((height, N_FRAMES)) ** 2
    mixture = np.zeros((N_FRAMES, 1, context.height))
    mixture[..., :height] = V.T[:, None]
    target = mixture * (np.arange(context.height) < 4)  # speech is in the lowest rows: something to be learnt
    return Whole(*(x.astype(dtype) for x in (V, mixture, target)))


@pytest.mark.parametrize("passes", [(1, 1, 1), (1, 2, 1), (1, 2, 3)])
@pytest.mark.parametrize("contexts", [LOOKING_AHEAD, CAUSAL])
@pytest.mark.parametrize("height", [N_BINS, N_BINS + 3, N_BINS + N_HIGH])  # rates that lack all or some high bands
def test_gradient_of_all_stages_is_the_slope_of_the_loss(contexts, height, passes):
    check_gradient(stages_for(contexts, passes=passes), height)


@pytest.mark.parametrize(("joined", "n"), [({1}, 3), ({2}, 3), ({1, 2}, 3), ({2}, 4)])
def test_gradient_of_joined_stages_is_the_slope_of_the_loss(joined, n):
    first, second, third = LOOKING_AHEAD
    stages = stages_for([first, second, second, third][:n], passes=(1, 2, 1, 1), joined=joined)
    check_gradient(stages, stages[-1].context.height)


def check_gradient(stages, height):
    objective, rng = Objective(), np.random.default_rng(0)
    whole = random_whole(0, height, stages[-1].context, np.float64)

    def loss_of(stages):
        def loss(mask):
            return objective(mask[None], *(x[..., : mask.shape[1]] for x in whole[1:]))[0]

        runs = run(stages, whole.V)
        *earlier, _ = (passed.masks[0] for one in runs for passed in one.passes)
        return loss(runs[-1].mask) + EARLIER * sum(map(loss, earlier))

    _, gradients = loss_and_gradients(stages, whole, objective)
    for i, stage in enumerate(stages):
        arrays = stage.weights.arrays()
        for name, array in arrays.items():
            direction, losses = rng.standard_normal(array.shape), []
            for sign in (1, -1):
                moved = Weights.from_arrays({**arrays, name: array + sign * 1e-6 * direction})
                losses.append(loss_of([*stages[:i], stage.of(moved), *stages[i + 1 :]]))
            slope = (losses[0] - losses[1]) / 2e-6
            found = np.sum(gradients[i].arrays()[name] * direction)
            assert slope == pytest.approx(found, rel=1e-4, abs=1e-8), (i, name)


def test_the_mask_of_digital_silence_has_no_gradient():
    """It comes from rounding, and its slope would overflow; the noise spectra around it do depend on it."""
    contexts = LOOKING_AHEAD[:2]
    stages, whole = stages_for(contexts, np.float32), random_whole(0, N_BINS, contexts[-1])
    whole.V[:, 3:9] = 0
    first, second = (one.passes[0] for one in run(stages, whole.V))
    by_inputs = Inputs(*map(np.ones_like, second.inputs))
    gradient = mask_gradient(contexts[1], whole.V, first.masks[0].T, second.inputs, by_inputs)
    assert np.isfinite(gradient).all()
    assert not gradient[:, 3:9].any() and gradient[:, [2, 9]].all()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_each_frame_of_a_step_counts_the_same(n_threads):
    stages = stages_for(LOOKING_AHEAD, np.float32)
    long, short = (random_whole(number, N_BINS + N_HIGH, LOOKING_AHEAD[-1]) for number in (0, 1))
    short = Whole(short.V[:, :7], short.mixture[:7], short.target[:7])
    with ThreadPoolExecutor(n_threads) as cores:
        loss, gradient = _mean(stages, [long, short], Objective(), np.matmul, cores)
    (loss_long, of_long), (loss_short, of_short) = (loss_and_gradients(stages, x, Objective()) for x in (long, short))
    assert loss == pytest.approx((2 * loss_long + loss_short) / 3, rel=1e-5)
    want = (2 * of_long[2].sources + of_short[2].sources) / 3
    np.testing.assert_allclose(gradient["2/sources"], want, rtol=1e-4, atol=1e-9)


SCHEDULE = replace(TOGETHER, steps=24, rate=0.05, warm_up=1, new_items=2, check_every=8, averaged=4)


def train(**options):
    stages = stages_for(LOOKING_AHEAD, np.float32, (1, 2, 1))

    def whole(number):
        return random_whole(number, (N_BINS, N_BINS + N_HIGH)[number % 2], stages[-1].context)

    dev = [whole(1000), whole(1001)]
    return train_together(stages, whole, dev, schedule=SCHEDULE, objective=Objective(), **options)


def test_all_stages_learn_from_mixtures_with_and_without_high_bands():
    before = stages_for(LOOKING_AHEAD, np.float32, (1, 2, 1))
    after, _ = train()
    for height in (N_BINS, N_BINS + N_HIGH):
        whole = random_whole(1000, height, LOOKING_AHEAD[-1])
        n_stages = 2 if height == N_BINS else 3
        losses = [loss_and_gradients(stages[:n_stages], whole, Objective())[0] for stages in (before, after)]
        assert losses[1] < 0.1 * losses[0]
    for one, other in zip(before, after, strict=True):
        assert all(np.any(x != other.weights.arrays()[name]) for name, x in one.weights.arrays().items())
        assert all((x >= 0).all() for x in other.weights.arrays().values())


def test_training_of_all_stages_that_was_killed_goes_on_to_the_same_result(tmp_path):
    want, _ = train()

    def kill(entry):
        if entry["step"] == 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(checkpoint=Checkpoint(tmp_path / "state.npz", {}), report=kill)
    got, curve = train(checkpoint=Checkpoint(tmp_path / "state.npz", {}))
    assert [entry["step"] for entry in curve] == [8, 16, 24]
    for one, other in zip(want, got, strict=True):
        for name, array in one.weights.arrays().items():
            np.testing.assert_allclose(other.weights.arrays()[name], array, rtol=1e-5)


STILL = Schedule(steps=1, rate=1e-9, n_frames=8, pool_items=1, new_items=1, item_frames=8)


@pytest.fixture
def build_two(sounds, monkeypatch):
    """Train two small stages."""
    monkeypatch.setattr("nmfaudio.training.unfolded.start.N_FRAMES", 50)
    monkeypatch.setattr(build, "N_DEV_MIXTURES", 1)
    mixer = Mixer(*(Corpus(sounds / kind, 16000) for kind in ("speech", "noise")), STFT.for_rate(16000), seconds=0.5)
    contexts = (
        Context(257, 4, 8000.0, means=((-1, -1),), floors=((-5, 0),)),
        Context(257, 4, 8000.0, speech_means=((-1, 0),), noise_means=((-1, 0),), estimates=True),
    )

    def built(schedules=(STILL, STILL), joined=False, **options):
        size = presets.Size((3, 2), (0,))
        more = (contexts[1:], (replace(size, joined=True),)) if joined else ((), ())
        return build.build_unfolded(
            mixer,
            mixer,
            presets.Preset((*contexts, *more[0]), (size, size, *more[1])),
            front_end=FrontEnd(exponent=0.6),
            schedules=list(schedules),
            objective=Objective(),
            first_stages=[],
            **options,
        )

    return built


def test_stages_of_a_preset_are_trained_together_at_the_end(build_two):
    steps = []
    made = [
        build_two(together=together, report=lambda stage, entry: steps.append((stage, entry["step"])))
        for together in (None, replace(STILL, steps=2, rate=0.01))
    ]
    assert steps == [(0, 1), (1, 1)] + [(0, 1), (1, 1), (2, 2)]
    assert [len(dictionary.record["stages"]) for dictionary in made] == [2, 3]
    for name in ("0/atoms0", "1/atoms0"):
        assert not np.allclose(made[0].arrays[name], made[1].arrays[name], rtol=1e-4)


def test_a_joined_stage_learns_beside_the_one_before_and_from_other_atoms(build_two):
    still, moved = (build_two((STILL, second, STILL), joined=True) for second in (STILL, replace(STILL, rate=0.01)))
    assert [stage["joined"] for stage in still.settings["stages"]] == [False, False, True]
    assert not np.allclose(still.arrays["1/atoms0"], moved.arrays["1/atoms0"], rtol=1e-4)
    np.testing.assert_array_equal(still.arrays["2/atoms0"], moved.arrays["2/atoms0"])
    assert not np.allclose(still.arrays["2/atoms0"], still.arrays["1/atoms0"], rtol=0.01)


def test_no_training_goes_on_from_stages_that_are_others_by_now(build_two, tmp_path):
    state, steps = tmp_path / "state", []
    build_two(together=STILL, checkpoint=state)
    again = build_two(together=STILL, checkpoint=state, report=lambda stage, entry: steps.append(stage))
    assert not steps and len(again.record["stages"]) == 3
    other = replace(STILL, steps=2, rate=0.01)
    with pytest.raises(NmfaudioError, match="state.1.npz: checkpoint of another training .before"):
        build_two((other, STILL), together=STILL, checkpoint=state)
    (tmp_path / "state.1.npz").unlink()
    with pytest.raises(NmfaudioError, match="state.together.npz: checkpoint of another training .before"):
        build_two((other, STILL), together=STILL, checkpoint=state)
