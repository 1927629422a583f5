import os
import secrets
import stat
import threading
from pathlib import Path

import pytest

from nmfaudio import files
from nmfaudio.errors import AudioError, NmfaudioError
from nmfaudio.files import check_output, is_device, is_same, replacing

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX files")
root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
not_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")


class Trouble(Exception):
    pass


@pytest.fixture
def place(tmp_path):
    return tmp_path / "a.txt"


def put(path, text, **options):
    with replacing(path, **options) as temporary:
        temporary.write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("trouble", [Trouble, KeyboardInterrupt, OSError, NmfaudioError])
def test_a_file_appears_whole_or_not_at_all(place, trouble):
    place.write_text("old")
    with pytest.raises(NmfaudioError if trouble is OSError else trouble), replacing(place) as temporary:
        temporary.write_text("new")
        assert place.read_text() == "old"
        raise trouble
    assert place.read_text() == "old"
    put(place, "new")
    assert place.read_text() == "new"
    assert names(place.parent) == ["a.txt"]


def test_errors_are_of_the_kind_that_the_caller_wants(tmp_path):
    with pytest.raises(AudioError, match=r"no/a\.txt: cannot be written \(No such file or directory\)"):
        put(tmp_path / "no" / "a.txt", "new", kind=AudioError)


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_what_replaces_a_file_is_as_open_and_while_it_is_written_no_more(place, mode):
    place.write_text("old")
    place.chmod(mode)
    with replacing(place) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        temporary.write_text("new")
    assert stat.S_IMODE(place.stat().st_mode) == mode


@posix
def test_a_new_file_has_the_usual_permissions(place):
    put(place, "new")
    (place.parent / "usual").touch()
    assert place.stat().st_mode == (place.parent / "usual").stat().st_mode


@root
def test_what_replaces_a_file_belongs_to_the_same_person(place):
    place.touch()
    os.chown(place, 1234, 5678)
    put(place, "new")
    assert (place.stat().st_uid, place.stat().st_gid) == (1234, 5678)


@posix
def test_a_link_stays_a_link(place):
    link = place.parent / "link.txt"
    link.symlink_to(place)
    put(link, "new")
    assert link.is_symlink()
    assert place.read_text() == "new"


@posix
def test_a_link_planted_under_the_temporary_name_is_not_followed(place, monkeypatch):
    victim = place.parent / "victim"
    victim.write_text("old")
    monkeypatch.setattr(secrets, "token_hex", lambda n: "guessed")
    (place.parent / ".guessed.txt").symlink_to(victim)
    with pytest.raises(NmfaudioError):
        put(place, "new")
    assert victim.read_text() == "old"
    assert (place.parent / ".guessed.txt").is_symlink()


def test_temporary_names_differ(place):
    with replacing(place) as one, replacing(place) as other:
        assert one != other


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_exists_or_appears_meanwhile_is_kept(place, links, monkeypatch):
    def no_links(*_):
        raise PermissionError

    if not links:  # as on FAT
        monkeypatch.setattr(files.os, "link", no_links)
    put(place, "first", overwrite=False)
    assert place.read_text() == "first"
    with pytest.raises(NmfaudioError, match="exists already"):
        put(place, "second", overwrite=False)
    place.unlink()
    with pytest.raises(NmfaudioError, match="exists already"), replacing(place, overwrite=False) as temporary:
        temporary.write_text("second")
        place.write_text("of somebody else")
    assert place.read_text() == "of somebody else"
    assert names(place.parent) == ["a.txt"]


@posix
def test_a_pipe_is_written_into(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    put(pipe, "new")
    reader.join()
    assert got == ["new"]
    assert names(tmp_path) == ["pipe"] and is_device(pipe)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_device_is_named():
    with pytest.raises(NmfaudioError, match=r"/dev/full: cannot be written \(No space left on device\)"):
        put("/dev/full", "new")
    put("/dev/null", "new")
    assert is_device("/dev/null")


def test_places_that_cannot_be_written_are_found_beforehand(place):
    check_output(place)
    assert not place.exists()
    place.write_text("old")
    check_output(place, overwrite=True)
    with pytest.raises(NmfaudioError, match="exists already"):
        check_output(place)
    with pytest.raises(NmfaudioError, match="is a folder"):
        check_output(place.parent)
    with pytest.raises(AudioError, match="No such file or directory"):
        check_output(place.parent / "no" / "b.txt", kind=AudioError)
    with pytest.raises(NmfaudioError, match="cannot be written"):
        check_output(place / "b.txt")
    assert names(place.parent) == ["a.txt"]


@not_root
def test_a_closed_folder_is_found_beforehand(place):
    place.parent.chmod(0o500)
    try:
        with pytest.raises(NmfaudioError, match="Permission denied"):
            check_output(place)
    finally:
        place.parent.chmod(0o700)


@posix
def test_an_output_is_not_an_input_under_another_name(place):
    place.write_text("old")
    for name in ("soft", "hard"):
        (os.symlink if name == "soft" else os.link)(place, place.parent / name)
        for pair in [(name, "a.txt"), ("a.txt", name), (f"../{place.parent.name}/{name}", "a.txt")]:
            output, source = (place.parent / part for part in pair)
            assert is_same(output, source)
            with pytest.raises(NmfaudioError, match="is also the input"):
                check_output(output, overwrite=True, inputs=[source])
    assert not is_same(place, place.parent / "b.txt")
    assert is_same(place.parent / "b.txt", place.parent / ".." / place.parent.name / "b.txt")


@posix
def test_who_reads_a_pipe_may_have_enough(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: os.close(os.open(pipe, os.O_RDONLY)))
    reader.start()
    put(pipe, "new" * 100_000)
    reader.join()
    assert is_device(pipe)
