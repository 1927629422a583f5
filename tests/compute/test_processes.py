"""Work in other processes: the results are those of this one, whatever happens to a worker."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from signals import real_recording
from sparse_blocks import NOISE, SPEECH, batches, blocks
from worker_functions import counted, deadly, die, die_at_2, square, square_or_die, train

from nmfaudio import NmfaudioError
from nmfaudio.compute.processes import workers


def corpora():
    return list(batches(blocks(SPEECH, 16, 0))), list(batches(blocks(NOISE, 8, 1)))


def assert_same(found, wanted):
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-7)


def test_one_process_is_the_built_in_map():
    with workers() as each:
        assert list(each(square, range(4))) == [0, 1, 4, 9]


def test_processes_give_the_same_atoms_though_one_is_killed(tmp_path):
    speech, noise = corpora()
    token = tmp_path / "token"
    with workers(jobs=2) as each:
        assert list(each(square, range(5))) == [0, 1, 4, 9, 16]
        found = train(deadly(speech, token), noise, each=each)
    assert not token.exists()  # one was killed
    assert_same(found, train(speech, noise))


def test_errors_of_the_work_come_through_and_work_that_kills_is_given_up():
    with workers(jobs=2) as each:
        with pytest.raises(TypeError):
            list(each(square, ["not a number"]))
        with pytest.raises(NmfaudioError, match="die again and again.*fewer --jobs"):
            list(each(die, range(2)))


def test_what_came_to_an_end_is_not_done_again(tmp_path):
    """As files that were cleaned in place, each in the process that is killed beside it."""
    (tmp_path / "token").touch()
    with workers(jobs=2) as each:
        assert list(each(partial(counted, str(tmp_path)), range(5))) == list(range(5))
    assert [len((tmp_path / str(n)).read_text()) for n in range(5)] == [2, 1, 1, 1, 1]
    assert not (tmp_path / "token").exists()


def test_what_kills_is_given_up_and_the_rest_done():
    with workers(jobs=2, lost=lambda n, error: str(error)) as each:
        done = list(each(die_at_2, range(6)))
    assert done[:2] + done[3:] == [0, 1, 3, 4, 5] and "die again and again" in done[2]


@pytest.fixture(scope="module")
def address():
    """Scheduler with two workers."""
    distributed = pytest.importorskip("distributed")
    from dask import config

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with config.set({"distributed.comm.timeouts.connect": "1s"}):  # a killed worker is called for so long
        with distributed.LocalCluster(**options) as cluster:
            yield cluster.scheduler_address


def test_a_cluster_gives_the_same_atoms_though_a_worker_is_killed(address, tmp_path):
    speech, noise = corpora()
    token = tmp_path / "token"
    with workers(scheduler=address) as each:
        found = train(deadly(speech, token), noise, each=each)
    assert not token.exists()
    assert_same(found, train(speech, noise))


def test_what_a_lost_worker_had_to_do_comes_in_order(address, tmp_path):
    (tmp_path / "token").touch()
    with workers(scheduler=address) as each:
        assert list(each(partial(square_or_die, str(tmp_path / "token")), range(5))) == [0, 1, 4, 9, 16]


def test_a_cluster_cleans_and_scores_files(address, tmp_path, monkeypatch, capsys):
    from nmfaudio.cli.denoise import main as denoise
    from nmfaudio.cli.main import main

    monkeypatch.chdir(tmp_path)
    for folder, y in zip(("clean", "noisy"), real_recording(), strict=True):
        Path(folder).mkdir()
        sf.write(f"{folder}/a.wav", y, 16000)
    options = ["--scheduler", address]
    assert denoise(["noisy", "--out-dir", "out", "--attenuation-limit", "0", *options]) == 0
    np.testing.assert_array_equal(sf.read("out/a.wav")[0], sf.read("noisy/a.wav")[0])
    assert main(["evaluate", "--clean", "clean", "--noisy", "noisy", "--enhanced", "out", *options]) == 0
    assert capsys.readouterr().out.splitlines()[-2].startswith("mean")
    assert denoise(["-", "-", *options]) == 2
    assert "standard input" in capsys.readouterr().err


def test_a_cluster_without_dask_is_a_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(NmfaudioError, match="nmfaudio\\[cluster\\]"), workers(scheduler="tcp://127.0.0.1:1"):
        pass


def test_a_scheduler_that_is_none_is_a_clear_error(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("nmfaudio.compute.processes._PATIENCE_S", 0.3)
    with pytest.raises(NmfaudioError, match="nowhere:1: no Dask scheduler"), workers(scheduler="nowhere:1"):
        pass


SCRIPT = """
import sys, time
from nmfaudio.cli.console import call
from nmfaudio.compute.processes import workers
from worker_functions import keep_busy

def run():
    with workers(2) as each:
        list(each(keep_busy, sys.argv[1:]))
    return 0

if __name__ == "__main__":
    sys.exit(call("test", run))
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number, to_group", [(9, False), (15, True), (15, False), (1, True), (2, True)])
def test_workers_clean_up_and_end_with_their_parent(tmp_path, number, to_group):
    files = [tmp_path / str(i) for i in range(2)]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", SCRIPT, *map(str, files)]
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 60
    try:
        while not all(path.exists() and path.read_text() for path in files):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        pids = [int(path.read_text()) for path in files]
        (os.killpg if to_group else os.kill)(process.pid, number)
        process.wait(30)
        while any(map(alive, pids)) or any(path.exists() for path in files):
            assert time.monotonic() < until
            time.sleep(0.02)
        if number != 9:
            assert process.returncode == 130 and "Traceback" not in process.stderr.read()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_item_that_arrives_after_the_end_is_not_begun(tmp_path):
    path, arriving = tmp_path / "begun", tmp_path / "begun.arriving"
    script = SCRIPT.replace("keep_busy, sys.argv[1:]", "begin, [Slow(sys.argv[1], 0.4)]")
    script = script.replace("import keep_busy", "import Slow, begin")
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen([sys.executable, "-c", script, path], env=env, start_new_session=True)
    until = time.monotonic() + 60
    try:
        while not arriving.exists():
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.01)
        process.terminate()
        assert process.wait(30) == 130
        assert not path.exists()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
