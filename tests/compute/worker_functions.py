"""Functions that tests have done elsewhere; in a module of their own, so that other processes can import them."""

import os
import signal
import time
from pathlib import Path

from nmfaudio.cli import batch
from nmfaudio.training import sparse


def square(x):
    return x * x


def square_or_die(token, x):
    """The worker that takes 2 is killed, once: as long as the file `token` exists."""
    if x == 2:
        die_once(token)
    return x * x


def die_once(token):
    if Path(token).exists():
        Path(token).unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def die(x):
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_2(x):
    if x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def counted(folder, n):
    """Leave a mark at each call; the worker that takes 0 waits until 1 is done, and is killed, once."""
    with open(Path(folder, str(n)), "a") as marks:
        marks.write("x")
    if n == 0 and Path(folder, "token").exists():
        while not Path(folder, "2").exists():
            time.sleep(0.01)
        time.sleep(0.3)  # until the result of 1 has arrived
        die_once(Path(folder, "token"))
    return n


def clean_and_die_once(token, options, job):
    """Clean a file; the worker is killed before anybody knows that, once."""
    result = batch._attempt(options, job)
    die_once(token)
    return result


def keep_busy(path):
    """Work for ever, with a file that is there meanwhile."""
    try:
        Path(path).write_text(str(os.getpid()))
        while True:
            time.sleep(0.01)
    finally:
        Path(path).unlink()


class DeadlyBlock:
    """Block whose first reader is killed half-way."""

    def __init__(self, V, token):
        self.V, self.token = V, token

    def __call__(self):
        die_once(self.token)
        return [self.V]


def deadly(batches, token):
    """The same batches, but the worker that takes a block in the middle of them dies, once."""
    batches = [list(batch) for batch in batches]
    token.touch()
    middle = batches[len(batches) // 2]
    middle[-1] = DeadlyBlock(middle[-1], str(token))
    return batches


def train(speech, noise, **options):
    return sparse.train_on_blocks(speech, noise, **{"n_speech": 3, "n_noise": 2, "penalty": 0.05} | options)


class Slow:
    """An item that takes its time to arrive."""

    def __init__(self, path, seconds):
        self.path, self.seconds = path, seconds

    def __reduce__(self):
        return _arrive, (self.path, self.seconds)


def _arrive(path, seconds):
    Path(f"{path}.arriving").touch()
    time.sleep(seconds)
    return path


def begin(path):
    Path(path).touch()
    time.sleep(60)
