"""Wrong arguments of all public functions: an error of this package in one line, never a foreign one."""

import importlib
import inspect
import re
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import soundfile as sf

import nmfaudio
from nmfaudio.audio.loudness import limited, with_loudness
from nmfaudio.denoising.decomposition import decomposition_for
from nmfaudio.denoising.voice import VoiceSeparator
from nmfaudio.dictionary import Dictionary
from nmfaudio.errors import NmfaudioError
from nmfaudio.evaluation import Recording
from nmfaudio.training.data.corpus import Corpus

mpl.use("agg")
SR = 8000
WRONG = [
    None,
    object(),
    "nonsense",
    "a\0b",
    b"bytes",
    -1,
    0,
    0.5,
    True,
    np.nan,
    np.inf,
    -1e300,
    10**400,
    1j,
    [],
    [None],
    {},
    {"nonsense": "nonsense"},
    np.array(["a", "b"]),
    np.zeros((2, 2, 2)),
    np.full(50, np.nan),
    [[1.0], [1.0, 2.0]],
]
MADE_BY_THE_PACKAGE = """
    AtomUsage AudioInfo BlockSeparator Checkpoint Choice Comparison Factorization FileReport HeldOutErrors Piece Preset
    Recording RepairReport Scores SeparationReport Trained Tuning Writer build_unfolded find_damage project random_atoms
    score_or_error tuningshow
""".split()  # or only given what it has made
TRAINS_FOR_MINUTES = ["build_sparse", "compare", "train_denoiser", "trained_on"]


def public():
    """Everything that `__all__` names, here and in public modules, and what the reference documents besides."""
    found, todo = {}, [nmfaudio]
    for module in todo:
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, ModuleType):
                todo += [thing] * hasattr(thing, "__all__")
            elif callable(thing):
                found[f"{thing.__module__}.{thing.__qualname__}"] = thing
    for page in sorted(Path(__file__).parents[2].glob("docs/api/*.md")):
        for name in re.findall(r"^\.\. auto\w+:: (\S+)", page.read_text(), re.M) if page.stem != "internals" else ():
            try:
                module = importlib.import_module(name)
            except ImportError:
                module, _, name = name.rpartition(".")
                things = [getattr(importlib.import_module(module), name)]
            else:
                things = [] if hasattr(module, "__all__") else [v for n, v in vars(module).items() if n[0] != "_"]
                things = [thing for thing in things if getattr(thing, "__module__", "") == module.__name__]
            found |= {f"{thing.__module__}.{thing.__qualname__}": thing for thing in things if callable(thing)}
    return {
        name: thing
        for name, thing in sorted(found.items())
        if name.rpartition(".")[2] not in MADE_BY_THE_PACKAGE
        and not (isinstance(thing, type) and issubclass(thing, Exception))
    }


def noise(*shape):
    return np.random.default_rng(0).uniform(0.01, 0.5, shape)


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """Right arguments by the names of parameters; of a function and its parameter where they differ."""
    folder = tmp_path_factory.mktemp("right")
    (folder / "sounds").mkdir()
    for i in range(3):
        sf.write(folder / "sounds" / f"{i}.wav", np.roll(noise(2 * SR), 99 * i), SR)
    atoms = np.eye(257, 6) + 0.01
    atoms /= np.linalg.norm(atoms, axis=0)
    sparse = Dictionary("sparse", {"speech": atoms[:, :4], "noise": atoms[:, 4:]}, settings={"n_iter": 2}, name="mine")
    stft, sounds, y = nmfaudio.STFT(256, 128), folder / "sounds", noise(SR // 4)
    corpus, Y = Corpus(sounds, SR), stft(noise(2, 1000))
    X, file = noise(12, 9), sounds / "0.wav"
    return {
        "A": X @ X.T,
        "V": X,
        "X": X,
        "Y": Y,
        "activations": X,
        "adapt_denoiser.noise": sounds,
        "after": y / 2,
        "arrays": dict(sparse.arrays),
        "atom_usage.V": noise(257, 20).astype(np.float32),
        "atoms": atoms,
        "base": sparse,
        "before": y,
        "blocks": [y[None]],
        "build": lambda **options: sparse,
        "channels": 2,
        "clean": sounds,
        "decomposition": decomposition_for(sparse),
        "denoiser": nmfaudio.Denoiser(sparse),
        "dictionary": sparse,
        "enhanced": sounds,
        "errors": noise(2),
        "estimate": noise(SR) / 2,
        "estimates": noise(2, SR),
        "find_recordings.dictionary": "speech",
        "find_recordings.noisy": sounds,
        "front_end": sparse.front_end,
        "griffin_lim.X": Y,
        "gain_db": 3.0,
        "guidance": {"a": {"silent": [(0, 0.01)]}},
        "hop_length": 128,
        "hz": [0.0, 1000.0],
        "info": nmfaudio.audio.info(file),
        "kind": "sparse",
        "hours.began": 0.0,
        "hours.record": {"hours": 1.0},
        "learningshow.dictionary": replace(sparse, record={"stages": [{"curve": [{"step": 1, "train": 1.0}]}]}),
        "length": 1000,
        "lufs": -23.0,
        "magnitudes": abs(Y),
        "missing": np.arange(len(y)) // 100 == 10,
        "load_denoiser.dictionary": "speech-sparse",
        "n_channels": 1,
        "n_components": 3,
        "n_fft": 256,
        "n_iter": 2,
        "name": "hiss",
        "names": ["a", "b"],
        "new": sparse,
        "mixtures.noise": Corpus(file, SR),
        "mixtures.speech": Corpus(sounds / "1.wav", SR),
        "noise": corpus,
        "open_like.path": folder / "copy.wav",
        "out_dir": folder / "stems",
        "overwrite": True,
        "pairs": [(noise(2 * SR), noise(2 * SR) / 2)] * 2,
        "part": (0, 1.5),
        "path": file,
        "powers": np.stack([abs(Y) ** 2, noise(*Y.shape)]),
        "ranks": [1, 2],
        "recording": Recording("0", file, file, file, ""),
        "recordings": [y],
        "reference": noise(SR),
        "references": noise(2, SR),
        "regions": [(0.1, 0.2, 500, 1000)],
        "report_file.target": folder / "page.html",
        "sound": sounds,
        "source": file,
        "source_atoms.blocks": [X],
        "sources": {"a": 2, "b": 2},
        "speech": corpus,
        "sr": SR,
        "sr_in": SR,
        "sr_out": 16000,
        "stft": stft,
        "symmetric_rank_factorization.A": np.eye(3),
        "target": folder / "out.wav",
        "train_denoiser.noise": sounds,
        "train_denoiser.speech": sounds,
        "train_on_blocks.noise": [X.astype(np.float32)],
        "train_on_blocks.speech": [X.astype(np.float32)],
        "train_sparse.noise": [y],
        "train_sparse.speech": [y],
        "y": y,
    }


def call(name, right, /, **wrong):
    """Call a public function, or make an object and use it, with right arguments but for some."""
    thing = public()[name]
    arguments = {}
    for parameter in inspect.signature(thing).parameters.values():
        key = f"{thing.__name__}.{parameter.name}"
        needed = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        if key in right:
            arguments[parameter.name] = right[key]
        elif needed or parameter.name == "overwrite":
            arguments[parameter.name] = right[parameter.name]  # a new parameter needs a line in `right`
    result = thing(**arguments | wrong)
    if hasattr(result, "fit"):
        result.fit(right["A"])
    if inspect.isgenerator(result):
        list(result)
    if hasattr(result, "__enter__"):
        with result:
            pass


@pytest.fixture(autouse=True)
def quiet_and_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a wrong value that is taken for a path becomes a file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    plt.close("all")


@pytest.mark.parametrize("name", [name for name in public() if name.rpartition(".")[2] not in TRAINS_FOR_MINUTES])
@pytest.mark.parametrize("n", [1, pytest.param(len(WRONG), marks=pytest.mark.slow)])
def test_wrong_values_are_refused_in_one_line_or_taken(right, name, n):
    try:
        call(name, right)
    except NmfaudioError as error:
        if "is not installed" in str(error):
            pytest.skip(str(error))
        raise
    for i, parameter in enumerate(inspect.signature(public()[name]).parameters):
        if parameter == "options":
            continue
        for k in np.random.default_rng([n, i]).permutation(len(WRONG))[:n]:
            try:
                call(name, right, **{parameter: WRONG[k]})
            except NmfaudioError as error:
                assert "\n" not in str(error) or parameter == "X"  # there scikit-learn has the word


@pytest.mark.parametrize("name", [name for name, thing in public().items() if not hasattr(thing, "fit")])
def test_what_has_a_type_takes_no_other(right, name):
    for parameter in inspect.signature(public()[name]).parameters.values():
        if "Any" not in str(parameter.annotation) and parameter.annotation is not parameter.empty:
            with pytest.raises(NmfaudioError) as caught:
                call(name, right, **{parameter.name: object()})
            assert "object object" in str(caught.value)


BLOCKS = {
    "denoise": lambda blocks: nmfaudio.Denoiser("speech-sparse").process_blocks(blocks, SR),
    "unchanged": lambda blocks: nmfaudio.Denoiser("speech-sparse", strength=0).process_blocks(blocks, SR),
    "masks": lambda blocks: nmfaudio.Denoiser("speech-sparse").masks(blocks, SR),
    "voice": lambda blocks: VoiceSeparator("speech-sparse").process_blocks(blocks, SR),
    "separate": lambda blocks: nmfaudio.separation.Separator({"speech": "speech-sparse"}).process_blocks(blocks, SR),
    "songs": lambda blocks: nmfaudio.separation.SongSeparator().process_blocks(blocks, SR),
    "drums": lambda blocks: nmfaudio.separation.DrumSeparator().process_blocks(blocks, SR),
    "limited": lambda blocks: limited(blocks, SR, 3.0),
    "with_loudness": lambda blocks: with_loudness(blocks, SR, -23.0),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_recording_that_changes_its_channels_is_refused(name):
    with pytest.raises(NmfaudioError, match=r"block of shape \(2, 500\): those before it have 1 channel"):
        list(BLOCKS[name]([noise(1, 500), noise(1, 300), noise(2, 500)]))


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("blocks", [[], [np.zeros((2, 0))]])
def test_a_recording_without_samples_becomes_none_or_is_refused(name, blocks):
    try:
        assert not sum(np.size(value) for part in BLOCKS[name](blocks) for value in values(part))
    except NmfaudioError as error:
        assert name == "separate" and "the signal has no samples" in str(error)


def values(part):
    """Arrays in what a generator yields."""
    return part.values() if isinstance(part, dict) else part if isinstance(part, tuple) else [part]


@pytest.mark.parametrize(
    "block, words",
    [
        ([[0.1], [0.2, 0.3]], "sound is an array of samples"),
        (np.zeros((2, 5)), r"block of shape \(2, 5\): this stream has 1 channel"),
        (np.zeros((5, 1)), r"block of shape \(5, 1\): this stream has 1 channel\(s\): give \(1, samples\)"),
        (np.zeros((1, 1, 5)), "this stream has 1 channel"),
        (np.zeros(5, complex), "sound is real numbers, not complex128"),
        (np.zeros(5, bool), "sound is real numbers, not bool"),
        ("sound", "sound is real numbers"),
        (None, "sound is real numbers"),
        ([0.0, np.nan], "sample 1 is nan"),
    ],
    ids=str,
)
def test_a_stream_goes_on_after_a_block_that_it_refuses(block, words):
    y = noise(1500).astype(np.float32)
    plain, stream = (nmfaudio.StreamingDenoiser("speech-causal-fast", sr=SR) for _ in range(2))
    wanted = np.concatenate([plain.process(y), plain.flush()])
    got = [stream.process(y[:700])]
    with pytest.raises(NmfaudioError, match=words):
        stream.process(block)
    got += [stream.process(y[:0]), *(stream.process(sample) for sample in y[700:703]), stream.process(y[703:])]
    np.testing.assert_array_equal(np.hstack([*got, stream.flush()]), wanted)
    assert not stream.flush().any()
    np.testing.assert_array_equal(np.concatenate([stream.process(y), stream.flush()]), wanted)


def test_an_unknown_argument_is_said_with_the_function_that_lacks_it():
    with pytest.raises(TypeError, match=r"denoise\(\) got an unexpected keyword argument 'n_iter'"):
        nmfaudio.denoise(noise(10), SR, n_iter=3)
