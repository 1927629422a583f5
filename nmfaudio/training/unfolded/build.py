"""Training of an unfolded dictionary from corpora, stage after stage, each on the masks of the ones before."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...arguments import check_seed, checked
from ...denoising.unfolded.context import Context
from ...denoising.unfolded.decomposition import speech_of, stages_below, stages_of
from ...dictionary import Dictionary
from ...errors import NmfaudioError
from ...spectra.front_end import FrontEnd
from ...unfolded.stage import Stage, run_stages
from ...unfolded.updates import Matmul
from ...unfolded.weights import Weights, named_arrays
from ..checkpoint import Checkpoint, fingerprint
from ..data.corpus import Corpus
from ..data.frame_pool import Example
from ..data.mixing import ADDED, AnyMixer, FullBandMixer, Mixture, mixer_of
from .loss import Objective
from .presets import Preset
from .stage import Curve, Schedule, train_stage, trained_dictionary
from .start import initial_weights
from .together import Whole, train_together

N_DEV_MIXTURES = 60
_BEGINNING, _BEGINNINGS = 96, 0.3  # frames, 1.5 s; share of the mixtures whose beginning alone is used


@checked
def build_unfolded(
    mixer: AnyMixer,
    dev_mixer: AnyMixer,
    preset: Preset,
    *,
    front_end: FrontEnd,
    schedules: list[Schedule],
    objective: Objective,
    first_stages: list[Stage],
    start: Sequence[Stage] = (),
    together: Schedule | None = None,
    to_the_end: bool = False,
    random_state: int = 0,
    matmul: Matmul = np.matmul,
    checkpoint: Path | None = None,
    report: Callable[[int, dict[str, float]], None] = lambda stage, entry: None,
) -> Dictionary:
    """Train the stages of a preset, one on top of the other, and all of them together at the end.

    Parameters
    ----------
    mixer, dev_mixer : AnyMixer
        Mixtures to learn from, and to watch the learning on.
    preset : Preset
    front_end : FrontEnd
    schedules : list of Schedule
        One for each stage.
    objective : Objective
    first_stages : list of Stage
        Stages that are trained already and taken over as they are.
    start : sequence of Stage
        Trained stages to go on from; for stages beyond them, sparse NMF makes the first atoms.
    together : Schedule, optional
        Of the training of all stages at once; without it there is none.
    to_the_end : bool
        As for :func:`nmfaudio.training.unfolded.stage.train_stage`.
    random_state : int
        Seed of all random choices; that of stage i is i more.
    matmul : callable
        Matrix product of the training steps.
    checkpoint : Path, optional
        The state of stage i is kept beside it in ``NAME.i.npz``, that of all stages in ``NAME.together.npz``.
    report : callable
        Called with the stage, or the number of stages for all of them, and each entry of the learning curve.

    Returns
    -------
    Dictionary
        Of kind "unfolded"; its record holds the learning curves and no corpora.

    Raises
    ------
    NmfaudioError
        If the seed or the sounds will not do, a checkpoint is of another training, or the training breaks down.
    """
    check_seed(random_state)
    if preset.front_end.n_high and not (isinstance(mixer, FullBandMixer) and isinstance(dev_mixer, FullBandMixer)):
        raise NmfaudioError(
            "a full-band dictionary learns from, and is watched on, speech and noise with content well above 8 kHz: "
            "give recordings at 44.1 or 48 kHz too, or take a fast kind, which ends at 8 kHz"
        )
    stages, curves = list(first_stages), list[tuple[Schedule, Curve]]()
    for i in range(len(stages), len(preset.contexts)):
        context, size, seed = preset.contexts[i], preset.sizes[i], random_state + i
        weights = initial_weights(context, mixer, front_end, size, seed)
        # a joined stage learns from the mask that those it is joined to take, so that it errs in other places
        group = next(j for j in range(i, -1, -1) if not preset.sizes[j].joined)
        if i < len(start):
            weights = _going_on(weights, start[i].weights)
        stage, curve = _trained(
            Stage(weights, size.order, context, size.passes, size.joined),
            Examples(mixer, tuple(stages[:group]), context, front_end, objective, schedules[i].item_frames),
            dev_mixer,
            N_DEV_MIXTURES,
            schedules[i],
            to_the_end=to_the_end,
            random_state=seed,
            matmul=matmul,
            checkpoint=None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.{i}.npz"),
            report=partial(report, i),
        )
        stages.append(stage)
        curves.append((schedules[i], curve))
    if together is not None:
        settings = {
            "random_state": random_state,
            "objective": asdict(objective),
            "contexts": [asdict(stage.context) for stage in stages],
            "before": [fingerprint(stage.weights.arrays()) for stage in stages],
            "passes": [stage.passes for stage in stages],
            "joined": [stage.joined for stage in stages],
        }
        stages, curve = train_together(
            stages,
            Wholes(mixer, front_end, objective),
            [Wholes(dev_mixer, front_end, objective).of(dev_mixer(i)) for i in range(N_DEV_MIXTURES)],
            schedule=together,
            objective=objective,
            matmul=matmul,
            checkpoint=None
            if checkpoint is None
            else Checkpoint(checkpoint.with_name(f"{checkpoint.name}.together.npz"), settings),
            report=partial(report, len(stages)),
        )
        curves.append((together, curve))
    return trained_dictionary("unfolded", stages, curves, front_end, objective, random_state, {})


def retrain_unfolded(
    dictionary: Dictionary,
    mixer: AnyMixer,
    dev_mixer: AnyMixer,
    *,
    schedule: Schedule,
    n_dev: int,
    random_state: int = 0,
) -> Dictionary:
    """Train the last stage of an unfolded dictionary on, from its present state: that for bins, and for a full band.

    Parameters
    ----------
    dictionary : Dictionary
    mixer, dev_mixer : AnyMixer
        Mixtures to learn from, and to choose the best state by.
    schedule : Schedule
    n_dev : int
        Number of mixtures to choose by.
    random_state : int
        Seed of the batches.

    Returns
    -------
    Dictionary
    """
    stages = stages_of(dictionary)
    last = {len(stages_below(stages, dictionary.front_end.n_bins)) - 1}
    if isinstance(mixer, FullBandMixer):
        last.add(len(stages) - 1)
    for i in sorted(last):
        context, before = stages[i].context, tuple(stages[:i])
        assert isinstance(context, Context)
        examples = Examples(mixer, before, context, dictionary.front_end, Objective(), schedule.item_frames)
        stages[i], _ = _trained(stages[i], examples, dev_mixer, n_dev, schedule, random_state=random_state)
    return replace(dictionary, arrays={**dictionary.arrays, **named_arrays([stage.weights for stage in stages])})


def mixers(
    speech: Corpus, noise: Corpus, dev_speech: Corpus, dev_noise: Corpus, front_end: FrontEnd, random_state: int
) -> tuple[AnyMixer, AnyMixer]:
    """Make the mixers to learn from, and to watch the learning on."""
    dev_mixer = mixer_of(dev_speech, dev_noise, front_end, random_state=2**31, variations={ADDED: 1.0})
    return mixer_of(speech, noise, front_end, random_state), dev_mixer


@dataclass(frozen=True)
class Examples:
    """Training examples of a stage, made of mixtures.

    Parameters
    ----------
    mixer : AnyMixer
    before : tuple of Stage
        Stages whose mask the stage takes.
    context : Context
        Of the stage.
    front_end : FrontEnd
    objective : Objective
    n_frames : int
        Frames of a mixture to use.
    """

    mixer: AnyMixer
    before: tuple[Stage, ...]
    context: Context
    front_end: FrontEnd
    objective: Objective
    n_frames: int

    def __call__(self, number: int) -> Example:
        """Make an example of random frames of mixture `number`, not of all: frames of one mixture teach much the same.

        Some are of its beginning alone, where little is known of the noise yet and a voice is easily taken for it.
        """
        mix = self.mixer(number)
        n = mix.speech.shape[1]
        rng = np.random.default_rng([self.mixer.random_state, number, 2])
        if rng.random() < _BEGINNINGS:
            n = min(n, _BEGINNING)
        return self.of(mix, np.sort(rng.choice(n, self.n_frames, replace=n < self.n_frames)))

    def of(self, mix: Mixture, frames: slice | np.ndarray = slice(None)) -> Example:
        """Make an example of some frames of a mixture."""
        V = _magnitudes(mix, self.front_end)
        mask = None
        if self.before:
            before = [stage.below(len(V)) for stage in self.before]
            mask = run_stages(before, V, 0, V.shape[1], speech_of)
        context = self.context
        stack, tracked = context.stack_rows(V, mask, frames)
        mixture, target = (rows[..., : context.height] for rows in self.objective.spectra(mix, self.front_end, frames))
        n_high = np.full(len(stack), context.below(len(V)).n_high, np.float32)
        return Example(stack, tracked, mixture, target, n_high)


@dataclass(frozen=True)
class Wholes:
    """Training mixtures of all stages at once: mixtures with all their frames.

    Parameters
    ----------
    mixer : AnyMixer
    front_end : FrontEnd
    objective : Objective
    """

    mixer: AnyMixer
    front_end: FrontEnd
    objective: Objective

    def __call__(self, number: int) -> Whole:
        """Make mixture `number`; of some, the beginning alone, as for :class:`Examples`."""
        rng = np.random.default_rng([self.mixer.random_state, number, 2])
        return self.of(self.mixer(number), slice(_BEGINNING if rng.random() < _BEGINNINGS else None))

    def of(self, mix: Mixture, frames: slice = slice(None)) -> Whole:
        """Make a mixture of some of its frames."""
        V = _magnitudes(mix, self.front_end)
        return Whole(np.ascontiguousarray(V[:, frames]), *self.objective.spectra(mix, self.front_end, frames))


def _magnitudes(mix: Mixture, front_end: FrontEnd) -> np.ndarray:
    """Compute V of a mixture, without the bands that it does not reach."""
    return front_end.compressed(np.abs(mix.mixture) ** 2, front_end.n_high_below(mix.top_hz))


def _trained(
    stage: Stage,
    examples: Examples,
    dev_mixer: AnyMixer,
    n_dev: int,
    schedule: Schedule,
    *,
    checkpoint: Path | None = None,
    random_state: int,
    **options: Any,
) -> tuple[Stage, Curve]:
    """Train a stage; return it anew, and its learning curve."""
    settings = {
        "random_state": random_state,
        "order": stage.order,
        "n_components": len(stage.weights.start),
        "against": [i for i, layer in enumerate(stage.weights.layers) if layer.against is not None],
        "objective": asdict(examples.objective),
        "before": [fingerprint(earlier.weights.arrays()) for earlier in examples.before],
        **asdict(stage.context),
    }
    weights, curve = train_stage(
        stage.weights,
        stage.order,
        stage.context,
        examples,
        Example.joined([examples.of(dev_mixer(number)) for number in range(n_dev)]),
        schedule=schedule,
        objective=examples.objective,
        random_state=random_state,
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint, settings),
        **options,
    )
    return stage.of(weights), curve


def _going_on(weights: Weights, trained: Weights) -> Weights:
    """Take over the trained arrays that have the names and shapes of these."""
    known = trained.arrays()
    return Weights.from_arrays(
        {
            name: known[name] if name in known and known[name].shape == array.shape else array
            for name, array in weights.arrays().items()
        }
    )
