import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from unfolded_helpers import CAUSAL, random_dictionary

import nmfaudio
from nmfaudio.cli import warmup
from nmfaudio.cli.main import main
from nmfaudio.dictionary import Dictionary

PACKAGE = Path(nmfaudio.__file__).parent


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Folder of shipped dictionaries: one for streams, and a sparse one."""
    random_dictionary(CAUSAL).save(tmp_path / "causal.npz")
    Dictionary("sparse", {"speech": np.eye(257, 3), "noise": np.eye(257, 2)}).save(tmp_path / "sparse.npz")
    Dictionary("sources", {"piano": np.eye(257, 3)}).save(tmp_path / "piano.npz")  # is passed over
    monkeypatch.setattr("nmfaudio.dictionary._FOLDERS", (tmp_path,))


@pytest.mark.needs_jit
def test_kernels_are_compiled_and_their_place_is_named(shipped, capsys):
    assert main(["warmup"]) == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("compiled, or found compiled, in ")
    assert list(Path(second.removeprefix("kept in ")).glob("block.ratio_block-*.nbc"))


def test_without_a_place_the_remedy_is_named(monkeypatch, capsys):
    monkeypatch.setattr(warmup, "compile_all", lambda: None)
    assert main(["warmup"]) == 0
    assert "kept nowhere" in (out := capsys.readouterr().out) and "NUMBA_CACHE_DIR" in out


@pytest.mark.needs_jit
@pytest.mark.skipif(os.name != "posix", reason="places where nothing can be written")
def test_denoise_works_where_neither_package_nor_home_can_be_written(tmp_path):
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "nmfaudio", ignore=shutil.ignore_patterns("__pycache__", "dictionaries"))
    for folder in [site / "nmfaudio", *(f for f in (site / "nmfaudio").rglob("*") if f.is_dir())]:
        (folder / "__pycache__").touch()  # a file in the place of the folder stops the superuser too
    random_dictionary(CAUSAL).save(tmp_path / "d.npz")
    sf.write(tmp_path / "in.wav", np.random.default_rng(0).standard_normal(9000) * 0.1, 16000)
    code = """if True:
        import sys
        from nmfaudio.cli.denoise import main
        from nmfaudio.kernels.unfolded.gradient import ratio_forward
        status = main(["in.wav", "out.wav", "-d", "d.npz"])
        print(ratio_forward.stats.cache_path)
        sys.exit(status)
    """
    env = {"PATH": os.defpath, "HOME": "/dev/null", "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")
    assert sf.info(tmp_path / "out.wav").frames == 9000
    assert not [path for path in site.rglob("__pycache__") if path.is_dir()]
