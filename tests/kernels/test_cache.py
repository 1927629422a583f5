"""Machine code on disk that is damaged, or cannot be kept, is compiled anew."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.needs_jit

CODE = """if True:
    import sys
    import numpy as np
    from nmfaudio.kernels._jit import jit
    sys.path.insert(0, ".")
    import kernel
    twice = jit(kernel.twice)
    assert twice(np.ones(3)).tolist() == [2, 2, 2] and twice(np.ones(3, np.float32)).tolist() == [2, 2, 2]
    print(sum(twice.stats.cache_hits.values()))
"""


@pytest.fixture
def run(tmp_path):
    """Run a kernel with a cache in a process of its own; give how many signatures the cache had."""
    (tmp_path / "kernel.py").write_text("def twice(x):\n    return 2 * x\n")

    def call(cache="cache"):
        env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / cache), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return int(done.stdout)

    return call


def flip(content):
    return content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1 :]


DAMAGE = [
    ("nbi", lambda content: b""),
    ("nbi", lambda content: bytes(range(256)) * 20),
    ("nbc", lambda content: content[: len(content) // 2]),
    ("nbc", flip),
]


@pytest.mark.parametrize("suffix, damage", DAMAGE, ids=["empty index", "garbage", "cut", "a bit"])
def test_damaged_machine_code_is_compiled_anew_and_mended(tmp_path, run, suffix, damage):
    assert run() == 0
    for path in (tmp_path / "cache").rglob(f"*.{suffix}"):
        path.write_bytes(damage(path.read_bytes()))
    assert [run(), run()] == [0, 2]


def test_places_where_nothing_can_be_kept(tmp_path, run):
    (tmp_path / "file").touch()
    run("file")
    run()
    for path in list((tmp_path / "cache").rglob("*.nb?")):
        path.unlink()
        path.mkdir()
    assert run() == 0


def test_a_full_disk(tmp_path, run, monkeypatch):
    pytest.importorskip("resource")
    (tmp_path / "sitecustomize.py").write_text(
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"  # Python ignores SIGXFSZ
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run() == 0
    assert not list((tmp_path / "cache").rglob("*.tmp.*"))
