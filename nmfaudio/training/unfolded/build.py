"""From corpora to an unfolded dictionary: stage after stage, each on what the one before makes of fresh mixtures."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...compute.processes import Map
from ...denoising.gain import power_mask
from ...denoising.unfolded.context import Context
from ...denoising.unfolded.decomposition import Matmul, Stage, stages_of
from ...dictionary import Dictionary
from ...spectra.front_end import FrontEnd
from ..checkpoint import Checkpoint
from ..data.corpus import Corpus
from ..data.corpus_blocks import corpus_batches
from ..data.frame_pool import Example
from ..data.mixing import ADDED, Mixer, Mixture
from ..sparse import train_sparse
from .gradient import Objective
from .presets import Preset
from .stage import Schedule, train_stage
from .start import initial_weights

N_DEV_MIXTURES = 60
_BEGINNING, _BEGINNINGS = 96, 0.3  # frames, 1.5 s; share of the mixtures of which these are heard alone
LEAST_HEARD_S = 1800.0


def build_sparse(
    speech: Corpus,
    noise: Corpus,
    *,
    front_end: FrontEnd,
    seed: int = 0,
    most_s: float = np.inf,
    each: Map = map,
    checkpoint: Path | None = None,
    progress: Callable[[float], None] = lambda part: None,
    **options: Any,
) -> Dictionary:
    """Train a sparse dictionary on all of two corpora, in blocks that can be anywhere.

    Parameters
    ----------
    speech, noise : Corpus
    front_end : FrontEnd
    seed : int
    most_s : float
        No more is heard of a corpus; one of less than half an hour is heard several times.
    each : callable
        From :func:`nmfaudio.compute.processes.workers`.
    checkpoint : Path, optional
        Keep the state here, and go on from it.
    progress : callable
        Called with what is done, from 0 to 1.
    **options
        Of :func:`nmfaudio.training.sparse.train_sparse`.

    Returns
    -------
    Dictionary
        Of kind "sparse", without provenance.
    """
    heard_s = {
        name: min(max(c.hours * 3600, LEAST_HEARD_S), most_s) for name, c in (("speech", speech), ("noise", noise))
    }
    total_s = sum(heard_s.values())

    def show(name: str, frames: int, objective: float) -> None:
        done_s = min(frames * front_end.hop_s, heard_s[name]) + (heard_s["speech"] if name == "noise" else 0)
        progress(done_s / total_s)

    settings = {
        "seed": seed,
        "front_end": asdict(front_end),
        "speech": [len(speech.files), speech.hours, heard_s["speech"]],
        "noise": [len(noise.files), noise.hours, heard_s["noise"]],
        **options,
    }
    arrays = train_sparse(
        corpus_batches(speech, front_end, seed, heard_s["speech"]),
        corpus_batches(noise, front_end, seed + 1, heard_s["noise"]),
        seed=seed,
        each=each,
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint, settings),
        progress=show,
        **options,
    )
    return Dictionary("sparse", arrays, front_end, {"mask_power": 1.6})  # measured best on development mixtures


def hear(stages: Sequence[Stage], V: np.ndarray) -> np.ndarray | None:
    """Mask of the stages so far, shape (F, N); None before the first."""
    mask = None
    for stage in stages:
        mask = power_mask(*stage(V, mask))
    return mask


def build_unfolded(
    mixer: Mixer,
    dev_mixer: Mixer,
    preset: Preset,
    *,
    front_end: FrontEnd,
    schedules: list[Schedule],
    objective: Objective,
    first_stages: list[Stage],
    start: Sequence[Stage] = (),
    seed: int = 0,
    matmul: Matmul = np.matmul,
    checkpoint: Path | None = None,
    report: Callable[[int, dict[str, float]], None] = lambda stage, entry: None,
) -> Dictionary:
    """Train the stages of a preset, one on top of the other.

    Parameters
    ----------
    mixer, dev_mixer : Mixer
        Mixtures to learn from, and to watch the learning on.
    preset : Preset
    front_end : FrontEnd
    schedules : list of Schedule
        One for each stage.
    objective : Objective
    first_stages : list of Stage
        Stages that are trained already and taken over as they are.
    start : sequence of Stage
        Trained stages to go on from; where there is none, sparse NMF makes the first atoms.
    seed : int
    matmul : callable
        Matrix product of the training steps.
    checkpoint : Path, optional
        The state of stage i is kept beside it in ``NAME.i.npz``.
    report : callable
        Called with the stage and each entry of its learning curve.

    Returns
    -------
    Dictionary
        Of kind "unfolded", without provenance but the learning curves.
    """
    stages, curves = list(first_stages), []
    for i in range(len(stages), len(preset.contexts)):
        context, size = preset.contexts[i], preset.sizes[i]
        P = initial_weights(context, mixer, front_end.exponent, size, seed)
        if i < len(start):
            P |= {name: array for name, array in start[i].P.items() if name in P and P[name].shape == array.shape}
        stage, curve = _trained(
            Stage(P, list(size.order), context),
            stages,
            mixer,
            dev_mixer,
            N_DEV_MIXTURES,
            front_end.exponent,
            schedule=schedules[i],
            objective=objective,
            seed=seed,
            matmul=matmul,
            checkpoint=None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.{i}.npz"),
            report=partial(report, i),
        )
        stages.append(stage)
        curves.append({"schedule": asdict(schedules[i]), "curve": curve})
    return Dictionary(
        "unfolded",
        {f"{i}/{name}": array for i, stage in enumerate(stages) for name, array in stage.P.items()},
        front_end,
        {"stages": [{"order": stage.order, "context": asdict(stage.context)} for stage in stages]},
        {"objective": asdict(objective), "seed": seed, "stages": curves},
    )


def retrain_unfolded(
    dictionary: Dictionary, mixer: Mixer, dev_mixer: Mixer, *, schedule: Schedule, n_dev: int, seed: int = 0
) -> Dictionary:
    """Train the last stage of an unfolded dictionary on, from where it is.

    Parameters
    ----------
    dictionary : Dictionary
    mixer, dev_mixer : Mixer
        Mixtures to learn from, and to choose the best state by.
    schedule : Schedule
    n_dev : int
        How many of the latter.
    seed : int

    Returns
    -------
    Dictionary
    """
    *before, stage = stages_of(dictionary)
    trained, _ = _trained(
        stage,
        before,
        mixer,
        dev_mixer,
        n_dev,
        dictionary.front_end.exponent,
        schedule=schedule,
        objective=Objective(),
        seed=seed,
    )
    renewed = {f"{len(before)}/{name}": array for name, array in trained.P.items()}
    return replace(dictionary, arrays={**dictionary.arrays, **renewed})


def _trained(
    stage: Stage,
    before: Sequence[Stage],
    mixer: Mixer,
    dev_mixer: Mixer,
    n_dev: int,
    exponent: float,
    *,
    schedule: Schedule,
    objective: Objective,
    **options: Any,
) -> tuple[Stage, list[dict[str, float]]]:
    """A stage trained on what those before it make of the mixtures, and its learning curve."""
    example = partial(_example, objective, np.float32(exponent), stage.context, tuple(before))
    P, curve = train_stage(
        {name: array.copy() for name, array in stage.P.items()},
        stage.order,
        partial(_some_frames, example, mixer, schedule.item_frames),
        _joined([example(dev_mixer(number)) for number in range(n_dev)]),
        schedule=schedule,
        objective=objective,
        **options,
    )
    return Stage(P, stage.order, stage.context), curve


def _example(
    objective: Objective,
    exponent: np.float32,
    context: Context,
    before: tuple[Stage, ...],
    mix: Mixture,
    frames: slice | np.ndarray = slice(None),
) -> Example:
    """Frames of a mixture for the stage after those `before`."""

    def stack(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        V = X**exponent
        return context.stack(V, hear(before, V), frames)

    return objective.example(mix, stack, frames)


def _joined(examples: list[Example]) -> Example:
    return Example(**{name: np.concatenate([getattr(e, name) for e in examples]) for name in vars(examples[0])})


def _some_frames(example: Callable[..., Example], mixer: Mixer, n_frames: int, number: int) -> Example:
    """Random frames of mixture `number`: those of one mixture teach much the same.

    Some are of its beginning alone, where little is known of the noise yet and a voice is easily taken for it.
    """
    mix = mixer(number)
    n = mix.speech.shape[1]
    rng = np.random.default_rng([mixer.seed, number, 2])
    if rng.random() < _BEGINNINGS:
        n = min(n, _BEGINNING)
    return example(mix, np.sort(rng.choice(n, n_frames, replace=n < n_frames)))


def mixers(speech, noise, dev_speech, dev_noise, front_end: FrontEnd, seed: int) -> tuple[Mixer, Mixer]:
    """Mixtures to learn from and to watch the learning on."""
    stft = front_end.stft(front_end.sr)
    return Mixer(speech, noise, stft, seed), Mixer(dev_speech, dev_noise, stft, seed=2**31, variations={ADDED: 1.0})
