"""Every function that takes a signal answers the same mistakes with the same words, and takes the same types."""

import matplotlib
import numpy as np
import pytest
import soundfile as sf
from matplotlib import pyplot as plt
from signals import real_recording

from nmfaudio import (
    STFT,
    Denoiser,
    Dictionary,
    FrontEnd,
    StreamingDenoiser,
    audio,
    denoise,
    denoise_file,
    display,
    metrics,
    noise_profile,
    repair,
    repair_file,
    report,
    separate_file,
    separation,
)
from nmfaudio.denoising.files import noise_of_part
from nmfaudio.errors import AudioError, NmfaudioError

matplotlib.use("Agg")
SR = 8000
VERBS = {
    "denoise": lambda y: denoise(y, SR),
    "noise_profile": lambda y: noise_profile(y, SR).arrays["noise"],
    "Separator": lambda y: separation.Separator({"a": 1, "b": 1}, n_iter=1)(y, SR)["a"],
    "Components": lambda y: separation.Components(y, SR, n_components=2, n_iter=1).stems({"a": [0]})["a"],
    "harmonic_percussive": lambda y: separation.harmonic_percussive(y, SR)["harmonic"],
    "restore_samples": lambda y: repair.restore_samples(y, SR, np.arange(np.shape(y)[-1]) == 99, n_iter=1),
    "fill_regions": lambda y: repair.fill_regions(y, SR, [(0.1, 0.2)]),
    "extend_band": lambda y: repair.extend_band(y, SR)[0],
    "find_clicks": lambda y: repair.find_clicks(y, SR),
    "find_clipped": lambda y: repair.find_clipped(y),
    "find_dropouts": lambda y: repair.find_dropouts(y, SR),
    "metrics.snr": lambda y: metrics.snr(y, y),
    "metrics.si_sdr": lambda y: metrics.si_sdr(y, y),
    "display.spectrogram": lambda y: display.spectrogram(y, SR).images[0].get_array(),
    "display.gainshow": lambda y: display.gainshow(y, y, SR).images[0].get_array(),
    "report.page": lambda y: len(report.page(y, SR)),
}


@pytest.fixture(autouse=True)
def no_picture_of_other_tests():
    plt.close("all")


SIGNAL = np.rint(32768 * real_recording()[0][: SR // 2]).astype(np.int16)
every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@every_verb
@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (np.zeros((SR, 2)), r"\(8000, 2\) looks like \(samples, channels\)"),
        (np.where(np.arange(SR) == 7, np.nan, 0.1), "sample 7 is nan"),
        (np.ones(SR, complex), "real numbers, not complex128"),
    ],
)
def test_mistakes_are_answered_alike(verb, mistake, words):
    with pytest.raises(NmfaudioError, match=words):
        verb(mistake)


@pytest.mark.parametrize("name", [name for name in VERBS if not name.startswith("metrics")])  # which take stacks
def test_more_than_two_axes_are_refused(name):
    words = r"signal of shape \(1, 2, 8000\): give \(samples,\) or \(channels, samples\)"
    with pytest.raises(AudioError, match=words):
        VERBS[name](np.zeros((1, 2, SR)))


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", sorted(VERBS.keys() - {"report.page"}))  # which prints how long it took
def test_integers_and_lists_are_taken_as_their_floats(name):
    floats = SIGNAL.astype(np.float32) / 32768
    expected = VERBS[name](floats)
    np.testing.assert_array_equal(VERBS[name](SIGNAL), expected)
    np.testing.assert_allclose(VERBS[name](floats.tolist()), expected, atol=1e-3)


RATED = {
    "denoise": lambda sr: denoise(SIGNAL, sr),
    "Denoiser": lambda sr: list(Denoiser("speech-fast").process_blocks([SIGNAL[None]], sr)),
    "StreamingDenoiser": lambda sr: StreamingDenoiser("speech-causal-fast", sr=sr),
    "noise_profile": lambda sr: noise_profile(SIGNAL, sr),
    "Separator": lambda sr: separation.Separator({"a": 1, "b": 1}, n_iter=1)(SIGNAL, sr),
    "Components": lambda sr: separation.Components(SIGNAL, sr, n_components=2, n_iter=1),
    "separate": lambda sr: separation.separate(SIGNAL, sr),
    "harmonic_percussive": lambda sr: separation.harmonic_percussive(SIGNAL, sr),
    "restore_samples": lambda sr: repair.restore_samples(SIGNAL, sr, np.arange(len(SIGNAL)) == 99, n_iter=1),
    "fill_regions": lambda sr: repair.fill_regions(SIGNAL, sr, [(0.1, 0.2)]),
    "extend_band": lambda sr: repair.extend_band(SIGNAL, sr),
    "find_clicks": lambda sr: repair.find_clicks(SIGNAL, sr),
    "find_dropouts": lambda sr: repair.find_dropouts(SIGNAL, sr),
    "STFT.for_rate": lambda sr: STFT.for_rate(sr),
    "FrontEnd": lambda sr: FrontEnd(sr=sr),
    "metrics.pesq": lambda sr: metrics.pesq(SIGNAL, SIGNAL, sr),
    "metrics.estoi": lambda sr: metrics.estoi(SIGNAL, SIGNAL, sr),
    "display.spectrogram": lambda sr: display.spectrogram(SIGNAL, sr),
    "display.gainshow": lambda sr: display.gainshow(SIGNAL, SIGNAL, sr),
    "report.page": lambda sr: report.page(SIGNAL, sr),
}


@pytest.mark.parametrize("call", RATED.values(), ids=RATED)
@pytest.mark.parametrize("sr", [0, -8000, 1e9, np.inf, np.nan, None, "8000", [8000], 8000j])
def test_what_is_no_sampling_rate_is_refused(call, sr):
    with pytest.raises(NmfaudioError) as caught:
        call(sr)
    assert "\n" not in str(caught.value)


MISTAKES = {
    "samples of several lengths": lambda: denoise([[1.0, 2.0], [1.0]], SR),
    "no samples": lambda: denoise(None, SR),
    "text": lambda: denoise("in.wav", SR),
    "strength": lambda: denoise(SIGNAL, SR, strength="1"),
    "limit": lambda: denoise(SIGNAL, SR, attenuation_limit_db=[12]),
    "channels": lambda: denoise(SIGNAL, SR, channels=2),
    "dictionary": lambda: denoise(SIGNAL, SR, dictionary=3),
    "noise": lambda: denoise(SIGNAL, SR, noise=3),
    "noise as a list": lambda: denoise(SIGNAL, SR, noise=[0.1, 0.2]),
    "blocks of one axis": lambda: list(Denoiser("speech-fast").process_blocks([SIGNAL], SR)),
    "one array for blocks": lambda: list(Denoiser("speech-fast").process_blocks(SIGNAL, SR)),
    "no blocks": lambda: list(Denoiser("speech-fast").process_blocks(None, SR)),
    "samples in the place of channels": lambda: list(Denoiser("speech-fast").process_blocks([SIGNAL[:, None]], SR)),
    "n_channels": lambda: StreamingDenoiser("speech-causal-fast", sr=SR, n_channels="2"),
    "n_components": lambda: separation.Components(SIGNAL, SR, n_components="2"),
    "sources": lambda: separation.separate(SIGNAL, SR, None),
    "number of sources": lambda: separation.separate(SIGNAL, SR, 2.5),
    "a source": lambda: separation.Separator({"a": None, "b": 1}),
    "regions": lambda: repair.fill_regions(SIGNAL, SR, [(0.1,)]),
    "a region of text": lambda: repair.fill_regions(SIGNAL, SR, ["0-1"]),
    "regions of nothing": lambda: repair.fill_regions(SIGNAL, SR, 3),
    "missing": lambda: repair.restore_samples(SIGNAL, SR, None),
    "cutoff": lambda: repair.extend_band(SIGNAL, SR, "3000"),
    "one source": lambda: metrics.bss_eval(SIGNAL, SIGNAL),
    "equal sources": lambda: metrics.bss_eval([SIGNAL, SIGNAL], [SIGNAL, SIGNAL]),
    "sources of three samples": lambda: metrics.bss_eval(np.eye(2, 3), np.eye(2, 3)),
    "references of text": lambda: metrics.si_sdr("a", "b"),
    "an STFT of text": lambda: STFT("512", 256),
    "an STFT of halves": lambda: STFT(512.5, 256),
}


@pytest.mark.parametrize("call", MISTAKES.values(), ids=MISTAKES)
def test_arguments_of_a_wrong_type_are_refused_in_one_line(call):
    with pytest.raises(NmfaudioError) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_more_than_memory_holds_is_refused_in_one_line():
    with pytest.raises(NmfaudioError, match="not enough memory .*: give less sound at a time, or smaller") as caught:
        StreamingDenoiser("speech-causal-fast", sr=SR, n_channels=10**9)
    assert "\n" not in str(caught.value)


FILE_MISTAKES = {
    "no source": lambda: denoise_file(None, "o.wav"),
    "no target": lambda: denoise_file("in.wav", None),
    "bytes": lambda: denoise_file(b"in.wav", "o.wav"),
    "a name that cannot be": lambda: denoise_file("in\0.wav", "o.wav"),
    "a target that cannot be": lambda: denoise_file("in.wav", "o\0.wav"),
    "start": lambda: denoise_file("in.wav", "o.wav", start_s="1"),
    "stop": lambda: denoise_file("in.wav", "o.wav", stop_s=np.nan),
    "stop at once": lambda: denoise_file("in.wav", "o.wav", stop_s=0),
    "stop before start": lambda: denoise_file("in.wav", "o.wav", start_s=0.1, stop_s=0.1),
    "noise": lambda: denoise_file("in.wav", "o.wav", noise=(1,)),
    "noise of text": lambda: denoise_file("in.wav", "o.wav", noise=("0", "x")),
    "a part of noise": lambda: noise_of_part("in.wav", 3, "speech"),
    "damage": lambda: repair_file("in.wav", "o.wav", damage=3),
    "gaps": lambda: repair_file("in.wav", "o.wav", gaps=(0.1, 0.2)),
    "gaps backwards": lambda: repair_file("in.wav", "o.wav", gaps=[(0.2, 0.1)]),
    "gaps before the beginning": lambda: repair_file("in.wav", "o.wav", gaps=[(-1, 0.1)]),
    "holes": lambda: repair_file("in.wav", "o.wav", holes=3),
    "a stem's folder": lambda: separate_file("in.wav", 3),
    "a part of a mixture": lambda: separate_file("in.wav", "o", "harmonic-percussive", start_s="1"),
    "a part that ends before it begins": lambda: separate_file("in.wav", "o", start_s=0.2, stop_s=0.1),
    "a part of a page that ends at once": lambda: report.report_file("in.wav", "o.html", stop_s=0),
    "a page": lambda: report.report_file("in.wav", None),
    "info": lambda: audio.info(None),
    "a part": lambda: audio.read("in.wav", start_s="1"),
    "a folder": lambda: audio.list_files(3),
    "a dictionary's file": lambda: Dictionary.load("speech-fast").save(None),
}


@pytest.mark.parametrize("call", FILE_MISTAKES.values(), ids=FILE_MISTAKES)
def test_arguments_of_file_functions_are_refused_in_one_line(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    sf.write("in.wav", SIGNAL, SR)
    with pytest.raises(NmfaudioError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert "has no sound" not in str(caught.value)  # it has some
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]
