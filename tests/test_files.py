"A file is whole or as it was, one process at a time has a lock, and what a killed one left is taken away."

import errno
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from diffusion_math import files
from diffusion_math.files import locked, write_file
from tests.forks import forked, holder, killed

POSIX = pytest.mark.skipif(
    os.name != "posix", reason="pipes, links and locks are the system's own elsewhere"
)


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


# ---- files that are no files


@POSIX
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe, came = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: came.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_file(pipe, b"numbers")
    reader.join(20)
    assert came == [b"numbers"] and pipe.is_fifo() and os.listdir(tmp_path) == ["pipe"]


@POSIX
def test_a_device_is_written_to_and_stays_a_device(tmp_path):
    null = tmp_path / "null"
    try:
        os.mknod(null, 0o666 | 0o020000, os.stat("/dev/null").st_rdev)
        write_file(null, b"")
    except PermissionError:
        pytest.skip("this user can make no device")
    write_file(null, b"numbers")
    assert null.is_char_device() and os.listdir(tmp_path) == ["null"]


@POSIX
def test_the_standard_output_is_added_to(tmp_path):
    for name in ("/dev/stdout", "/dev/fd/1"):

        def work(name=name):
            print("a table", flush=True)
            write_file(Path(name), b"numbers")

        with open(tmp_path / "out.txt", "w") as out:
            assert os.waitpid(process := forked(work, out=out.fileno()), 0) == (process, 0)
        assert (tmp_path / "out.txt").read_text() == "a table\nnumbers"


@POSIX
def test_a_link_stays_and_its_file_changes(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a").symlink_to("b/file")
    for content in (b"one", b"two"):
        write_file(tmp_path / "a", content)
        assert (tmp_path / "b" / "file").read_bytes() == content
    assert (tmp_path / "a").is_symlink() and os.listdir(tmp_path / "b") == ["file"]


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="a folder, where a file was to be written"):
        write_file(tmp_path, b"x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "open", lambda path, mode: open("/dev/full", mode), raising=False)
    with pytest.raises(OSError) as caught:
        write_file(tmp_path / "a.bin", b"12345")
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value).endswith(f"No space left on device: '{tmp_path / 'a.bin'}'")


# ---- locks


@POSIX
def test_one_process_at_a_time_has_a_lock(tmp_path):
    path = tmp_path / "lock"
    process = holder(path, 100)
    with pytest.raises(BlockingIOError, match="another process holds it: '.*lock'"):
        with locked(path, wait=False):
            pytest.fail("two have it")
    killed(process)  # the system lets go of what it held; the file is still there
    assert path.exists()
    with locked(path, wait=False):
        pass
    assert os.listdir(tmp_path) == []


@POSIX
def test_a_lock_can_be_waited_for(tmp_path):
    process, began = holder(tmp_path / "lock", 0.5), time.monotonic()
    with locked(tmp_path / "lock"):
        assert time.monotonic() - began > 0.2
    assert os.waitpid(process, 0)[1] == 0 and os.listdir(tmp_path) == []


@POSIX
def test_no_two_of_many_have_it_at_once(tmp_path):
    "Each holder removes the file that the others wait for; a count in a file loses nothing."
    (tmp_path / "count").write_text("0")

    def work():
        for _ in range(60):
            with locked(tmp_path / "lock"):
                count = int((tmp_path / "count").read_text())
                time.sleep(1e-4)
                (tmp_path / "count").write_text(str(count + 1))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "count").read_text() == "360" and os.listdir(tmp_path) == ["count"]


# ---- kills


def killed_at(moment, path):
    "A process that writes path and dies at that moment; True where it came to its end before."
    if child := os.fork():
        return os.WIFEXITED(os.waitpid(child, 0)[1])
    count = 0

    def tick():
        nonlocal count
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def ticking(of):
        def hooked(*args, **kwargs):
            tick()
            result = of(*args, **kwargs)
            tick()
            return result

        return hooked

    for name in ("open", "fsync", "replace"):
        setattr(os, name, ticking(getattr(os, name)))
    write_file(path, b"%d" % moment)
    os._exit(0)


@POSIX
def test_what_a_killed_process_left_is_taken_away_and_what_a_live_one_writes_is_not(tmp_path):
    "It dies at its first moment, then at its second, ..."
    (tmp_path / "mine.tmp").write_text("no business of anybody")
    path, left = tmp_path / "a.bin", []
    for moment in range(1, 50):
        if killed_at(moment, path):
            break
        left.append(len({*os.listdir(tmp_path)} - {"a.bin", "mine.tmp"}))
        assert not path.exists() or int(path.read_bytes()) <= moment
    assert moment > 8 and max(left) >= 1 and int(path.read_bytes()) == moment
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "mine.tmp"]
    held = tmp_path / f".b.bin.12345678{files.ASIDE}"
    process = holder(held, 100)
    write_file(tmp_path / "a.bin", b"x")
    assert held.exists()
    killed(process)
    write_file(tmp_path / "a.bin", b"y")
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "mine.tmp"]


def test_threads_that_write_one_file(tmp_path):
    "Whole, and one of theirs."
    contents = [bytes([i]) * 50_000 for i in range(8)]
    work = [threading.Thread(target=write_file, args=(tmp_path / "a", c)) for c in contents]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert (tmp_path / "a").read_bytes() in contents and os.listdir(tmp_path) == ["a"]


def test_where_there_are_no_locks_a_file_is_written_all_the_same(tmp_path, monkeypatch):
    "As on Windows, which has no fcntl and renames no file that is open."
    monkeypatch.setattr(files, "fcntl", None)
    replace, open_ones = os.replace, Path("/proc/self/fd")

    def renames_what_nobody_holds(aside, path):
        if open_ones.is_dir():
            held = [os.path.realpath(handle) for handle in open_ones.iterdir()]
            assert os.path.realpath(aside) not in held
        replace(aside, path)

    monkeypatch.setattr(os, "replace", renames_what_nobody_holds)
    path = tmp_path / "a.bin"
    for content in (b"first", b"second"):
        write_file(path, content)
        assert path.read_bytes() == content and os.listdir(tmp_path) == ["a.bin"]
    with locked(tmp_path / "lock", wait=False), locked(tmp_path / "lock", wait=False):
        assert (tmp_path / "lock").exists()
    assert os.listdir(tmp_path) == ["a.bin"]

    def fails(*_):
        raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="a.bin"):
        write_file(path, b"third")
    assert path.read_bytes() == b"second" and os.listdir(tmp_path) == ["a.bin"]
