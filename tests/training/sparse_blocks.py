from itertools import islice

import numpy as np

F = 12
SPEECH = np.kron(np.eye(3), np.ones((4, 1)))[:, :3] + 0.02  # three bands
NOISE = np.stack([np.tile([1.0, 0.05], F // 2), np.tile([0.05, 0.05, 1.0], F // 3)], axis=1)


def blocks(W, n_blocks, seed, level=1.0):
    rng = np.random.default_rng(seed)
    for _ in range(n_blocks):
        H = rng.random((W.shape[1], 50)) * (rng.random((W.shape[1], 50)) < 0.5) + 0.03
        yield (level * rng.uniform(0.1, 10) * (W @ H)).astype(np.float32)


def batches(blocks, n=4):
    blocks = iter(blocks)
    while batch := list(islice(blocks, n)):
        yield batch
