"A file is whole or as it was."

import os

import pytest

from diffusion_math import files
from diffusion_math.files import write_file


def test_it_is_written_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "deep" / "a.bin"
    for content in (b"first", b"", bytes(100_000)):
        write_file(path, content)
        assert path.read_bytes() == content and os.listdir(path.parent) == ["a.bin"]


@pytest.mark.parametrize("stop", [OSError("no space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["write_through", "replace", "sync_folder"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, stop, where):
    path = tmp_path / "a.bin"
    write_file(path, b"old")

    def fails(*args):
        raise stop

    monkeypatch.setattr(os if where == "replace" else files, where, fails)
    with pytest.raises(type(stop)):
        write_file(path, b"new")
    assert path.read_bytes() == (b"new" if where == "sync_folder" else b"old")
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.skipif(os.name != "posix", reason="a folder goes to the disk by itself elsewhere")
def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    events, sync, replace = [], os.fsync, os.replace
    folder = tmp_path.stat().st_ino

    def synced(handle):
        about = os.fstat(handle)
        events.append("folder" if about.st_ino == folder else about.st_size)
        sync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *names: (events.append("named"), replace(*names)))
    write_file(tmp_path / "a.bin", b"12345")
    assert events == [5, "named", "folder"]
