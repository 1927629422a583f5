from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from signals import real_recording

from nmfaudio import denoise_file
from nmfaudio.audio.loudness import loudness
from nmfaudio.denoising.presets import PRESETS

OPTIONS = {
    "dictionary": "-d",
    "attenuation_limit_db": "--attenuation-limit",
    "strength": "--strength",
    "channels": "--channels",
    "loudness_lufs": "--loudness",
}
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", PRESETS)
def test_each_is_a_set_of_arguments_of_denoise_file(tmp_path, name):
    sr = 16000
    y = real_recording(sr)[0]
    sf.write(tmp_path / "in.wav", np.stack([y, 0.5 * y], axis=1)[: 2 * sr], sr)
    options = {**PRESETS[name].options}
    denoise_file(tmp_path / "in.wav", tmp_path / "out.wav", dictionary="speech-sparse", **options)
    out = sf.read(tmp_path / "out.wav")[0].T
    assert out.shape == (2, 2 * sr)
    if lufs := options.get("loudness_lufs"):
        assert loudness(out, sr) == pytest.approx(lufs, abs=0.2)


@pytest.mark.skipif(not DOCS.is_dir(), reason="documentation is not in the wheel")
@pytest.mark.parametrize("name", PRESETS)
def test_the_documentation_names_the_options_that_it_stands_for(name):
    row = next(line for line in (DOCS / "files.md").read_text().splitlines() if line.startswith(f"| `{name}` |"))
    words = " ".join(
        f"{OPTIONS[key]} {value:g}" if isinstance(value, float) else f"{OPTIONS[key]} {value}"
        for key, value in PRESETS[name].options.items()
    )
    assert f"`{words}`" in row
