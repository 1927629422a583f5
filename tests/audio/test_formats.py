import pytest

from nmfaudio import audio
from nmfaudio.errors import AudioError


@pytest.mark.parametrize(
    "source, path, format, subtype, expected",
    [
        (("WAV", "PCM_24"), "b.wav", None, None, ("WAV", "PCM_24")),
        (("WAVEX", "PCM_24"), "b.wav", None, None, ("WAVEX", "PCM_24")),
        (("RF64", "FLOAT"), "b.WAV", None, None, ("RF64", "FLOAT")),
        (("FLAC", "PCM_16"), "b.wav", None, None, ("WAV", "PCM_16")),
        (("WAV", "PCM_16"), "b.flac", None, None, ("FLAC", "PCM_16")),
        (("WAV", "FLOAT"), "b.flac", None, None, ("FLAC", "PCM_24")),
        (("WAV", "PCM_U8"), "b.flac", None, None, ("FLAC", "PCM_16")),
        (("WAV", "FLOAT"), "b.mp3", None, None, ("MP3", "MPEG_LAYER_III")),
        (("WAV", "FLOAT"), "b.opus", None, None, ("OGG", "OPUS")),
        (("OGG", "VORBIS"), "b.ogg", None, None, ("OGG", "VORBIS")),
        (("OGG", "OPUS"), "b.ogg", None, None, ("OGG", "OPUS")),
        (("OGG", "VORBIS"), "b.wav", None, None, ("WAV", "PCM_16")),
        (("CAF", "PCM_16"), "b", None, None, ("CAF", "PCM_16")),
        (("WAV", "PCM_16"), "b.wav", "w64", "float", ("W64", "FLOAT")),
        (("WAV", "PCM_16"), "b.flac", None, "PCM_24", ("FLAC", "PCM_24")),
    ],
)
def test_the_format_follows_the_source_the_suffix_and_the_wish(source, path, format, subtype, expected):
    info = audio.AudioInfo("a", 16000, 1, 1000, *source).written_to(path, format, subtype)
    assert (info.format, info.subtype) == expected


def test_wav_over_4_gb_becomes_rf64():
    info = audio.AudioInfo("a.w64", 48000, 2, 48000 * 3600 * 5, "W64", "PCM_24")
    assert info.written_to("b.wav").format == "RF64"
    assert info.written_to("b.w64").format == "W64"


@pytest.mark.parametrize(
    "format, subtype, words",
    [("nonsense", None, "WAV"), (None, "VORBIS", "'VORBIS' in WAV.*PCM_16"), ("raw", "x", "PCM_16")],
)
def test_unknown_formats_are_refused_with_the_choice(format, subtype, words):
    with pytest.raises(AudioError, match=words):
        audio.AudioInfo("a.wav", 16000, 1, 1000, "WAV", "PCM_16").written_to("b.wav", format, subtype)
