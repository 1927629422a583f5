"""Make a shipped dictionary anew, from named data, from start to end.

    python train.py speech --data DATA --scores MIXTURES -o speech.npz

DATA is a folder with ``splits/train.csv`` and ``splits/dev.csv``, tables with the columns ``path`` and ``kind`` (speech
or noise), or with folders ``train/speech``, ``train/noise``, ``dev/speech`` and ``dev/noise``; more than one may be
given, and of one without ``dev`` all is trained on. Each folder of sound files is a voice or a kind of noise. MIXTURES
has folders ``clean`` and ``noisy`` of files with equal names; the mean scores on them go into the card.

    python train.py songs --data SONGS --dev HELD_OUT -o songs.npz
    python train.py drums --data DRUMS --dev HELD_OUT_DRUMS -o drums.npz

SONGS and HELD_OUT are folders of songs, each a folder with the stems ``vocals``, ``drums``, ``bass`` and ``other``;
DRUMS are folders with ``kick``, ``snare`` and ``cymbals``. songs.py makes them.

Training takes hours (two cores will do). It goes on where it was killed: the state of each stage is kept beside the
output. Steps, rates and averages of each dictionary are in RECIPES.
"""

import argparse
import csv
import shlex
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from nmfaudio.audio import list_files
from nmfaudio.denoising.unfolded.decomposition import stages_of
from nmfaudio.dictionary import Dictionary, model_card
from nmfaudio.evaluation import find_recordings, score
from nmfaudio.files import replacing
from nmfaudio.metrics import MEASURES
from nmfaudio.training.checkpoint import hours
from nmfaudio.training.data.corpus import Corpus
from nmfaudio.training.songs import DRUMS, SONGS, train_songs
from nmfaudio.training.unfolded.build import build_unfolded, mixers
from nmfaudio.training.unfolded.gradient import coarse_matmul
from nmfaudio.training.unfolded.loss import Objective
from nmfaudio.training.unfolded.presets import PRESETS
from nmfaudio.training.unfolded.stage import Schedule
from nmfaudio.training.unfolded.together import TOGETHER

LISTS = ("train-speech", "train-noise", "dev-speech", "dev-noise")


@dataclass(frozen=True)
class Recipe:
    """How a dictionary is trained: a preset, a schedule for each of its stages and for all together, the objective."""

    preset: str
    schedules: tuple[Schedule, ...]
    objective: Objective
    together: Schedule | None = None
    mask_power: float = 1.0


FIRST = Schedule(steps=30_000, rate=0.005, pool_items=400)
SECOND = Schedule(steps=24_800, rate=0.004, decay=0.4, pool_items=400)
JOINED = replace(SECOND, steps=9000)
LAST = Schedule(steps=1200, rate=0.005, decay=0.8, pool_items=250, new_items=4, check_every=100, averaged=150)
RECIPES = {
    "speech": Recipe("file", (FIRST, SECOND, JOINED, LAST), Objective(compression=0.65), TOGETHER, mask_power=1.2),
    "speech-fast": Recipe("file-fast", (FIRST,), Objective()),
    "speech-causal": Recipe(
        "causal",
        (FIRST, replace(SECOND, steps=9000), JOINED, replace(LAST, steps=1400, decay=0.4, new_items=3)),
        Objective(compression=0.65),
        replace(TOGETHER, steps=1150, decay=0.2),
    ),
    "speech-causal-fast": Recipe("causal-fast", (FIRST,), Objective()),
}
OF_SONGS = {"songs": SONGS, "drums": DRUMS}
SONGS_SCHEDULE = Schedule(
    steps=1800, rate=0.008, warm_up=50, decay=0.5, pool_items=110, new_items=2, item_frames=860, check_every=100,
    averaged=150,
)  # fmt: skip


def lists(folders: list[Path], into: Path) -> list[Path]:
    """Write a list of sound files for each of LISTS; return their paths."""
    found: dict[str, list[str]] = {name: [] for name in LISTS}
    for folder in folders:
        for name in LISTS:
            split, kind = name.split("-")
            table = folder / "splits" / f"{split}.csv"
            if table.exists():
                with open(table, newline="", encoding="utf-8") as rows:
                    found[name] += [str(folder / row["path"]) for row in csv.DictReader(rows) if row["kind"] == kind]
            elif (folder / split / kind).is_dir():
                found[name] += map(str, list_files(folder / split / kind))
    for name, paths in found.items():
        if not paths:
            sys.exit(f"{', '.join(map(str, folders))}: no {name.replace('-', ' ')}, in splits or folders")
        (into / f"{name}.txt").write_text("".join(f"{Path(path).absolute()}\n" for path in paths), encoding="utf-8")
    return [into / f"{name}.txt" for name in LISTS]


def scores(dictionary: Path, mixtures: Path) -> dict[str, float | str]:
    """Mean scores of a dictionary on mixtures."""
    found = [score(r) for r in find_recordings(mixtures / "clean", mixtures / "noisy", None, str(dictionary))]
    means = np.mean([s.after for s in found], axis=0)
    return {
        "set": f"{len(found)} mixtures of {mixtures.name}",
        **dict(zip(MEASURES, means.round(3).tolist(), strict=True)),
    }


def main() -> None:
    """Train one dictionary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*RECIPES, *OF_SONGS])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument(
        "--dev", type=Path, metavar="SONGS", help="songs to watch the learning on, for `songs` and `drums`"
    )
    parser.add_argument("--scores", type=Path, metavar="MIXTURES")
    parser.add_argument(
        "--first", help="dictionary whose stages are taken over; only those after them, then all, are trained"
    )
    parser.add_argument("--steps", type=int, help="of each stage, to try the recipe in minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action="store_true", help="faster, coarser products; needs torch")
    parser.add_argument("--note", default="", help="text for the card, such as licences")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    if args.name in OF_SONGS and args.dev is None:
        parser.error(f"{args.name} needs songs to watch the learning on: give --dev SONGS")
    output, began = args.output or Path(f"{args.name}.npz"), time.monotonic()
    work = output.with_suffix(".training")
    work.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1, "blas"):
        dictionary = songs(args, work) if args.name in OF_SONGS else speech(args, work)
    record = {
        **dictionary.record,
        "note": args.note,
        "command": shlex.join(["python", "dictionaries/train.py", *sys.argv[1:]]),
        "hours": hours(dictionary.record, began),
    }
    dictionary = replace(dictionary, record=record)
    dictionary.save(output, compact=True)
    if args.scores:
        dictionary = replace(dictionary, record={**record, "scores": scores(output, args.scores)})
        dictionary.save(output, compact=True)
    with replacing(output.with_suffix(".md"), overwrite=True) as temporary:
        temporary.write_text(model_card(Dictionary.load(output)), encoding="utf-8")


def speech(args: argparse.Namespace, work: Path) -> Dictionary:
    """Train a dictionary of speech and noise."""
    recipe = RECIPES[args.name]
    preset = PRESETS[recipe.preset]
    corpora = [Corpus(path, preset.front_end.sr) for path in lists(args.data, work)]
    first = stages_of(Dictionary.load(args.first))[: len(preset.contexts)] if args.first else []
    if len(first) == len(preset.contexts) and recipe.together is None:
        sys.exit(f"{args.first}: has all stages of {args.name}, and no training of all of them follows")
    dictionary = build_unfolded(
        *mixers(*corpora, preset.front_end, args.seed),
        preset,
        front_end=preset.front_end,
        schedules=[replace(s, steps=args.steps or s.steps) for s in recipe.schedules],
        objective=recipe.objective,
        first_stages=first,
        together=recipe.together and replace(recipe.together, steps=args.steps or recipe.together.steps),
        to_the_end=True,  # where the loss on `dev` is lowest, the scores are not best
        random_state=args.seed,
        checkpoint=work / "state",
        report=report,
        **({"matmul": coarse_matmul()} if args.bf16 else {}),
    )
    sizes = {name: {"files": len(c.files), "hours": round(c.hours, 3)} for name, c in zip(LISTS, corpora, strict=True)}
    settings = {**dictionary.settings, "mask_power": recipe.mask_power}
    return replace(dictionary, settings=settings, record={**dictionary.record, **sizes})


def songs(args: argparse.Namespace, work: Path) -> Dictionary:
    """Train a dictionary of songs or of drums."""
    sources = OF_SONGS[args.name]
    folders = [
        sorted({path.parent for name in sources for path in top.glob(f"*/{name}.*")}) for top in (*args.data, args.dev)
    ]
    *training, dev = folders
    training = [folder for some in training for folder in some]
    dictionary = train_songs(
        sources,
        training,
        dev,
        schedules=[replace(SONGS_SCHEDULE, steps=args.steps or SONGS_SCHEDULE.steps)],
        random_state=args.seed,
        checkpoint=work / "state",
        report=report,
        **({"matmul": coarse_matmul()} if args.bf16 else {}),
    )
    return replace(dictionary, record={**dictionary.record, "songs": {"training": len(training), "held out": len(dev)}})


def report(stage: int, entry: dict[str, float]) -> None:
    """Print an entry of a learning curve; the stage after the last one stands for all together."""
    print(f"stage {stage + 1}", entry, flush=True)


if __name__ == "__main__":
    main()
