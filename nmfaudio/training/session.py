"""Train a dictionary from folders of sound: hold out, train, record, compare with the shipped one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .. import audio
from ..arguments import check_choice, check_seed, checked
from ..compute.processes import Map
from ..denoising.decomposition import decomposition_for
from ..denoising.unfolded.decomposition import stages_of
from ..dictionary import Dictionary, DictionaryLike, available, model_card
from ..display import tuningshow
from ..errors import NmfaudioError
from ..files import PathLike, check_output, check_stem, identity, is_device, is_same, replacing
from . import comparison
from . import tune as tuning
from .adapt import adapt
from .checkpoint import hours
from .comparison import Comparison, mixtures
from .data.corpus import Corpus
from .source import train_dictionary
from .sparse import FRONT_END, LEAST_CORPUS_S, build_sparse
from .unfolded.build import build_unfolded, mixers
from .unfolded.gradient import coarse_matmul
from .unfolded.loss import Objective
from .unfolded.presets import PRESETS
from .unfolded.stage import Schedule
from .unfolded.together import TOGETHER

Corpora = dict[str, Corpus]
Report = Callable[[str], None]

KINDS = ("sparse", *PRESETS)
"""Kinds of dictionaries that denoise."""

_LONGEST_SOURCE_S = 300.0  # of one source, whose sound is kept in memory
_HELD_OUT, _MOST_HELD_OUT_S = 0.2, 240.0  # of a corpus that none else is given for


@dataclass(frozen=True)
class Trained:
    """A new dictionary, and how it compares with others on sound that it was not trained on.

    Parameters
    ----------
    dictionary : Dictionary
        With the comparisons in its record.
    comparisons : dict of str to Comparison
        Comparison with each rival, by a title.
    no_verdict : str
        Reason why there is no comparison, if so.
    """

    dictionary: Dictionary
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    no_verdict: str = ""


@checked
def train_denoiser(
    speech: PathLike,
    noise: PathLike,
    output: PathLike | None = None,
    *,
    kind: str = "sparse",
    dev_speech: PathLike | None = None,
    dev_noise: PathLike | None = None,
    tune: bool = False,
    steps: Sequence[int] | None = None,
    first: DictionaryLike | None = None,
    start: DictionaryLike | None = None,
    bf16: bool = False,
    checkpoint: PathLike | None = None,
    random_state: int = 0,
    note: str = "",
    command: str = "",
    overwrite: bool = False,
    each: Map = map,
    report: Report = lambda line: None,
    progress: Callable[[float], None] = lambda part: None,
) -> Trained:
    """Train a dictionary of speech and noise, and compare it with the shipped one.

    Parameters
    ----------
    speech, noise : path
        Folder of sound files, or text file with a path a line: speech as clean as can be had, and noise without speech.
    output : path, optional
        File for the dictionary, ``.npz``; its model card is written beside it. It is written as soon as it is trained,
        and again with the verdict.
    kind : str
        "sparse" takes minutes; "file", "file-fast", "causal" and "causal-fast" are unfolded and take hours.
    dev_speech, dev_noise : path, optional
        Other sound, to compare on. By default, a fifth of `speech` and of `noise`, four minutes at most, which is not
        trained on.
    tune : bool
        Choose the numbers of atoms and the penalty on held-out sound (kind "sparse").
    steps : sequence of int, optional
        Batches of all stages or of each one; a number more is that of all stages together, at the end (kinds other than
        "sparse").
    first, start : str, path or Dictionary, optional
        Dictionary whose stages are kept, so that only those after them are trained, and one whose stages are trained on
        (kinds other than "sparse").
    bf16 : bool
        Use faster, coarser matrix products, which need torch (kinds other than "sparse").
    checkpoint : path, optional
        File to keep the state in, and to go on from.
    random_state : int
        Seed of all that is drawn.
    note, command : str
        Text for the dictionary's record.
    overwrite : bool
        Replace files that exist.
    each : callable
        Map from :func:`nmfaudio.compute.processes.workers`.
    report : callable
        Called with a line of text about the training.
    progress : callable
        Called with the part that is done, from 0 to 1 (kind "sparse").

    Returns
    -------
    Trained

    Raises
    ------
    NmfaudioError
        If there is too little sound, or some to compare on that is trained on; for options that do not go together, or
        files that cannot be read or written.

    Examples
    --------
    >>> from nmfaudio.training.session import train_denoiser
    >>> def make_mine():
    ...     trained = train_denoiser("voices", "noises", "mine.npz", report=print)
    ...     return [comparison.verdict for comparison in trained.comparisons.values()]
    """
    check_choice("kind", kind, KINDS)
    if tune and kind != "sparse":
        raise NmfaudioError("tune is for dictionaries of kind sparse: leave out --tune, or give --kind sparse")
    if kind == "sparse" and (steps or first or start or bf16):
        raise NmfaudioError("steps, first, start and bf16 are for the other kinds: choose one by kind")
    if tune and find_spec("matplotlib") is None:
        raise NmfaudioError("tune draws a picture, without matplotlib: pip install 'nmfaudio[notebooks]'")
    session = _Session(output, random_state, note, command, each, report)
    session.check(
        overwrite, [speech, noise, dev_speech, dev_noise, first, start], (".png",) if tune else (), checkpoint
    )
    front_end = FRONT_END if kind == "sparse" else PRESETS[kind].front_end
    state = None if checkpoint is None else Path(checkpoint)
    corpora = session.corpora({"speech": speech, "noise": noise}, front_end.sr)
    trained, held_out = session.split(corpora, {"speech": dev_speech, "noise": dev_noise}, front_end.sr)
    if kind == "sparse":
        options: dict[str, Any] = {"front_end": front_end, "random_state": random_state, "each": each}
        build = partial(build_sparse, trained["speech"], trained["noise"], **options)
        chosen = session.tuned(build, held_out) if tune else {}
        dictionary = build(checkpoint=state, progress=progress, **chosen)
    else:
        watched = dict(held_out)
        for name, path in (("speech", dev_speech), ("noise", dev_noise)):
            if not path:  # watch one half, and compare on the other
                held_out[name], watched[name] = held_out[name].split(0.5, np.inf, random_state)
        corpora_in_use = trained["speech"], trained["noise"], watched["speech"], watched["noise"]
        dictionary = _unfolded(kind, corpora_in_use, steps, first, start, bf16, state, random_state, report)
    dictionary = session.written(dictionary, trained)
    given = " and ".join(name for name, path in (("speech", dev_speech), ("noise", dev_noise)) if path)
    watched_too = f", of {given} on which the learning was watched too" if kind != "sparse" and given else ""
    return session.judged(dictionary, held_out, {}, watched_too)


@checked
def adapt_denoiser(
    dictionary: DictionaryLike,
    output: PathLike | None = None,
    *,
    speech: PathLike | None = None,
    noise: PathLike | None = None,
    dev_speech: PathLike | None = None,
    dev_noise: PathLike | None = None,
    random_state: int = 0,
    note: str = "",
    command: str = "",
    overwrite: bool = False,
    each: Map = map,
    report: Report = lambda line: None,
) -> Trained:
    """Fit a dictionary to half a minute of a noise, or a minute of a voice, and compare it with what it was.

    Parameters
    ----------
    dictionary : str, path or Dictionary
        Name of a shipped dictionary, file, or a loaded one.
    output : path, optional
        File for the new dictionary, ``.npz``.
    speech, noise : path, optional
        Folder of sound files, or text file with a path a line; at least one of the two.
    dev_speech, dev_noise, random_state, note, command, overwrite, each, report
        As for :func:`train_denoiser`.

    Returns
    -------
    Trained

    Raises
    ------
    NmfaudioError
        If there is no sound, or some to compare on that is adapted to; or speech alone for a kind that needs noise too.

    Examples
    --------
    >>> from nmfaudio.training.session import adapt_denoiser
    >>> def know_my_fan():
    ...     return adapt_denoiser("speech", "mine.npz", noise="fan").dictionary
    """
    if not (speech or noise):
        raise NmfaudioError("nothing to adapt to: give a noise (--noise) or a voice (--speech)")
    session = _Session(output, random_state, note, command, each, report)
    session.check(overwrite, [speech, noise, dev_speech, dev_noise])  # the dictionary may be replaced: it is added to
    base = Dictionary.load(dictionary)
    sr = base.front_end.sr
    sounds = {name: path for name, path in (("speech", speech), ("noise", noise)) if path}
    # the noise will be met again, and is not another of its kind
    trained, held_out = session.split(
        session.corpora(sounds, sr), {"speech": dev_speech, "noise": dev_noise}, sr, in_time=("noise",)
    )
    fitted = adapt(base, trained.get("speech"), trained.get("noise"), random_state)
    fitted = session.written(fitted, trained)
    rival = base.name if isinstance(dictionary, Dictionary) else os.fspath(dictionary)
    return session.judged(fitted, held_out, {rival: base})


@checked
def train_source(
    name: str,
    sound: PathLike,
    output: PathLike | None = None,
    *,
    n_components: int = 80,
    n_taps: int = 1,
    penalty: float = 0.2,
    window_s: float = 0.064,
    random_state: int = 0,
    note: str = "",
    command: str = "",
    overwrite: bool = False,
    each: Map = map,
    report: Report = lambda line: None,
) -> Dictionary:
    """Train a dictionary of any one source, for :class:`nmfaudio.separation.Separator`.

    Parameters
    ----------
    name : str
        Name of the source.
    sound : path
        Folder of recordings of it alone, or text file with a path a line; five minutes of them are used.
    output : path, optional
        File for the dictionary, ``.npz``.
    n_components : int
        Number of atoms.
    n_taps : int
        Frames of an atom; about 8 for drums.
    penalty : float
        L1 penalty of the activations: 1 for voices.
    window_s : float
        Seconds of a frame.
    random_state, note, command, overwrite, each, report
        As for :func:`train_denoiser`.

    Returns
    -------
    Dictionary

    Raises
    ------
    NmfaudioError
        If there is no sound, or no file of a stem can have the name.

    Examples
    --------
    >>> from nmfaudio.training.session import train_source
    >>> def learn_piano():
    ...     return train_source("piano", "piano_recordings", "piano.npz")
    """
    check_stem(name)
    session = _Session(output, random_state, note, command, each, report)
    session.check(overwrite, [sound])
    sr = max(audio.info(path).sr for path in audio.list_files(sound))
    corpora = session.corpora({name: sound}, sr)
    recordings, left_s = [], _LONGEST_SOURCE_S
    for piece in corpora[name].pieces(np.random.default_rng(random_state)):
        recordings.append(piece.read(sr))
        left_s -= len(recordings[-1]) / sr
        if left_s <= 0:
            break
    dictionary = train_dictionary(
        name,
        recordings,
        sr,
        n_components=n_components,
        n_taps=n_taps,
        penalty=penalty,
        window_s=window_s,
        random_state=random_state,
    )
    record = {**dictionary.record, "used_s": round(_LONGEST_SOURCE_S - left_s, 1)}
    return session.written(replace(dictionary, record=record), corpora)


def _unfolded(
    kind: str,
    corpora: tuple[Corpus, Corpus, Corpus, Corpus],
    steps: Sequence[int] | None,
    first: DictionaryLike | None,
    start: DictionaryLike | None,
    bf16: bool,
    checkpoint: Path | None,
    random_state: int,
    report: Report,
) -> Dictionary:
    from threadpoolctl import threadpool_limits

    preset = PRESETS[kind]
    n_stages = len(preset.contexts)
    steps = list(steps or [Schedule.steps])
    if len(steps) not in (1, n_stages, n_stages + 1) or min(steps) < 1:
        raise NmfaudioError(
            f"steps {' '.join(map(str, steps))}: give one positive number, or one for each stage (here {n_stages}), "
            "and perhaps one for all of them together"
        )
    schedules = [Schedule(steps=n) for n in (steps * n_stages if len(steps) == 1 else steps[:n_stages])]
    together = replace(TOGETHER, steps=steps[n_stages]) if len(steps) > n_stages else None
    planned = [*schedules, together] if together else schedules
    mixer, dev_mixer = mixers(*corpora, preset.front_end, random_state)

    def show(stage: int, entry: dict[str, float]) -> None:
        title = "all stages" if stage == n_stages else f"stage {stage + 1}/{n_stages}"
        report(
            f"{title}  step {entry['step']:6.0f}/{planned[stage].steps}  "
            f"loss {entry['train']:.5f}  development {entry['dev']:.5f}  {entry['seconds'] / 60:.1f} min"
        )

    with threadpool_limits(1, "blas"):
        return build_unfolded(
            mixer,
            dev_mixer,
            preset,
            front_end=preset.front_end,
            schedules=schedules,
            objective=Objective(),
            first_stages=stages_of(Dictionary.load(first))[: n_stages - 1] if first else [],
            start=stages_of(Dictionary.load(start)) if start else [],
            together=together,
            to_the_end=False,  # a small corpus is soon learnt by heart
            random_state=random_state,
            checkpoint=checkpoint,
            report=show,
            **({"matmul": coarse_matmul()} if bf16 else {}),
        )


class _Session:
    """Parts of all trainings: where the dictionary is written, and what goes into its record."""

    def __init__(
        self, output: PathLike | None, random_state: int, note: str, command: str, each: Map, report: Report
    ) -> None:
        check_seed(random_state)
        self.output = None if output is None else Path(output)
        self.random_state, self.note, self.command = int(random_state), note, command  # the record is plain JSON
        self.each, self.report = each, report
        self.began = time.monotonic()
        self.overwrite = False

    def check(
        self,
        overwrite: bool,
        inputs: Sequence[DictionaryLike | None],
        others: Sequence[str] = (),
        checkpoint: PathLike | None = None,
    ) -> None:
        """Refuse places that could not be written, before the work."""
        if checkpoint is not None:
            if is_device(checkpoint):
                raise NmfaudioError(f"{checkpoint}: is a pipe or a device: give the name of a file")
            check_output(checkpoint, overwrite=True)
        if self.output is None:
            return
        self.overwrite = overwrite
        if self.output.suffix != ".npz":
            raise NmfaudioError(f"{self.output}: a dictionary's file name must end in .npz")
        if not self.output.parent.is_dir():
            raise NmfaudioError(f"{self.output.parent}: no such folder to write the dictionary to: make it first")
        files = [path for path in inputs if isinstance(path, (str, os.PathLike)) and os.path.isfile(path)]
        for suffix in (".npz", *others, ".md"):
            path = self.output.with_suffix(suffix)
            if checkpoint is not None and is_same(path, checkpoint):
                raise NmfaudioError(f"{checkpoint}: the dictionary and its checkpoint need different places")
            check_output(path, overwrite=overwrite, inputs=files)

    def corpora(self, sounds: Mapping[str, PathLike], sr: int) -> Corpora:
        """Open folders or lists of sound files."""
        if len(sounds) > 1 and is_same(sounds["speech"], sounds["noise"]):
            raise NmfaudioError(f"{sounds['noise']}: is given as speech and as noise: give noise without speech")
        corpora = {name: Corpus(os.fspath(path), sr, each=self.each) for name, path in sounds.items()}
        for name, corpus in corpora.items():
            self.report(
                f"{name}: {len(corpus.files)} file{'s' * (len(corpus.files) != 1)}, {corpus.hours * 60:.1f} min"
            )
        return corpora

    def split(
        self, corpora: Corpora, dev: Mapping[str, PathLike | None], sr: int, in_time: Sequence[str] = ()
    ) -> tuple[Corpora, Corpora]:
        """Part what is trained on from what is held out."""
        trained, held_out = {}, {}
        for name, path in dev.items():
            if path:
                held_out[name] = Corpus(os.fspath(path), sr)
            if name in corpora:
                trained[name] = corpora[name]
                if path:
                    _refuse_common(trained[name], held_out[name])
                else:
                    trained[name], held_out[name] = corpora[name].split(
                        _HELD_OUT, _MOST_HELD_OUT_S, self.random_state, in_time=name in in_time
                    )
        return trained, held_out

    def tuned(self, build: Callable[..., Dictionary], held_out: Corpora) -> dict[str, Any]:
        """Choose options on half of what is held out, which leaves the other half to judge the result on."""
        parts = {name: corpus.split(0.5, np.inf, self.random_state) for name, corpus in held_out.items()}
        held_out.update({name: part[0] for name, part in parts.items()})
        speech, noise = (parts[name][1] for name in ("speech", "noise"))
        pairs = mixtures(speech, noise, random_state=self.random_state)
        build = partial(build, most_s=LEAST_CORPUS_S)
        found = tuning.tune(build, pairs, speech.sr, each=self.each, report=self.report)
        if self.output is not None:
            picture = self.output.with_suffix(".png")
            with replacing(picture, overwrite=self.overwrite) as temporary:
                tuningshow(found)[0].figure.savefig(temporary, dpi=120)
            self.report(f"{picture}: shows it")
        return found.best

    def written(self, dictionary: Dictionary, trained: Corpora) -> Dictionary:
        """Complete the record of a dictionary, and write it."""
        record = {
            **dictionary.record,
            **{name: _summary(corpus) for name, corpus in trained.items()},
            "note": self.note,
            "seed": self.random_state,
            "command": self.command,
            "hours": hours(dictionary.record, self.began),
        }
        dictionary = self._write(replace(dictionary, record=record))
        if self.output is not None:
            size_mb = self.output.stat().st_size / 1e6
            self.report(f"{self.output}: {size_mb:.2f} MB, described in {self.output.with_suffix('.md')}")
        return dictionary

    def judged(
        self, dictionary: Dictionary, held_out: Corpora, rivals: Mapping[str, Dictionary], remark: str = ""
    ) -> Trained:
        """Compare with rivals and with the shipped dictionary, and write the verdict into the record."""
        missing = [name for name in ("speech", "noise") if name not in held_out]
        if missing:
            name = missing[0]
            return Trained(dictionary, {}, f"none: there is no {name} to compare on; --dev-{name} gives some")
        default = "speech" if decomposition_for(dictionary).future_frames else "speech-causal"
        comparisons: dict[str, Comparison] = {}
        pairs: list[Any] = []
        for rival in dict.fromkeys([*rivals, default]):
            names = self._names(rival, default)
            try:
                base = rivals[rival] if rival in rivals else Dictionary.load(rival)
                pairs = pairs or mixtures(held_out["speech"], held_out["noise"], random_state=self.random_state)
                sr = dictionary.front_end.sr
                found = comparison.compare(base, dictionary, pairs, sr, names=names, each=self.each)
            except NmfaudioError as error:
                return Trained(dictionary, comparisons, f"none: {error}")
            title = f"{len(found.new)} held-out mixtures at 0 to 10 dB, against {names[0]}{remark}"
            comparisons[title] = found
            verdict = {f"against {names[0]}": found.verdict, title: found.table()}
            dictionary = self._write(replace(dictionary, record={**dictionary.record, **verdict}))
        return Trained(dictionary, comparisons)

    def _names(self, rival: str, default: str) -> tuple[str, str]:
        """Return names of a rival and of the new dictionary, which may be files of one name, or have none."""
        path, new = Path(rival), "the new one" if self.output is None else self.output.stem
        old = path.name if path.stem == default else path.stem
        if path.stem == new:
            old = f"shipped {old}" if rival in available() else f"{old} before"
        return old or "the old one", new

    def _write(self, dictionary: Dictionary) -> Dictionary:
        """Write the dictionary and its model card, and return it as a reader will find it."""
        if self.output is None:
            return dictionary
        dictionary.save(self.output, compact=dictionary.kind == "unfolded", overwrite=self.overwrite)
        written = Dictionary.load(self.output)
        with replacing(self.output.with_suffix(".md"), overwrite=self.overwrite) as temporary:
            temporary.write_text(model_card(written), encoding="utf-8")
        self.overwrite = True  # from now on both are ours
        return written


def _refuse_common(trained: Corpus, held_out: Corpus) -> None:
    """Refuse to compare on what is trained on."""
    known = {identity(str(path)) for path in trained.files}
    for path in held_out.files:
        if identity(str(path)) in known:
            raise NmfaudioError(f"{path}: is in {held_out.source} and in {trained.source}: take it out of one of them")


def _summary(corpus: Corpus) -> dict[str, Any]:
    folders = sorted({path.parent.name for path in corpus.files})
    return {"source": corpus.source, "files": len(corpus.files), "hours": round(corpus.hours, 3), "folders": folders}
