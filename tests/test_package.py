import ast
import doctest
import importlib.util
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import entry_points, version
from itertools import pairwise
from pathlib import Path

import pytest

import nmfaudio

ROOT = Path(__file__).parents[1]
DICTIONARIES = {path.name for path in (ROOT / "dictionaries").iterdir()}
STUBS = [ROOT / "nmfaudio" / "__init__.pyi", *sorted((ROOT / "nmfaudio").glob("*/__init__.pyi"))]
MODULES = [nmfaudio.__name__, *(m.name for m in pkgutil.walk_packages(nmfaudio.__path__, "nmfaudio."))]


def python(code, **options):
    """Output of a fresh Python that runs the code."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)
    assert not done.returncode, done.stderr
    return done.stdout


def build(target, source, folder):
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder], cwd=source, check=True)
    (built,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module", params=["checkout", "sdist"])
def wheel(request, sdist, tmp_path_factory):
    """Path of a wheel built from the checkout, and of one built from the sdist."""
    if request.param == "checkout":
        return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, **({"filter": "data"} if sys.version_info >= (3, 12) else {}))
    (source,) = folder.iterdir()
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


def test_wheel_carries_every_dictionary_and_its_card_and_finds_them(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    assert {path.name for path in (tmp_path / "nmfaudio" / "dictionaries").iterdir()} == DICTIONARIES
    code = (
        f"import sys, json; sys.path.insert(0, {str(tmp_path)!r});"
        "from nmfaudio.dictionary import Dictionary, available; [Dictionary.load(name) for name in available()];"
        "print(json.dumps({name: str(path) for name, path in available().items()}))"
    )
    found = json.loads(python(code, cwd=tmp_path))
    assert found.keys() == {Path(name).stem for name in DICTIONARIES if name.endswith(".npz")}
    assert all(path.startswith(str(tmp_path)) for path in found.values())


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"nmfaudio", f"nmfaudio-{nmfaudio.__version__}.dist-info"}
    assert {"nmfaudio/py.typed", *(str(path.relative_to(ROOT)) for path in STUBS)} <= set(names)


def test_every_dictionary_has_a_model_card():
    assert "speech.npz" in DICTIONARIES
    for name in DICTIONARIES:
        if name.endswith(".npz"):
            assert Path(name).with_suffix(".md").name in DICTIONARIES


def test_what_is_tested_is_what_is_installed(tmp_path):
    """Not the folder of the same name beside the tests, which `python -m pytest` would find first."""
    assert python("import nmfaudio; print(nmfaudio.__file__)", cwd=tmp_path).strip() == nmfaudio.__file__


def test_commands_and_version_are_installed():
    scripts = {script.name: script for script in entry_points(group="console_scripts")}
    assert all(callable(scripts[name].load()) for name in ("denoise", "nmfaudio"))
    assert version("nmfaudio") == nmfaudio.__version__


def test_the_package_runs_as_a_module_does():
    done = subprocess.run([sys.executable, "-m", "nmfaudio", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"nmfaudio {nmfaudio.__version__}\n")


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("numpy", "numba", "scipy", "librosa", "soundfile")
    code = f"import sys, nmfaudio; dir(nmfaudio); print([m for m in {heavy} if m in sys.modules])"
    assert python(code).strip() == "[]"


@pytest.mark.needs_jit
def test_denoising_for_the_second_time_starts_without_compiler_and_scipy(tmp_path):
    code = (
        "import sys, nmfaudio.cli.denoise as cli;"
        f"cli.main(['-q', '--overwrite', {str(ROOT / 'examples/noisy.wav')!r}, {str(tmp_path / 'o.wav')!r}]);"
        "slow = ('scipy.fft', 'scipy.linalg', 'scipy.signal', 'scipy.sparse', 'librosa', 'sklearn', 'numba.np.linalg');"
        "print([m for m in slow if m in sys.modules])"
    )
    python(code)
    assert python(code).strip() == "[]"


@pytest.mark.parametrize("name", ["nmfaudio", *(f"nmfaudio.{path.parent.name}" for path in STUBS[1:])])
def test_every_public_name_exists_is_listed_and_has_a_type(name):
    package = importlib.import_module(name)
    stub = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text())
    typed = next(
        ast.literal_eval(n.value) for n in stub.body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__"
    )
    assert sorted(typed) == sorted(package.__all__) == sorted(dir(package))
    assert all(getattr(package, public) is not None for public in package.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name


def test_packages_come_with_the_package_that_holds_them():
    assert python("import nmfaudio; print(nmfaudio.separation.Separator.__name__)") == "Separator\n"
    modules = [name.split(".")[2] for name in MODULES if name.startswith("nmfaudio.training.") and name.count(".") == 2]
    assert modules and set(modules) <= set(nmfaudio.training.__all__)


def test_references_in_docstrings_lead_somewhere():
    """By a whole name, by one beside the module (``.stage``), or by one in the module or in one of its classes."""
    lost = []
    for name in MODULES:
        module = importlib.import_module(name)
        classes = [kind.__name__ for kind in vars(module).values() if isinstance(kind, type)]
        for whole in re.findall(r":(?:mod|class|func|meth|attr|data|exc):`~?([^`<]+)`", inspect.getsource(module)):
            beside = importlib.util.resolve_name(whole, module.__spec__.parent) if whole[0] == "." else whole
            if not any(map(exists, [beside, f"{name}.{whole}", *(f"{name}.{kind}.{whole}" for kind in classes)])):
                lost.append(f"{name}: {whole}")
    assert not lost


def exists(name):
    try:
        return bool(pkgutil.resolve_name(name)) or True
    except (AttributeError, ImportError, ValueError):
        return False


def test_the_overview_names_everything_public():
    named = set(re.findall(r"`(\w+)", nmfaudio.__doc__))
    assert set(nmfaudio.__all__) <= named


OPTIONAL = {  # libraries that examples need and the tests can do without
    "nmfaudio.display": "matplotlib",
    "nmfaudio.metrics.bss_eval": "fast_bss_eval",
    "nmfaudio.metrics.bss_eval_frames": "museval",
    "nmfaudio.metrics.estoi": "pystoi",
    "nmfaudio.metrics.pesq": "pesq",
    "nmfaudio.metrics.stoi": "pystoi",
}


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(importlib.import_module(name)):
        library = OPTIONAL.get(example.name, OPTIONAL.get(name, "nmfaudio"))
        if importlib.util.find_spec(library):
            runner.run(example)
    assert not runner.failures


WITHOUT_EXAMPLE = {  # what functions return, hand out or raise, and what takes hours: the examples are of others
    "AtomUsage",
    "AudioError",
    "AudioInfo",
    "Comparison",
    "DictionaryError",
    "Factorization",
    "FileReport",
    "HeldOutErrors",
    "NmfaudioError",
    "OutOfMemoryError",
    "Piece",
    "Preset",
    "Recording",
    "RepairReport",
    "Scores",
    "SeparationReport",
    "Trained",
    "Tuning",
    "Writer",
    "build_unfolded",
}


def public():
    """Classes and functions that packages export or the reference shows, but for its page of internals."""
    modules, names = ["nmfaudio", *(f"nmfaudio.{path.parent.name}" for path in STUBS[1:])], []
    for page in (ROOT / "docs" / "api").glob("*.md"):
        for kind, name in re.findall(r"auto(function|class|module):: (\S+)", page.read_text()):
            if page.stem != "internals":
                (modules if kind == "module" else names).append(name)
    found = [pkgutil.resolve_name(name) for name in names]
    for module in map(importlib.import_module, modules):
        own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        listed = getattr(module, "__all__", [name for name in own if not name.startswith("_")])
        found += (getattr(module, name) for name in listed)
    return {value.__qualname__: value for value in found if callable(value)}


def test_everything_public_has_an_example():
    without = {name for name, value in public().items() if "\n    >>> " not in (value.__doc__ or "")}
    assert without == WITHOUT_EXAMPLE


def docstrings(path):
    """Docstrings of a module and of all that is in it, private or not, and the strings below its constants."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
            yield text
        body = getattr(node, "body", None)
        for first, second in pairwise(body) if isinstance(body, list) else ():
            if isinstance(first, (ast.Assign, ast.AnnAssign)) and isinstance(second, ast.Expr):
                yield str(getattr(second.value, "value", ""))


def test_docstrings_begin_with_a_verb_or_a_noun():
    found = {}
    for path in (ROOT / "nmfaudio").rglob("*.py"):
        for text in docstrings(path):
            if re.match(r"(What|Which|Whether|Where|How)\b", text):
                found.setdefault(str(path.relative_to(ROOT / "nmfaudio")), []).append(text.splitlines()[0])
    assert not found
