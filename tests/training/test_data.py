from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
from signals import voice_in_noise

from nmfaudio import FrontEnd, NmfaudioError
from nmfaudio.audio import list_files
from nmfaudio.denoising.unfolded.context import Context
from nmfaudio.metrics import si_sdr
from nmfaudio.spectra.stft import STFT
from nmfaudio.training.comparison import mixtures
from nmfaudio.training.data.augment import (
    active_rms,
    another_voice,
    equaliser,
    loop,
    low_pass,
    reverberate,
    shuffle_grains,
    synthetic_noise,
    vary_speed,
    warp,
)
from nmfaudio.training.data.corpus import Corpus
from nmfaudio.training.data.mixing import ADDED, WILD, Mixer, Variation, mixer_of
from nmfaudio.training.unfolded.build import Examples
from nmfaudio.training.unfolded.loss import Objective


def test_folders_are_searched_and_lists_read(sounds, tmp_path):
    assert [p.name for p in list_files(sounds / "speech")] == ["one.wav", "two.flac"]
    listed = sounds / "list.txt"
    listed.write_text("# voices\nspeech/b/two.flac\n\nspeech/a/one.wav\n")
    assert [p.name for p in list_files(listed)] == ["two.flac", "one.wav"]
    listed.write_text("speech/a/one.wav\n", encoding="utf-8-sig")  # as editors on Windows write it
    assert [p.name for p in list_files(listed)] == ["one.wav"]
    listed.write_text("speech/a/one.wav\nmissing.wav\n")
    with pytest.raises(NmfaudioError, match=r"missing\.wav, which does not exist \(1 of 2 are missing\)"):
        list_files(listed)


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
    knock = np.full(16000, 1e-7, np.float32)
    knock[3200:3520] = 1  # less than a twentieth of the time
    assert active_rms(knock, 16000) == pytest.approx(1)
    click = np.zeros(16000, np.float32)
    click[0] = 1
    assert np.abs(reverberate(rng, click, 16000)[200:3000]).max() > 0.001
    curves_db = 20 * np.log10([equaliser(rng, 257, 6.0) for _ in range(200)])
    assert 2 < curves_db.std() < 4 and np.abs(np.diff(curves_db)).max() < 4
    np.testing.assert_array_equal(equaliser(rng, 257, 0.0), 1)
    cut = low_pass(rng, 257, 16000)
    assert cut[0] == 1 and cut[-1] < 0.01
    for _ in range(20):
        n = synthetic_noise(rng, 8000, 16000)
        assert n.shape == (8000,) and n.dtype == np.float32 and np.isfinite(n).all() and n.std() > 0


def test_a_sound_is_looped_without_a_jump():
    rising = np.linspace(0, 1, 4000, dtype=np.float32)
    looped = loop(rising, 9000)
    assert looped.shape == (9000,) and np.abs(np.diff(looped)).max() < 2e-3
    np.testing.assert_array_equal(looped[:3000], rising[:3000])
    assert loop(rising[:1], 5).tolist() == [0] * 5 and not loop(rising[:0], 5).any()


def test_grains_are_of_all_of_a_sound():
    rising = np.linspace(1, 2, 16000, dtype=np.float32)
    made = [shuffle_grains(np.random.default_rng(seed), rising, 16000, 16000) for seed in range(8)]
    assert all(y.shape == (16000,) and 0.99 < y.min() <= y.max() < 2.01 for y in made)  # the grains add up to one
    assert 1.4 < np.mean(made) < 1.6


def test_some_examples_are_of_the_beginning_of_a_mixture_alone(monkeypatch):
    monkeypatch.setattr(Examples, "of", lambda self, mix, frames: frames)

    class Silence:
        random_state = 0

        def __call__(self, number):
            return SimpleNamespace(speech=np.zeros((1, 400)))

    drawn = [Examples(Silence(), (), None, None, None, 120)(number) for number in range(80)]
    assert all(len(frames) == 120 and (np.diff(frames) >= 0).all() for frames in drawn)
    assert 0.15 < np.mean([frames.max() < 96 for frames in drawn]) < 0.45


def test_empty_files_of_a_corpus_are_silent_noise(sounds, tmp_path):
    sf.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    sf.write(tmp_path / "hiss.wav", np.random.default_rng(0).standard_normal(4000) * 0.1, 16000)
    mixer = Mixer(Corpus(sounds / "speech", 16000), Corpus(tmp_path, 16000), STFT.for_rate(16000), seconds=0.5)
    for number in range(12):
        assert np.isfinite(mixer(number).mixture).all()


def test_mixtures_to_compare_on_hold_no_recording_of_next_to_nothing(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("speech", "noise"):  # in pieces of 5 s, a single sample is left, which repeated is a constant
        (tmp_path / name).mkdir()
        sf.write(tmp_path / name / "a.wav", rng.uniform(-0.1, 0.1, 5 * 16000 + 1), 16000, subtype="FLOAT")
    speech, noise = (Corpus(tmp_path / name, 16000) for name in ("speech", "noise"))
    for i, (clean, noisy) in enumerate(mixtures(speech, noise, n=6)):
        assert si_sdr(clean, noisy) == pytest.approx([0, 5, 10][i % 3], abs=0.5)
    short = speech.split(0.01, 0.05)[1]
    with pytest.raises(NmfaudioError, match="speech: nothing but silence, or less than 0.1 s, is held out: give more"):
        mixtures(short, noise)


def test_mixtures_of_a_sound_with_itself_are_refused(tmp_path):
    sounds = np.random.default_rng(0).uniform(-0.1, 0.1, (5, 19200))
    for name, gain in (("speech", 1.0), ("noise", -0.5)):
        (tmp_path / name).mkdir()
        for i, y in enumerate(sounds):  # which are not drawn in one order
            sf.write(tmp_path / name / f"{i}.wav", gain * y, 16000, subtype="FLOAT")
    speech, noise = (Corpus(tmp_path / name, 16000) for name in ("speech", "noise"))
    with pytest.raises(NmfaudioError, match="noise: is the sound of .*speech: give noise without speech"):
        mixtures(speech, noise, n=5)


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


@pytest.fixture
def full_band_sounds(tmp_path):
    """Two voices and two noises, one of each at a low rate, one at 48 kHz whose table says where it ends."""
    for sr, name in ((16_000, "narrow"), (48_000, "wide")):
        speech, noise = voice_in_noise(sr, seconds=4)
        for kind, y in (("speech", speech), ("noise", noise)):
            path = tmp_path / kind / name / f"{name}.wav"
            path.parent.mkdir(parents=True)
            sf.write(path, y, sr)
    (tmp_path / "speech" / "pool.csv").write_text("file,bandwidth_hz\nwide.wav,15000\nother.wav,9000\n")
    return tmp_path


def test_a_table_says_how_far_the_content_of_a_file_reaches(full_band_sounds):
    speech, noise = (Corpus(full_band_sounds / kind, 48_000) for kind in ("speech", "noise"))
    assert sorted(speech.bandwidths_hz) == [8000, 15_000] and sorted(noise.bandwidths_hz) == [8000, 24_000]
    assert [path.name for path in speech.wider_than(9000).files] == ["wide.wav"]
    assert speech.wider_than(16_000) is None


def test_other_files_called_csv_are_no_tables_of_bandwidths(full_band_sounds):
    voices = full_band_sounds / "speech"
    table = (voices / "pool.csv").read_bytes()
    (voices / "pool.csv").write_bytes(b"\xef\xbb\xbf" + table)  # as a spreadsheet saves it
    (voices / "wide" / "folder.csv").mkdir()
    (voices / "wide" / "latin.csv").write_bytes("Größe\nviel\n".encode("latin-1"))
    (voices / "wide" / "empty.csv").touch()
    assert sorted(Corpus(voices, 48_000).bandwidths_hz) == [8000, 15_000]


def test_a_table_that_is_closed_does_not_stop_a_training(full_band_sounds, monkeypatch):
    opened = Path.open

    def closed(path, *args, **options):
        if path.name == "accounts.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **options)

    (full_band_sounds / "speech" / "accounts.csv").touch()
    monkeypatch.setattr(Path, "open", closed)
    assert sorted(Corpus(full_band_sounds / "speech", 48_000).bandwidths_hz) == [8000, 15_000]


@pytest.mark.parametrize("cell", ["", "-8000", "nan", "wide", "0"])
def test_a_bandwidth_that_is_no_frequency_is_named(full_band_sounds, cell):
    table = full_band_sounds / "speech" / "pool.csv"
    table.write_text(f"file,bandwidth_hz\nother.wav,9000\nwide.wav,{cell}\n")
    with pytest.raises(NmfaudioError, match=r"pool.csv: bandwidth_hz is .* in line 3: give a frequency in Hz"):
        Corpus(full_band_sounds / "speech", 48_000)
    table.write_text("bandwidth_hz,file,more\n9000\n")
    assert Corpus(full_band_sounds / "speech", 48_000).bandwidths_hz.max() == 24_000


@pytest.mark.parametrize("share", [0, 1])
def test_a_part_without_sound_is_refused(full_band_sounds, share):
    with pytest.raises(NmfaudioError, match=r"share must be .* not"):
        Corpus(full_band_sounds / "speech", 16_000).split(share)


def test_what_is_played_slower_reaches_less_far_whatever_its_rate(tmp_path):
    for kind in ("speech", "noise"):
        (tmp_path / kind).mkdir()
        hiss = np.random.default_rng(len(kind)).uniform(-0.1, 0.1, 3 * 48_000)
        sf.write(tmp_path / kind / "hiss.wav", hiss, 48_000)
    corpora = (Corpus(tmp_path / kind, 16_000) for kind in ("speech", "noise"))
    mixer = Mixer(*corpora, STFT.for_rate(16_000), seconds=1.0, variations={Variation(speeds=1.0): 1.0})
    mixtures = list(map(mixer, range(40)))
    assert 5000 < min(mix.top_hz for mix in mixtures) < 6500
    for mix in mixtures:
        power, end = np.mean(np.abs(mix.mixture) ** 2, axis=1), int(mix.top_hz / 8000 * 256)
        assert power[end - 40 : end - 20].mean() > 0.01 * power[10:end].mean()


def test_rows_that_a_mixture_does_not_reach_are_missing_and_teach_nothing(full_band_sounds):
    front_end = FrontEnd(48_000, exponent=0.6, n_high=24)
    corpora = [Corpus(full_band_sounds / kind, 48_000) for kind in ("speech", "noise")]
    mixer = mixer_of(*corpora, front_end, 0, {ADDED: 1.0})
    context = Context(257, 16, 8000.0, 24, means=((-2, -1),))
    examples = Examples(mixer, (), context, front_end, Objective(), 50)
    reached = {float(examples(number).n_high[0]) for number in range(12)}
    assert min(reached) == 0 and max(reached) in (16, 17)  # 8 kHz, and the 15 kHz of the table
    for number in range(4):
        example, n_high = examples(number), int(examples(number).n_high[0])
        rows = slice(257 + n_high, None)
        assert not example.stack[:, 257 + n_high : 281].any() and not example.target[..., rows].any()
        assert example.mixture.shape == (50, 1, 281) and example.mixture[:, :, :257].any()
