import io
import json
import os
import stat
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nmfaudio.dictionary
from nmfaudio.denoising.unfolded.decomposition import stages_of
from nmfaudio.dictionary import Dictionary, available, model_card
from nmfaudio.errors import DictionaryError
from nmfaudio.spectra.front_end import FrontEnd

FRONT_END = FrontEnd(sr=8000, n_bins=9)


def unit_atoms(n_atoms, seed=0):
    atoms = np.random.default_rng(seed).random((9, n_atoms))
    return atoms / np.linalg.norm(atoms, axis=0)


def make(**changes):
    arrays = {"speech": unit_atoms(4), "noise": unit_atoms(3, seed=1)}
    record = {"seed": 7, "corpora": [{"name": "a|b", "files": 3}], "scores": {"PESQ": 1.5}}
    return Dictionary(
        **{"kind": "sparse", "arrays": arrays, "front_end": FRONT_END, "settings": {"mu": 0.1}, "record": record}
        | changes
    )


def rewrite(path, arrays=None, **changes):
    """Change the file behind the package's back."""
    with np.load(path) as file:
        content = dict(file)
    record = json.loads(str(content["record"])) | changes
    np.savez(path, **{**content, "record": np.array(json.dumps(record)), **(arrays or {})})


@pytest.fixture
def path(tmp_path):
    make().save(tmp_path / "mine.npz")
    return tmp_path / "mine.npz"


def test_a_noise_profile_needs_noise_alone():
    noise = {"noise": unit_atoms(2)}
    assert list(Dictionary("profile", noise, FRONT_END).arrays) == ["noise"]
    with pytest.raises(DictionaryError, match="'noise' is missing"):
        Dictionary("profile", {"speech": unit_atoms(2)}, FRONT_END)
    with pytest.raises(DictionaryError, match="unit L2 norm"):
        Dictionary("profile", {"noise": 2 * unit_atoms(2)}, FRONT_END)


def test_the_profile_that_a_dictionary_carries_is_of_its_bins():
    wide = FrontEnd(48_000, n_bins=9, n_high=4)
    carried = Dictionary("unfolded", {"profile": unit_atoms(2)}, wide).profile
    assert carried.front_end == wide.bins_alone()


@pytest.mark.parametrize("compact", [False, True])
def test_what_is_saved_is_loaded(tmp_path, compact):
    original = make()
    original.save(tmp_path / "mine.npz", compact=compact)
    loaded = Dictionary.load(tmp_path / "mine.npz")
    assert (loaded.name, loaded.kind, loaded.front_end) == ("mine", "sparse", FRONT_END)
    assert (loaded.settings, loaded.record) == (original.settings, original.record)
    for name, array in original.arrays.items():
        assert loaded.arrays[name].dtype == np.float32
        np.testing.assert_allclose(loaded.arrays[name], array, rtol=2**-7 if compact else 0, atol=1e-7)


def test_a_compact_file_is_less_than_half_as_large(tmp_path):
    atoms = unit_atoms(200)
    for compact in (False, True):
        make(arrays={"speech": atoms, "noise": atoms}).save(tmp_path / f"{compact}.npz", compact=compact)
    large, small = ((tmp_path / f"{compact}.npz").stat().st_size for compact in (False, True))
    assert small < large / 2


def test_the_same_dictionary_gives_the_same_file(tmp_path, path):
    make().save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_arrays_cannot_change():
    atoms = unit_atoms(4)
    dictionary = make(arrays={"speech": atoms, "noise": atoms})
    atoms[:] = 0
    assert dictionary.arrays["speech"].max() > 0
    with pytest.raises(ValueError):
        dictionary.arrays["speech"][:] = 0


def test_saving_replaces_whole_or_not_at_all(tmp_path, path):
    before = path.read_bytes()
    with pytest.raises(DictionaryError, match="JSON"):
        make(record={"when": {1, 2}}).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["mine.npz"]
    with pytest.raises(DictionaryError, match="cannot be written"):
        make().save(tmp_path / "nowhere" / "mine.npz")
    with pytest.raises(DictionaryError, match=r"\.npz"):
        make().save(tmp_path / "mine.wav")


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_saved_file_has_ordinary_permissions(tmp_path, path):
    (tmp_path / "other").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "neural"}, "neural"),
        ({"arrays": {"speech": unit_atoms(4)}}, "'noise' is missing"),
        ({"arrays": {"speech": unit_atoms(4), "noise": 2 * unit_atoms(4)}}, "'noise'.*unit L2"),
        ({"arrays": {"speech": unit_atoms(4), "noise": unit_atoms(4)[:5]}}, r"\(9, K\), not \(5, 4\)"),
        ({"arrays": {"speech": unit_atoms(4), "noise": -unit_atoms(4)}}, "negative"),
        ({"arrays": {"speech": unit_atoms(4), "noise": unit_atoms(4) * np.nan}}, "NaN"),
        ({"arrays": {"speech": unit_atoms(4), "noise": unit_atoms(0)}}, "empty"),
        ({"arrays": {"speech": unit_atoms(4), "noise": np.eye(9, dtype=int)}}, "int64"),
        ({"kind": "unfolded", "arrays": {}}, "no arrays"),
        ({"front_end": FrontEnd(48_000, n_bins=9, n_high=4)}, "n_high of the front end must be 0, not 4"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(DictionaryError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    "change", [{"sr": 0}, {"hop_s": "a"}, {"n_bins": 2.5}, {"exponent": float("nan")}, {"window": 3}]
)
def test_a_front_end_that_cannot_be_is_refused(change):
    with pytest.raises(DictionaryError, match=next(iter(change))):
        FrontEnd(**change)


def test_broken_foreign_and_newer_files_are_named(tmp_path, path):
    def refuses(message, broken=path):
        with pytest.raises(DictionaryError, match=message) as caught:
            Dictionary.load(broken)
        assert str(broken) in str(caught.value) and "\n" not in str(caught.value)

    rewrite(path, schema=99)
    refuses("schema 99.*upgrade")
    make().save(path)
    rewrite(path, kind="neural")
    refuses("neural")
    make().save(path)
    rewrite(path, sha256="0")
    refuses("sha256")
    make().save(path)
    rewrite(path, arrays={"speech": unit_atoms(4, seed=5)})
    refuses("sha256")
    make().save(path)
    rewrite(path, front_end={"sr": 8000, "colour": 3})
    refuses("record is broken")
    make().save(path)
    rewrite(path, arrays={"noise": np.full((9, 2), np.nan)})
    refuses("'noise' holds NaN")
    make().save(path)
    rewrite(path, arrays={"noise": np.array([{}])})
    refuses("readable")
    np.savez(path, a=np.ones(3))
    refuses("without a record")
    path.write_bytes(b"")
    refuses("readable")
    path.write_bytes(b"RIFF1234WAVEfmt ")
    refuses("readable")
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    refuses("single array")
    refuses("no such file", tmp_path / "missing.npz")
    refuses("folder", tmp_path)


@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_harmless(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    make().save(folder / "mine.npz")
    content = bytearray((folder / "mine.npz").read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:position]
    else:
        content[position] ^= data.draw(st.integers(1, 255))
    (folder / "mine.npz").write_bytes(content)
    try:
        loaded = Dictionary.load(folder / "mine.npz")
    except DictionaryError:
        return
    assert loaded.sha256 == make().sha256


def test_shipped_dictionaries_are_found_by_name(tmp_path, monkeypatch):
    make().save(tmp_path / "speech.npz")
    monkeypatch.setattr(nmfaudio.dictionary, "_FOLDERS", (tmp_path / "absent", tmp_path))
    assert available() == {"speech": tmp_path / "speech.npz"}
    assert Dictionary.load("speech").name == "speech"
    with pytest.raises(DictionaryError, match="'music'; shipped are: speech"):
        Dictionary.load("music")
    with pytest.raises(DictionaryError, match=r"no dictionary named 'speach'.*: did you mean speech\?"):
        Dictionary.load("speach")


@pytest.mark.parametrize("name", sorted(available()))
def test_every_shipped_dictionary_is_sound(name):
    assert Dictionary.load(name).record


def test_model_card_tells_what_went_in(path):
    card = model_card(Dictionary.load(path))
    for part in ("# Dictionary `mine`", "| seed | 7 |", "| a\\|b | 3 |", "| PESQ | 1.5 |", "| mu | 0.1 |", "(9, 4)"):
        assert part in card


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mask_power", float("nan")),
        ("mask_power", -1),
        ("mask_power", "2"),
        ("mask_power", [1.0]),
        ("mask_power", True),
        ("attenuation_limit_db", float("inf")),
        ("n_iter", 10**12),
        ("n_iter", 2.5),
        ("n_iter", 15.0),
        ("segment_frames", 0),
        ("quiet_share", 2),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(name, value):
    with pytest.raises(DictionaryError, match=f"setting {name} must be"):
        make(settings={name: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"stages": None},
        {"stages": []},
        {"stages": [{}]},
        {"order": [7]},
        {"order": []},
        {"order": "abc"},
        {"means": [[0, 10**9]]},
        {"means": [[1, -1]]},
        {"n_bands": 10**9},
        {"n_bins": 100},
        {"smooth": 0},
        {"max_hz": float("inf")},
        {"colour": 3},
    ],
)
def test_stages_that_cannot_be_meant_are_refused(changes):
    whole = Dictionary.load("speech-fast")
    stage = json.loads(json.dumps(whole.settings["stages"][0]))
    stage |= {name: value for name, value in changes.items() if name == "order"}
    stage["context"] |= {name: value for name, value in changes.items() if name not in ("order", "stages")}
    settings = {"stages": changes.get("stages", [stage])}
    with pytest.raises(DictionaryError, match="stages"):
        stages_of(Dictionary("unfolded", whole.arrays, whole.front_end, settings))


def test_a_dictionary_of_another_kind_has_no_such_stages():
    with pytest.raises(DictionaryError, match="'speech-sparse': of kind 'sparse', not unfolded: give one like speech"):
        stages_of(Dictionary.load("speech-sparse"))


@pytest.mark.parametrize(("stage", "passes"), [(1, 0), (1, 11), (1, 2.0), (1, "2"), (1, True), (0, 2)])
def test_passes_that_cannot_be_meant_are_refused(stage, passes):
    whole = Dictionary.load("speech-causal")
    settings = json.loads(json.dumps(whole.settings))
    settings["stages"][stage]["passes"] = passes
    with pytest.raises(DictionaryError, match=f"{passes!r} passes of stage {stage}"):
        stages_of(Dictionary("unfolded", whole.arrays, whole.front_end, settings))


@pytest.mark.parametrize("joined", [1, "yes", None])
def test_a_stage_is_joined_or_not(joined):
    whole = Dictionary.load("speech-causal")
    settings = json.loads(json.dumps(whole.settings))
    settings["stages"][1]["joined"] = joined
    with pytest.raises(DictionaryError, match=f"joined {joined!r} of stage 1"):
        stages_of(Dictionary("unfolded", whole.arrays, whole.front_end, settings))


def test_arrays_that_do_not_fit_the_stages_are_refused():
    whole = Dictionary.load("speech-fast")
    for name in ("0/atoms1", "0/power", "0/source_gains"):
        arrays = {**whole.arrays, name: whole.arrays[name][:-1]}
        with pytest.raises(DictionaryError, match=rf"{name[2:].rstrip('1')} has shape"):
            stages_of(Dictionary("unfolded", arrays, whole.front_end, whole.settings))
        arrays.pop(name)
        with pytest.raises(DictionaryError, match="stages are broken"):
            stages_of(Dictionary("unfolded", arrays, whole.front_end, whole.settings))


def test_a_small_file_that_would_fill_the_memory_is_not_unpacked(tmp_path, path):
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (9, 2**23)})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
        with file.open("big.npy", "w", force_zip64=True) as big:
            big.write(header.getvalue())
            for _ in range(9 * 2):
                big.write(bytes(2**24))
    assert (tmp_path / "bomb.npz").stat().st_size < 2_000_000
    with pytest.raises(DictionaryError, match="would take 302 MB"):
        Dictionary.load(tmp_path / "bomb.npz")


def test_a_card_says_nothing_that_a_terminal_would_obey():
    card = model_card(make(record={"note": "red \x1b[31m\x9b2J\u202e text\r\n"}))
    assert all(c.isprintable() for line in card.split("\n") for c in line)
    assert r"\x1b[31m" in card


def test_a_record_of_another_shape_is_broken(path):
    for record in ("[" * 100_000, "[]", "3", '{"schema": []}', '{"schema": 1, "kind": [], "front_end": {}}'):
        with np.load(path) as file:
            content = dict(file)
        np.savez(path, **{**content, "record": np.array(record)})
        with pytest.raises(DictionaryError, match="broken|kind"):
            Dictionary.load(path)


def test_saving_is_read_back(path, monkeypatch):
    before = path.read_bytes()
    savez = np.savez_compressed
    monkeypatch.setattr(
        np, "savez_compressed", lambda file, **arrays: savez(file, **{**arrays, "noise": unit_atoms(9)})
    )
    with pytest.raises(DictionaryError):
        make().save(path)
    assert path.read_bytes() == before
