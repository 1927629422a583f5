import functools

import numpy as np
import pytest
import soundfile as sf
from signals import voice_in_noise
from unfolded_helpers import N_BINS, random_weights

from nmfaudio import Denoiser, Dictionary, NmfaudioError, metrics
from nmfaudio.cli.main import main
from nmfaudio.denoising.unfolded.context import Context
from nmfaudio.denoising.unfolded.stage import Stage
from nmfaudio.metrics import si_sdr
from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.spectra.stft import STFT
from nmfaudio.training.checkpoint import Checkpoint
from nmfaudio.training.data.augment import (
    active_rms,
    another_voice,
    equaliser,
    low_pass,
    reverberate,
    synthetic_noise,
    vary_speed,
    warp,
)
from nmfaudio.training.data.corpus import Corpus, list_files
from nmfaudio.training.data.frame_pool import Example, Pool
from nmfaudio.training.data.mixing import ADDED, WILD, Mixer
from nmfaudio.training.unfolded import build, presets
from nmfaudio.training.unfolded.loss import Objective
from nmfaudio.training.unfolded.stage import Schedule, mean_loss, train_stage
from nmfaudio.training.unfolded.start import initial_weights

CONTEXT = Context(N_BINS, 4, 250.0, means=((-1, -1), (1, 3)), minima=((-5, 0),), floors=((-5, 5),))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Folders of two voices and two noises in several formats and rates."""
    folder = tmp_path_factory.mktemp("sounds")
    for i, (sr, name) in enumerate([(16000, "a/one.wav"), (22050, "b/two.flac")]):
        speech, noise = voice_in_noise(sr, seconds=4, seed=i)
        for kind, y in (("speech", speech), ("noise", noise)):
            path = folder / kind / name
            path.parent.mkdir(parents=True)
            sf.write(path, y, sr)
    (folder / "speech" / "notes.txt").write_text("not sound")
    return folder


def test_folders_are_searched_and_lists_read(sounds, tmp_path):
    assert [p.name for p in list_files(sounds / "speech")] == ["one.wav", "two.flac"]
    listed = sounds / "list.txt"
    listed.write_text("# voices\nspeech/b/two.flac\n\nspeech/a/one.wav\n")
    assert [p.name for p in list_files(listed)] == ["two.flac", "one.wav"]


@pytest.mark.parametrize("content, message", [(None, "no such"), ("missing.wav\n", "missing.wav"), ("", "no sound")])
def test_sources_without_sound_are_refused(tmp_path, content, message):
    source = tmp_path / "list.txt"
    if content is not None:
        source.write_text(content)
    with pytest.raises(NmfaudioError, match=message):
        list_files(source)


def test_corpus_resamples_and_streams_all_of_it(sounds):
    corpus = Corpus(sounds / "speech", 8000, cache_mb=0)
    assert corpus.hours * 3600 == pytest.approx(8, abs=0.01)
    pieces = [piece.read(8000) for piece in corpus.pieces(np.random.default_rng(0), 1.5)]
    assert sum(map(len, pieces)) == pytest.approx(8 * 8000, abs=20)
    piece = corpus.piece(1, np.random.default_rng(0), 0.5)
    assert len(piece) == 4000 and piece.dtype == np.float32


def test_mixture_depends_on_seed_and_number_alone(sounds):
    def mixer(random_state):
        corpora = (Corpus(sounds / kind, 16000) for kind in ("speech", "noise"))
        return Mixer(*corpora, STFT.for_rate(16000), random_state, seconds=1.0)

    first = mixer(3)
    first(11)
    again, other = mixer(3)(7), mixer(4)(7)
    np.testing.assert_array_equal(first(7).mixture, again.mixture)
    assert np.abs(other.mixture - again.mixture).max() > 0


def test_mixtures_cover_noise_alone_and_clean_speech(sounds):
    corpora = (Corpus(sounds / kind, 16000) for kind in ("speech", "noise"))
    mixer = Mixer(*corpora, STFT.for_rate(16000), 0, seconds=1.0)
    shares = []
    for number in range(60):
        mix = mixer(number)
        assert np.isfinite(mix.mixture).all()
        shares.append(np.sum(np.abs(mix.speech) ** 2) / np.sum(np.abs(mix.mixture) ** 2))
    assert min(shares) == 0 and max(shares) > 0.99


def test_most_mixtures_hold_sounds_as_they_were_recorded(sounds, tmp_path):
    t = np.arange(16000) / 16000
    sf.write(tmp_path / "tone.wav", 0.1 * np.sin(2 * np.pi * 3000 * t), 16000)
    corpora = Corpus(sounds / "speech", 16000), Corpus(tmp_path, 16000)

    def at_3_khz(**options):
        """Share of the mixtures in which most of the noise lies where the recorded tone does."""
        mixer = Mixer(*corpora, STFT.for_rate(16000), seconds=1.0, **options)
        noises = [np.abs(mix.mixture - mix.speech) ** 2 for mix in map(mixer, range(40))]
        return np.mean([noise[95:98].sum() > 0.5 * noise.sum() for noise in noises])

    assert at_3_khz(variations={ADDED: 1.0}) == 1
    assert at_3_khz() > 0.3 > at_3_khz(variations={WILD: 1.0})


def test_augmentation_does_what_it_says():
    rng = np.random.default_rng(0)
    y = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    assert len(vary_speed(y, 1.25)) == pytest.approx(12800, abs=2)
    assert active_rms(np.concatenate([y, np.zeros(16000, np.float32)]), 16000) == pytest.approx(0.5**0.5, rel=0.01)
    assert active_rms(np.zeros(100, np.float32), 16000) == 0
    click = np.zeros(16000, np.float32)
    click[0] = 1
    assert np.abs(reverberate(rng, click, 16000)[200:3000]).max() > 0.001
    assert (equaliser(rng, 257, 6.0) > 0).all()
    cut = low_pass(rng, 257, 16000)
    assert cut[0] == 1 and cut[-1] < 0.01
    for _ in range(20):
        n = synthetic_noise(rng, 8000, 16000)
        assert n.shape == (8000,) and n.dtype == np.float32 and np.isfinite(n).all() and n.std() > 0


def test_empty_files_of_a_corpus_are_silent_noise(sounds, tmp_path):
    sf.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    sf.write(tmp_path / "hiss.wav", np.random.default_rng(0).standard_normal(4000) * 0.1, 16000)
    mixer = Mixer(Corpus(sounds / "speech", 16000), Corpus(tmp_path, 16000), STFT.for_rate(16000), seconds=0.5)
    for number in range(12):
        assert np.isfinite(mixer(number).mixture).all()


def random_example(number, n=6):
    rng = np.random.default_rng(number)
    F, B = CONTEXT.n_bins, CONTEXT.n_bands
    mixture = rng.random((n, F)).astype(np.float32)
    # speech wherever the first row of the stack is high: something that can be learnt
    stack = rng.random((n, CONTEXT.n_rows)).astype(np.float32)
    tracked = rng.random((n, CONTEXT.n_tracked, F + B)).astype(np.float32)
    return Example(stack, tracked, mixture, mixture * (stack[:, :1] > 0.5))


def test_another_voice_keeps_the_partials_and_moves_the_formant():
    f = np.arange(257)
    partials = 0.02 + np.exp(-(((f - 4 * np.round(f / 4)) / 0.8) ** 2))  # every fourth bin
    vowel = (partials * np.exp(-(((f - 100) / 30) ** 2)))[:, None] * np.linspace(1, 2, 40)
    voices = [another_voice(np.random.default_rng(seed), vowel.astype(np.complex64)) for seed in range(12)]
    frames = [np.abs(voice[:, 0]) for voice in voices]
    assert all(voice.shape == vowel.shape for voice in voices)
    assert all(frame[100:130:4].min() > 3 * frame[102:130:4].max() / 2 for frame in frames)
    formants = [np.average(f, weights=frame**2) for frame in frames]
    assert min(formants) < 90 and max(formants) > 112
    assert len({round(float(np.abs(voice[100, -1] / voice[100, 0])), 2) for voice in voices}) > 3  # of another pace
    np.testing.assert_array_equal(another_voice(np.random.default_rng(3), vowel.astype(np.complex64)), voices[3])


def test_a_warped_noise_is_another_one_made_of_the_same_values():
    tone = np.zeros((65, 40), np.complex64)
    tone[20] = np.arange(1, 41)
    warped = [warp(np.random.default_rng(seed), tone) for seed in range(12)]
    assert all(W.shape == tone.shape and set(np.abs(W[W != 0])) <= set(range(1, 41)) for W in warped)
    loudest = {int(np.abs(W).sum(axis=1).argmax()) for W in warped}
    paces = {int(np.unique(np.diff(np.abs(W).max(axis=0))).size) for W in warped}
    assert len(loudest) > 4 and len(paces) > 1
    np.testing.assert_array_equal(warp(np.random.default_rng(3), tone), warped[3])


def test_pool_begun_later_holds_what_it_would_have_held():
    pool = Pool(random_example, n_items=5, n_new=2)
    for step in range(3):
        pool.batch(np.random.default_rng(step), 4)
    later = Pool(random_example, n_items=5, n_new=2, first=6)
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
    return dev, train_stage(weights, [0, 1], random_example, dev, **options)


def test_training_lowers_the_loss_on_what_it_does_not_see():
    dev, (best, curve) = train()
    before = mean_loss(random_weights(CONTEXT), [0, 1], dev, Objective())
    assert mean_loss(best, [0, 1], dev, Objective()) == pytest.approx(min(entry["dev"] for entry in curve), rel=1e-5)
    assert curve[-1]["dev"] < before
    assert all((array >= 0).all() for array in best.arrays().values())


def test_training_that_was_killed_goes_on_to_the_same_result(tmp_path):
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
    for name, array in want.arrays().items():
        np.testing.assert_allclose(got.arrays()[name], array, rtol=1e-5)


def test_what_single_batches_push_to_and_fro_is_averaged_away():
    still = dict(steps=12, rate=0.05, warm_up=1, decay=1e-9, n_frames=16, pool_items=3, new_items=1, check_every=12)
    ends = [train(schedule=Schedule(**still, averaged=n))[1][0] for n in (1, 3, 100)]
    start = random_weights(CONTEXT).speech
    far = [np.abs(end.speech - start).mean() for end in ends]
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


@pytest.mark.parametrize("name", sorted(presets.PRESETS))
def test_presets_look_where_they_say(name):
    future = sum(context.future for context in presets.PRESETS[name].contexts)
    assert (future == 0) == name.startswith("causal")


@pytest.mark.needs_jit
def test_command_trains_a_sparse_dictionary_that_denoises(sounds, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nmfaudio.training.sparse.LEAST_CORPUS_S", 40.0)
    monkeypatch.delitem(metrics.MEASURES, "PESQ")  # takes the longest
    out = tmp_path / "own.npz"
    paths = ["--speech", str(sounds / "speech"), "--noise", str(sounds / "noise")]
    assert main(["train", "denoiser", *paths, "-o", str(out)]) == 0
    dictionary = Dictionary.load(out)
    assert dictionary.kind == "sparse" and dictionary.record["speech"]["files"] == 2
    assert "nmfaudio train" in dictionary.record["command"]
    assert "verdict: " in capsys.readouterr().err and "own" in dictionary.record["against speech"]
    speech, noise = voice_in_noise(16000, seconds=2, seed=5)
    cleaned = Denoiser(out)(speech + noise, 16000)
    assert si_sdr(speech, cleaned) > si_sdr(speech, speech + noise) + 2
    assert main(["train", "denoiser", *paths, "-o", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_training_goes_on_from_a_dictionary_with_more_layers(sounds, monkeypatch):
    monkeypatch.setattr("nmfaudio.training.unfolded.start._N_FRAMES", 50)
    monkeypatch.setattr(build, "N_DEV_MIXTURES", 1)
    corpora = (Corpus(sounds / kind, 16000) for kind in ("speech", "noise"))
    mixer = Mixer(*corpora, STFT.for_rate(16000), seconds=0.5)
    context = Context(257, 4, 8000.0, means=((-1, -1),), floors=((-5, 0),))
    larger = initial_weights(context, mixer, 0.6, presets.Size(3, 2, (0, 1)), random_state=5)
    trained = build.build_unfolded(
        mixer,
        mixer,
        presets.Preset((context,), (presets.Size(3, 2, (0,)),)),
        front_end=FrontEnd(exponent=0.6),
        schedules=[Schedule(steps=1, rate=1e-9, n_frames=8, pool_items=1, new_items=1, item_frames=8)],
        objective=Objective(),
        first_stages=[],
        start=[Stage(larger, [0, 1], context)],
    )
    assert "0/atoms1" not in trained.arrays
    np.testing.assert_allclose(trained.arrays["0/atoms0"], larger.layers[0].atoms, rtol=1e-5)


@pytest.mark.needs_jit
def test_command_trains_an_unfolded_dictionary(sounds, tmp_path, monkeypatch):
    context = Context(257, 8, 8000.0, means=((-3, -2), (-1, -1)), minima=((-9, 0),), floors=((-9, 0),))
    small = presets.Preset((context,), (presets.Size(6, 4, (0, 1)),))
    monkeypatch.setitem(presets.PRESETS, "causal-fast", small)
    few = functools.partialmethod(Schedule.__init__, n_frames=64, pool_items=5, item_frames=40)
    monkeypatch.setattr(Schedule, "__init__", few)
    monkeypatch.delitem(metrics.MEASURES, "PESQ")  # takes the longest
    monkeypatch.setattr("nmfaudio.training.unfolded.start._N_FRAMES", 300)
    monkeypatch.setattr("nmfaudio.training.unfolded.build.N_DEV_MIXTURES", 2)
    out = tmp_path / "own.npz"
    paths = ["--speech", str(sounds / "speech"), "--noise", str(sounds / "noise"), "-o", str(out)]
    assert main(["train", "denoiser", "--kind", "causal-fast", "--steps", "3", *paths]) == 0
    dictionary = Dictionary.load(out)
    assert dictionary.kind == "unfolded" and dictionary.record["stages"][0]["curve"][-1]["step"] == 3
    y = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    assert Denoiser(out)(y, 16000).shape == y.shape


@pytest.mark.parametrize(
    "extra, message",
    [
        (["-o", "x.wav"], "npz"),
        (["-o", "nowhere/x.npz"], "no such folder"),
        (["-o", "x.npz", "--speech", "gone"], "gone"),
    ],
)
def test_command_refuses_what_it_cannot_train(sounds, tmp_path, monkeypatch, capsys, extra, message):
    monkeypatch.chdir(tmp_path)
    paths = ["--speech", str(sounds / "speech"), "--noise", str(sounds / "noise")]
    assert main(["train", "denoiser", *paths, *extra]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
