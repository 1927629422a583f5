import numpy as np
import pytest
from signals import real_recording

from nmfaudio import Denoiser, NmfaudioError, StreamingDenoiser, denoise, noise_profile
from nmfaudio.denoising.low_end import LowEnd
from nmfaudio.metrics import si_sdr

SR = 16000


@pytest.fixture(scope="module")
def recording():
    return real_recording(SR)[1][: 2 * SR].astype(np.float32)


def through(stream, y):
    return np.concatenate([stream.process(y), stream.flush()])[stream.latency :]


@pytest.mark.needs_jit
@pytest.mark.parametrize("offset", [-0.4, 0.1])
def test_an_offset_changes_nothing_and_is_removed(recording, offset):
    denoiser = Denoiser("speech-causal-fast")
    want = denoiser(recording, SR)
    assert abs(want.mean()) < 1e-3
    np.testing.assert_allclose(denoiser(recording + np.float32(offset), SR), want, atol=1e-5)
    stream = StreamingDenoiser("speech-causal-fast", sr=SR)
    np.testing.assert_allclose(through(stream, recording + np.float32(offset)), want, atol=1e-5)


@pytest.mark.needs_jit
def test_an_offset_of_one_channel_does_not_harm_the_other(recording):
    stereo = np.stack([recording, recording])
    want = denoise(stereo, SR, dictionary="speech-fast")
    stereo[0] += 0.3
    np.testing.assert_allclose(denoise(stereo, SR, dictionary="speech-fast"), want, atol=1e-5)


@pytest.mark.needs_jit
def test_rumble_below_hearing_hardly_changes_the_speech(recording):
    rumble = 0.2 * np.sin(2 * np.pi * 8 * np.arange(len(recording)) / SR)
    audible = np.fft.rfftfreq(len(recording), 1 / SR) > 40

    def speech(y):
        spectrum = np.fft.rfft(denoise(y, SR, dictionary="speech-fast"))
        return np.fft.irfft(spectrum * audible)

    assert si_sdr(speech(recording), speech(recording + rumble)) > 25


@pytest.mark.parametrize("blocks", [[1], [7, 400, 3], [5000]])
def test_blocks_of_any_length_are_split_alike(blocks):
    y = np.random.default_rng(0).standard_normal((2, 3000)).astype(np.float32)
    whole = LowEnd(500, 2, 8).push(y)
    low_end = LowEnd(500, 2, 8)
    edges = np.cumsum([8, *blocks * 3000])
    parts = [low_end.push(part) for part in np.split(y, edges[edges < 3000], axis=1)]
    for got, want in zip(zip(*parts, strict=True), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(got, axis=1), want)


def test_sound_passes_and_rumble_is_kept_out_of_the_analysis():
    t = np.arange(4 * SR) / SR
    for hz, cleaned, analysed in ((5, 1, 0.01), (20, 1, 0.707), (100, 1, 1)):
        tone = np.sin(2 * np.pi * hz * t)[None]
        for got, level in zip(LowEnd(SR, 1, 256).push(tone), (cleaned, analysed), strict=True):
            assert np.std(got[:, 2 * SR :]) / np.std(tone) == pytest.approx(level, abs=0.01)


def test_a_profile_does_not_depend_on_an_offset():
    noise = 0.1 * np.random.default_rng(0).standard_normal(SR)
    with_offset, without = (noise_profile(y, SR).arrays["noise"] for y in (noise + 0.3, noise))
    np.testing.assert_allclose(with_offset, without, atol=1e-4)


def test_a_rate_that_leaves_too_little_of_a_voice_is_refused():
    y = np.zeros(5000)
    for work in (Denoiser("speech-fast"), lambda y, sr: StreamingDenoiser("speech-causal-fast", sr=sr)):
        with pytest.raises(NmfaudioError, match="5000 Hz: .* needs 6000 Hz or more"):
            work(y, 5000)
    assert denoise(y, 6000, dictionary="speech-fast").shape == y.shape
