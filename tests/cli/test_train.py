"""`nmfaudio train` as a user meets it: resuming, adapting, tuning, and the verdict at the end."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from signals import real_recording, voice_in_noise

from nmfaudio import Denoiser, Dictionary, NmfaudioError, metrics, noise_profile
from nmfaudio.audio import resample
from nmfaudio.cli.main import main
from nmfaudio.spectra.front_end import FrontEnd
from nmfaudio.training import adapt, comparison, tune
from nmfaudio.training.data.augment import active_rms
from nmfaudio.training.data.corpus import Corpus
from nmfaudio.training.data.corpus_blocks import corpus_batches
from nmfaudio.training.session import adapt_denoiser, train_denoiser, train_source
from nmfaudio.training.sparse import build_sparse

FRONT_END = FrontEnd(sr=2000, n_bins=33, exponent=0.6)
SMALL = {"n_speech": 6, "n_noise": 4}
SHIPPED = Dictionary("sparse", {"speech": np.eye(33, 8), "noise": np.eye(33)[:, 8:20]}, FRONT_END, name="shipped")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Trainings of seconds, at a low rate."""
    monkeypatch.setattr("nmfaudio.training.session.FRONT_END", FRONT_END)
    monkeypatch.setattr("nmfaudio.training.sparse.LEAST_CORPUS_S", 10.0)
    monkeypatch.setattr("nmfaudio.training.data.corpus_blocks._LEAST_UPDATE_S", 2.0)
    monkeypatch.setattr("nmfaudio.training.data.corpus_blocks._LEAST_BLOCK_S", 1.0)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Five voices of 2 s, and one noise of 5 s."""
    folder = tmp_path_factory.mktemp("sounds")
    for name in ("speech", "noise"):
        (folder / name).mkdir()
    for i in range(5):
        speech, _ = voice_in_noise(16000, seconds=2, seed=i)
        sf.write(folder / "speech" / f"{i}.wav", speech, 16000)
    hum = voice_in_noise(16000, seconds=5)[1]
    sf.write(folder / "noise" / "long.flac", np.convolve(hum, [1, 0.9], "same"), 16000)
    return folder


def corpora(sounds, sr=2000):
    return Corpus(sounds / "speech", sr), Corpus(sounds / "noise", sr)


def paths(sounds, *names):
    return [word for name in names for word in (f"--{name}", str(sounds / name))]


def test_batches_hold_all_of_a_corpus_once_and_again(sounds):
    speech = corpora(sounds)[0]
    batches = list(corpus_batches(speech, FRONT_END, 0, 20.0))
    heard = [piece for batch in batches for block in batch for piece in block.pieces]
    assert sum(stop - start for _, start, stop in heard) == pytest.approx(20)
    first, second = heard[: len(heard) // 2], heard[len(heard) // 2 :]
    assert sorted(first) == sorted(second) and first != second
    assert all(sum(block.seconds for block in batch) == pytest.approx(2) for batch in batches)
    V = batches[0][0]()[0]
    assert V.shape[0] == 33 and V.min() >= 0


def test_large_corpora_have_fewer_larger_blocks(sounds, monkeypatch):
    monkeypatch.undo()
    vast = Corpus(sounds / "speech", 16000)
    vast.durations_s[:] = 3600 * 5000 / 5  # 5000 h
    first = next(corpus_batches(vast, FRONT_END, 0, vast.hours * 3600))
    assert len(first) >= 200 and all(200 < block.seconds <= 240 for block in first)


def test_what_is_held_out_is_not_trained_on(sounds):
    speech, noise = corpora(sounds, 16000)
    rest, held_out = speech.split(0.3, 1e9, 0)  # files are short enough to be held out whole
    assert len(held_out.files) == 2 and not set(rest.files) & set(held_out.files)
    rest, held_out = speech.split(0.25, 1e9, 0, in_time=True)
    assert rest.files == held_out.files and held_out.durations_s == pytest.approx(0.5)
    rest, held_out = noise.split(0.4, 1.0, 0)  # one file: its end
    assert rest.durations_s == held_out.starts_s == pytest.approx(4) and held_out.durations_s == pytest.approx(1)
    piece = held_out.piece(0, np.random.default_rng(0), 9.0)
    np.testing.assert_array_equal(piece, sf.read(noise.files[0], dtype="float32")[0][4 * 16000 :])


def test_both_parts_of_a_corpus_hold_sound_and_no_more_than_they_may(sounds):
    speech = corpora(sounds)[0]  # five files of 2 s
    for share, most_s, left_s in ((0.95, np.inf, 2), (0.5, 5.0, 6), (0.5, np.inf, 4), (0.2, np.inf, 8)):
        rest, held_out = speech.split(share, most_s)
        assert rest.hours * 3600 == pytest.approx(left_s)
        assert held_out.hours * 3600 == pytest.approx(10 - left_s)


def test_a_file_that_a_list_names_twice_is_not_held_out_and_trained_on(sounds, tmp_path):
    names = [str(sounds / "speech" / f"{i}.wav") for i in range(5)]
    (tmp_path / "list.txt").write_text("\n".join(names * 2))
    speech = Corpus(tmp_path / "list.txt", 2000)
    assert list(map(str, speech.files)) == names
    rest, held_out = speech.split(0.4)
    assert not set(rest.files) & set(held_out.files)


def test_sound_that_is_trained_on_is_not_compared_on(sounds, tmp_path, capsys):
    known = sounds / "speech" / "3.wav"
    (tmp_path / "list.txt").write_text(str(known))
    for source, named in ((sounds / "speech", known.with_name("0.wav")), (tmp_path / "list.txt", known)):
        command = ["train", "denoiser", *paths(sounds, "speech", "noise"), "--dev-speech", str(source)]
        assert main([*command, "-o", str(tmp_path / "mine.npz")]) == 2
        said = f"{named}: is in {source} and in {sounds / 'speech'}: take it out of one of them"
        assert said in capsys.readouterr().err


def test_files_elsewhere_are_read_by_their_address(sounds, tmp_path):
    UPath = pytest.importorskip("upath").UPath
    there = UPath("memory://corpus/a")
    there.mkdir(parents=True, exist_ok=True)
    (there / "0.wav").write_bytes((sounds / "speech" / "0.wav").read_bytes())
    (there.parent / "pool.csv").write_text("file,bandwidth_hz\n0.wav,7000\n")
    (there / "songs.csv").write_text("title\nHey\n")
    (tmp_path / "list.txt").write_text("memory://corpus/a/0.wav\n")
    wanted = Corpus(sounds / "speech" / "0.wav", 16000).piece(0, np.random.default_rng(0), 9.0)
    for source in ("memory://corpus", str(tmp_path / "list.txt")):
        corpus = Corpus(source, 16000)
        np.testing.assert_array_equal(corpus.piece(0, np.random.default_rng(0), 9.0), wanted)
        assert corpus.bandwidths_hz == [7000]
    with pytest.raises(NmfaudioError, match="nosuch://x: cannot be reached .*fetch the file first"):
        Corpus("nosuch://x", 16000)


@pytest.mark.needs_jit
@pytest.mark.parametrize("killed_after", [1, 5, 7])
def test_training_killed_at_any_moment_goes_on_to_the_same_atoms(sounds, tmp_path, killed_after):
    def train(**options):
        return build_sparse(*corpora(sounds), front_end=FRONT_END, **SMALL, **options)

    calls = []

    def kill(part):
        calls.append(part)
        if len(calls) == killed_after:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint=checkpoint, progress=kill)
    with np.load(checkpoint) as file:
        state = {**file, "seconds": 7200.0}
    with checkpoint.open("wb") as file:
        np.savez(file, **state)
    resumed = []
    found, wanted = train(checkpoint=checkpoint, progress=resumed.append), train()
    assert found.record["hours"] == pytest.approx(2, abs=0.1)  # those before it was killed, too
    assert all(part > calls[-1] for part in resumed)  # nothing is done twice
    for name in wanted.arrays:
        np.testing.assert_array_equal(found.arrays[name], wanted.arrays[name])
    with pytest.raises(NmfaudioError, match="another training .random_state 0, not 1"):
        train(checkpoint=checkpoint, random_state=1)
    checkpoint.write_bytes(b"precious")
    with pytest.raises(NmfaudioError, match="not a checkpoint"):
        train(checkpoint=checkpoint)


@pytest.mark.needs_jit
def test_a_dictionary_with_a_noise_denoises_as_if_told_of_it(sounds):
    fitted = adapt.adapt(SHIPPED, None, corpora(sounds)[1])
    y = real_recording(2000)[1][:2000]
    known = resample(sf.read(sounds / "noise" / "long.flac", dtype="float32")[0], 16000, 2000)
    told = noise_profile(known, 2000, SHIPPED)
    np.testing.assert_allclose(Denoiser(fitted)(y, 2000), Denoiser(SHIPPED, noise=told)(y, 2000), atol=1e-5)
    other = noise_profile(np.random.default_rng(0).standard_normal(4000), 2000, SHIPPED)
    np.testing.assert_array_equal(Denoiser(fitted, noise=other)(y, 2000), Denoiser(SHIPPED, noise=other)(y, 2000))
    assert np.abs(Denoiser(fitted)(y, 2000) - Denoiser(SHIPPED)(y, 2000)).max() > 1e-3


def test_each_recording_of_a_noise_counts_whatever_its_level(tmp_path):
    t = np.arange(4000) / 2000
    for name, hz, level in (("loud", 300, 0.5), ("quiet", 700, 1e-6)):
        sf.write(tmp_path / f"{name}.wav", level * np.sin(2 * np.pi * hz * t), 2000, subtype="FLOAT")
    profile = adapt.with_noise(SHIPPED, Corpus(tmp_path, 2000)).arrays["profile"]
    assert profile[round(300 * 0.032)].max() > 0.3 and profile[round(700 * 0.032)].max() > 0.3


def test_a_voice_takes_the_place_of_the_voices(sounds, monkeypatch):
    monkeypatch.setattr(adapt, "_VOICE_S", 10.0)
    fitted = adapt.adapt(SHIPPED, corpora(sounds)[0], None)
    assert fitted.arrays["speech"].shape == (33, 64)
    np.testing.assert_array_equal(fitted.arrays["noise"], SHIPPED.arrays["noise"])
    with pytest.raises(NmfaudioError, match="give --noise"):
        adapt.adapt(Dictionary.load("speech-fast"), corpora(sounds)[0], None)
    with pytest.raises(NmfaudioError, match="does not denoise"):
        adapt.adapt(Dictionary("sources", {"piano": np.eye(33, 3)}, FRONT_END), *corpora(sounds))


@pytest.mark.needs_jit
def test_an_unfolded_dictionary_is_trained_on(sounds, monkeypatch):
    schedule = adapt.Schedule(steps=1, rate=0.002, warm_up=1, n_frames=32, pool_items=1, new_items=1, check_every=1)
    monkeypatch.setattr(adapt, "_SCHEDULE", schedule)
    monkeypatch.setattr(adapt, "_N_DEV", 1)
    shipped = Dictionary.load("speech-fast")
    fitted = adapt.adapt(shipped, *corpora(sounds, 16000))
    assert fitted.arrays.keys() == shipped.arrays.keys()
    assert any((fitted.arrays[name] != shipped.arrays[name]).any() for name in shipped.arrays)


def compared(*changes):
    rng = np.random.default_rng(0)
    base = rng.random((12, 2))
    new = base + np.array(changes) + 0.01 * rng.standard_normal(base.shape)
    return comparison.Comparison(("A", "B"), base, base, new, ("shipped", "mine"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((1, 0), "mine is better than shipped in A"),
        ((1, 1), "mine is better than shipped in A and B"),
        ((-1, 0), "mine is WORSE than shipped in A"),
        ((1, -1), "mine is better than shipped in A, but worse in B"),
        ((0, 0), "no clear difference between mine and shipped"),
    ],
)
def test_verdict(changes, said):
    found = compared(*changes)
    assert found.verdict == said
    assert found.table()[-1]["A"].startswith(f"{(found.new - found.base)[:, 0].mean():+.3f}")


def test_mixtures_have_the_ratios_that_they_should(sounds):
    for (clean, noisy), snr_db in zip(comparison.mixtures(*corpora(sounds, 16000), n=4), (0, 5, 10, 0), strict=True):
        ratio = active_rms(clean, 16000) / np.std(noisy - clean)
        assert 20 * np.log10(ratio) == pytest.approx(snr_db, abs=0.1)


@pytest.mark.usefixtures("without_pesq")
def test_what_training_is_watched_on_is_not_what_it_is_compared_on(sounds, monkeypatch):
    seen = {}

    def trained(kind, in_use, *options):
        seen["watched"] = in_use[2:]
        return replace(SHIPPED)

    def mixed(speech, noise, **options):
        seen["compared"] = speech, noise
        raise NmfaudioError("enough")

    monkeypatch.setattr("nmfaudio.training.session._unfolded", trained)
    monkeypatch.setattr("nmfaudio.training.session.mixtures", mixed)
    train_denoiser(sounds / "speech", sounds / "noise", kind="causal-fast")
    for watched, compared_on, seconds in zip(seen["watched"], seen["compared"], (2, 1), strict=True):
        parts = [(watched.starts_s, watched.durations_s), (compared_on.starts_s, compared_on.durations_s)]
        (first, _), (second, long) = sorted(parts, key=lambda part: part[0][0], reverse=True)
        assert second + long == pytest.approx(first)
        assert 3600 * (watched.hours + compared_on.hours) == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["noise"], ", of noise on which the learning was watched too"),
        (["speech", "noise"], ", of speech and noise on which the learning was watched too"),
        ([], "against speech"),
    ],
)
def test_a_verdict_says_what_the_learning_was_watched_on_too(sounds, tmp_path, monkeypatch, given, said):
    for name, y in zip(("speech", "noise"), voice_in_noise(16000, seconds=2, seed=7), strict=True):
        sf.write(tmp_path / f"{name}.wav", y, 16000)
    monkeypatch.setattr("nmfaudio.training.session._unfolded", lambda *args: Dictionary.load("speech-fast"))
    monkeypatch.setattr(comparison, "compare", lambda *args, **options: compared(0, 0))
    options = {f"dev_{name}": tmp_path / f"{name}.wav" for name in given}
    trained = train_denoiser(sounds / "speech", sounds / "noise", kind="file-fast", **options)
    (title,) = trained.comparisons
    assert title.endswith(said)


@pytest.mark.parametrize("record", [{"stages": [{"curve": [{"seconds": 7200.0}]}]}, {"hours": 2.0}])
def test_hours_of_a_training_are_those_before_it_was_killed_too(sounds, monkeypatch, record):
    monkeypatch.setattr(
        "nmfaudio.training.session.build_sparse", lambda *args, **options: replace(SHIPPED, record=record)
    )
    monkeypatch.setattr("nmfaudio.training.session._Session.judged", lambda session, dictionary, *args: dictionary)
    assert train_denoiser(sounds / "speech", sounds / "noise").record["hours"] == 2


@pytest.mark.needs_jit
def test_scores_of_the_verdict_are_those_of_the_metrics(sounds, monkeypatch):
    pairs = comparison.mixtures(*corpora(sounds, 16000), n=3)
    found = comparison.compare(SHIPPED, SHIPPED, pairs, 16000, names=("shipped", "mine"))
    np.testing.assert_allclose(found.base, found.new)
    for (clean, noisy), row in zip(pairs, found.noisy, strict=True):
        expected = [measure(clean, noisy, 16000) for measure in metrics.MEASURES.values()]
        assert row == pytest.approx(expected)
    assert np.diff(found.noisy[:, 2]) == pytest.approx(5, abs=0.2)  # decibels, by turns
    monkeypatch.setitem(sys.modules, "pesq", None)
    found = comparison.compare(SHIPPED, SHIPPED, pairs, 16000, names=("shipped", "mine"))
    assert found.measures == ("SI-SDR",) and found.new.shape == (3, 1)


@pytest.mark.parametrize("has_pesq", [True, False])
def test_speech_that_is_lost_counts_as_the_worst(sounds, monkeypatch, has_pesq):
    if not has_pesq:
        monkeypatch.setitem(sys.modules, "pesq", None)
    silent = replace(SHIPPED)
    monkeypatch.setattr(comparison, "Denoiser", lambda used: lambda y, sr: y * (used is not silent))
    pairs = comparison.mixtures(*corpora(sounds, 16000), n=6)
    found = comparison.compare(SHIPPED, silent, pairs, 16000, names=("shipped", "mine"))
    assert found.verdict.startswith("mine is WORSE than shipped") and found.signs[-1] == -1
    assert len(found.new) == 6 and np.isfinite(found.new).all()
    assert (found.new <= found.base).all()


@pytest.mark.needs_jit
def test_a_worse_dictionary_is_called_so_even_quietly(sounds, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(comparison, "compare", lambda *args, **options: compared(-1, 0))
    out = tmp_path / "mine.npz"
    assert main(["train", "denoiser", *paths(sounds, "speech", "noise"), "-o", str(out), "-q"]) == 0
    assert "verdict: mine is WORSE than shipped in A" in capsys.readouterr().err
    assert "WORSE" in out.with_suffix(".md").read_text()


@pytest.mark.needs_jit
def test_a_noise_alone_is_added_in_one_command(sounds, tmp_path, capsys):
    out, shipped = tmp_path / "fan.npz", tmp_path / "shipped.npz"
    replace(SHIPPED, record={"note": "LibriSpeech", "scores": {"PESQ": 4.5}}).save(shipped)
    assert main(["train", "adapt", str(shipped), *paths(sounds, "noise"), "-o", str(out)]) == 0
    assert "verdict: none: there is no speech to compare on; --dev-speech gives some" in capsys.readouterr().err
    assert Dictionary.load(out).profile is not None
    record = Dictionary.load(out).record
    assert record["noise"]["files"] == 1 and record["adapted_from"] == "shipped"
    assert "scores" not in record and record["note_of_it"] == "LibriSpeech"


@pytest.mark.needs_jit
def test_a_dictionary_adapted_in_place_is_compared_with_what_it_was(sounds, tmp_path, monkeypatch):
    rivals = []
    monkeypatch.setattr(comparison, "compare", lambda base, *args, **options: rivals.append(base) or compared(0, 0))
    mine = tmp_path / "mine.npz"
    SHIPPED.save(mine)
    command = ["train", "adapt", str(mine), *paths(sounds, "noise"), "--dev-speech", str(sounds / "speech")]
    assert main([*command, "-o", str(mine), "--overwrite", "-q"]) == 0
    assert rivals[0].sha256 == SHIPPED.sha256 != Dictionary.load(mine).sha256


@pytest.mark.needs_jit
def test_a_dictionary_with_the_name_of_the_shipped_one_is_compared_with_both(sounds, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "compare", lambda *args, names, **options: replace(compared(0, 0), names=names))
    mine = tmp_path / "speech.npz"
    SHIPPED.save(mine)
    trained = adapt_denoiser(mine, noise=sounds / "noise", dev_speech=sounds / "speech")
    assert [found.names[0] for found in trained.comparisons.values()] == ["speech.npz", "speech"]
    assert {"against speech.npz", "against speech"} <= set(trained.dictionary.record)


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("adapted", "output", "said"),
    [
        ("mine.npz", "mine.npz", ["mine is better than mine before in A", "mine is better than speech in A"]),
        ("speech.npz", "speech.npz", ["speech.npz before in A", "speech is better than shipped speech in A"]),
        ("speech-sparse", "speech-sparse.npz", ["speech-sparse is better than shipped speech-sparse in A"]),
        (SHIPPED, None, ["the new one is better than shipped in A"]),
        (replace(SHIPPED, name=""), None, ["the new one is better than the old one in A"]),
    ],
)
def test_a_verdict_tells_the_two_apart(sounds, tmp_path, monkeypatch, adapted, output, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparison, "compare", lambda *args, names, **options: replace(compared(1, 0), names=names))
    for name in ("mine", "speech"):
        SHIPPED.save(f"{name}.npz")
    options = {"noise": sounds / "noise", "dev_speech": sounds / "speech", "overwrite": True}
    found = adapt_denoiser(adapted, output, **options).comparisons.values()
    assert len(found) == 2
    for words, one in zip(said, found, strict=False):
        assert one.verdict.endswith(words)


def test_a_part_of_a_corpus_that_is_none_is_refused(sounds):
    with pytest.raises(NmfaudioError, match="most_s must be a finite number of at least 1, not 0"):
        build_sparse(*corpora(sounds), front_end=FRONT_END, most_s=0, **SMALL)


@pytest.mark.needs_jit
def test_a_seed_may_be_a_number_of_numpy(sounds, tmp_path):
    trained = adapt_denoiser(SHIPPED, tmp_path / "mine.npz", noise=sounds / "noise", random_state=np.int64(3))
    assert trained.dictionary.record["seed"] == 3


def test_too_little_sound_is_refused_before_it_is_repeated(sounds, tmp_path):
    sf.write(tmp_path / "click.wav", np.ones(100), 16000)
    for speech, noise in ((sounds / "speech", tmp_path), (tmp_path, sounds / "noise")):
        with pytest.raises(NmfaudioError, match=f"{tmp_path}: 0.006 s of sound .* give a second or more"):
            build_sparse(Corpus(speech, 2000), Corpus(noise, 2000), front_end=FRONT_END, **SMALL)


def test_a_dictionary_of_another_kind_is_nothing_to_go_on_from(sounds):
    for option in ("first", "start"):
        with pytest.raises(NmfaudioError, match="'shipped': of kind 'sparse', not unfolded"):
            train_denoiser(sounds / "speech", sounds / "noise", kind="causal", steps=[1], **{option: SHIPPED})


def test_a_page_beside_the_dictionary_is_not_overwritten_unasked(sounds, tmp_path, capsys):
    (tmp_path / "mine.md").write_text("notes")
    assert main(["train", "denoiser", *paths(sounds, "speech", "noise"), "-o", str(tmp_path / "mine.npz")]) == 2
    assert "mine.md: exists" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.md"]


def test_tune_takes_what_did_best_held_out(sounds, monkeypatch):
    quality = {(8, 0.3): 1, (16, 0.3): 5, (32, 0.3): 2, (16, 0.1): 4, (16, 1.0): 7}
    monkeypatch.setattr(tune, "_si_sdr", lambda dictionary, sr, pair: dictionary)
    found = tune.tune(
        lambda n_speech, n_noise, penalty: quality[n_speech, penalty],
        [(np.zeros(1), np.zeros(1))] * 2,
        16000,
        ranks=(8, 16, 32),
    )
    assert found.best == {"n_speech": 16, "n_noise": 8, "penalty": 1.0}
    assert found.penalty_db.mean(axis=1).tolist() == [4, 5, 7]


@pytest.mark.needs_jit
def test_tune_saves_its_curve(sounds, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib").use("agg")
    monkeypatch.setattr(comparison, "compare", lambda *args, **options: compared(0, 0))
    monkeypatch.setattr(tune, "_si_sdr", lambda dictionary, sr, pair: dictionary.arrays["speech"].shape[1])
    whole = tune.tune.__wrapped__
    monkeypatch.setattr(whole, "__kwdefaults__", {**whole.__kwdefaults__, "ranks": (4, 8), "penalties": (0.3,)})
    out = tmp_path / "mine.npz"
    assert main(["train", "denoiser", "--tune", *paths(sounds, "speech", "noise"), "-o", str(out)]) == 0
    err = capsys.readouterr().err
    assert "8 + 4 atoms, penalty 0.3: SI-SDR" in err and "verdict:" in err
    assert out.with_suffix(".png").stat().st_size > 5000
    out.rename(tmp_path / "moved.npz")
    out.with_suffix(".md").unlink()
    assert (
        main(["train", "denoiser", "--tune", *paths(sounds, "speech", "noise"), "-o", str(out)]) == 2
        and "mine.png: exists" in capsys.readouterr().err
    )
    assert Dictionary.load(tmp_path / "moved.npz").arrays["speech"].shape[1] == 8


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["adapt", "speech-fast", "--speech", "s"], "s: no such folder"),
        (["adapt", "speech"], "nothing to adapt to: give a noise (--noise) or a voice (--speech)"),
        (["adapt", "speech", "--noise", "n", "--tune"], "unrecognized arguments: --tune"),
        (["adapt", "nothing", "--noise", "n"], "no dictionary named 'nothing'"),
        (["denoiser", "--tune", "--kind", "file", "--speech", "s", "--noise", "n"], "tune is for"),
        (["denoiser", "--speech", "s", "--noise", "./s"], "./s: is given as speech and as noise"),
        (["denoiser", "--speech", "s"], "the following arguments are required: --noise"),
        (["denoiser", "--steps", "9", "--speech", "s", "--noise", "n"], "are for the other kinds"),
        (["denoiser", "--speech", "s", "--noise", "n", "--atoms", "80"], "unrecognized arguments: --atoms 80"),
        (["source", "piano", "p", "--checkpoint", "c"], "unrecognized arguments: --checkpoint c"),
        (["source", "a/b", "s"], "'a/b' cannot be the name of a stem's file: leave out slashes"),
        (["source", "piano"], "the following arguments are required: DIR|LIST"),
    ],
)
def test_what_does_not_go_together_is_refused(argv, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["train", *argv, "-o", "x.npz"])
    except SystemExit as exit:
        code = exit.code
    err = capsys.readouterr().err
    assert code == 2 and message in err and err.count("\n") == 1
    assert list(Path().iterdir()) == []


@pytest.mark.usefixtures("without_pesq")
def test_a_session_in_python_is_that_of_the_command(sounds, tmp_path, monkeypatch):
    lines = []
    options = {"dev_speech": sounds / "speech", "random_state": 1, "report": lines.append}
    trained = adapt_denoiser(SHIPPED, noise=sounds / "noise", **options)
    assert list(trained.dictionary.record["noise"]) == ["source", "files", "hours", "folders"]
    assert lines == ["noise: 1 file, 0.1 min"]
    assert [found.names[0] for found in trained.comparisons.values()] == ["shipped"]
    assert "needs 6000 Hz or more" in trained.no_verdict  # `speech` cannot be tried at 2 kHz
    replace(SHIPPED).save(tmp_path / "shipped.npz")
    command = ["train", "adapt", str(tmp_path / "shipped.npz"), *paths(sounds, "noise"), "--seed", "1"]
    assert main([*command, "--dev-speech", str(sounds / "speech"), "-o", str(tmp_path / "mine.npz"), "-q"]) == 0
    wanted = Dictionary.load(tmp_path / "mine.npz").arrays["profile"]
    np.testing.assert_array_equal(trained.dictionary.arrays["profile"], wanted)


@pytest.mark.needs_jit
def test_the_record_of_a_source_says_how_much_of_its_sound_was_used(sounds, tmp_path, monkeypatch):
    for longest_s, used_s in ((300.0, 10), (3.0, 4)):  # of five recordings of 2 s
        monkeypatch.setattr("nmfaudio.training.session._LONGEST_SOURCE_S", longest_s)
        dictionary = train_source("me", sounds / "speech", tmp_path / f"{used_s}.npz", n_components=2)
        assert dictionary.record["me"]["files"] == 5 and dictionary.record["used_s"] == used_s
        assert "used_s" in (tmp_path / f"{used_s}.md").read_text()


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
def test_places_are_checked_before_the_work(sounds, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.npz").write_text("old")
    os.symlink("list.txt", tmp_path / "linked.md")
    (tmp_path / "list.txt").write_text(str(next((sounds / "speech").rglob("*.wav"))))
    os.mkfifo("pipe.npz")
    for output, options, words in [
        ("no/mine.npz", [], "no: no such folder to write the dictionary to: make it first"),
        ("old.npz", [], "old.npz: exists already"),
        ("mine.npz", ["--checkpoint", "no/state.npz"], "no/state.npz: cannot be written (No such file or directory)"),
        ("mine.npz", ["--checkpoint", "./mine.npz"], "./mine.npz: the dictionary and its checkpoint need different"),
        ("mine.npz", ["--checkpoint", "."], ".: is a folder"),
        ("linked.npz", ["--overwrite", "--speech", "list.txt"], "linked.md: is also the input list.txt"),
        ("mine.npz", ["--checkpoint", "pipe.npz"], "pipe.npz: is a pipe or a device"),
    ]:
        assert main(["train", "denoiser", *paths(sounds, "speech", "noise"), "-o", output, *options]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1
    assert not (tmp_path / "mine.npz").exists()
    assert (tmp_path / "old.npz").read_text() == "old"


def test_a_folder_that_cannot_be_read_is_named(sounds, tmp_path, capsys, monkeypatch):
    scandir = os.scandir

    def closed(path):
        if Path(path) == sounds / "noise":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", closed)
    assert main(["train", "source", "piano", str(sounds), "-o", str(tmp_path / "mine.npz")]) == 2
    assert "noise: cannot be read (Permission denied)" in capsys.readouterr().err
