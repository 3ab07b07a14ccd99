"Files that are whole or as they were: written aside, synced and renamed; and a folder that one program writes to."

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows: there, nothing is locked
    fcntl = None

__all__ = []


def write_through(path: Path, content: bytes) -> None:
    "Write a file and push it to the disk."
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    "Push a folder's list of names to the disk, where the system can."
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    "An OSError from inside names path; the system's own names a file aside, or none where a disk is full."
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[None]:
    "Hold the lock file path, which is gone afterwards. BlockingIOError: wait is False, and another process holds it."
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle, wait)
            if _is_still(handle, path):
                break
        except BlockingIOError as error:
            os.close(handle)
            raise BlockingIOError(error.errno, "another process holds it", str(path)) from error
        os.close(handle)  # whoever held it has removed it since
    try:
        yield
    finally:
        if fcntl is None:  # Windows removes no file that is open
            os.close(handle)
        with suppress(PermissionError):
            path.unlink(missing_ok=True)
        if fcntl is not None:
            os.close(handle)


def _lock(handle: int, wait: bool) -> None:
    "Lock an open file; where the file system knows no locks, everybody gets it."
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise BlockingIOError(errno.EWOULDBLOCK, error.strerror) from error


def _is_still(handle: int, path: Path) -> bool:
    "Has this open file the name that it was opened by?"
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def alone(name: str, folder: Path | None, lock: str, first: bool = True) -> Iterator[None]:
    """Of all runs, and of a run's processes the first, the only one that writes to folder now, which is made if need be.

    Nothing is held where folder is None. ValueError, which begins with name: another run holds the lock.
    """
    if folder is None or not first:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)  # an error now, and not after some work
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / lock, wait=False))
        except BlockingIOError:
            taken = (
                f"another run writes to {folder} now; wait for its end, or choose another folder"
            )
            raise ValueError(f"{name}: {taken}") from None
        yield


ASIDE = ".diffusion-math.tmp"  # how the names of files aside end
OPEN = ("/dev/stdout", "/dev/stderr")  # a file that the shell holds open has these names, too


@contextmanager
def _held(aside: Path) -> Iterator[None]:
    "Keep sweep from a file aside, which is gone afterwards; Windows renames no file that is open, so there it is free."
    if fcntl is not None:
        with locked(aside):
            yield
        return
    try:
        yield
    finally:
        with suppress(PermissionError):
            aside.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    "Remove the files aside that killed processes left in folder: those that nobody holds."
    for left in folder.glob(f".*{ASIDE}") if fcntl is not None else ():
        with suppress(OSError):
            handle = os.open(left, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(handle)


def _is_special(path: Path) -> bool:
    "Is it a device, a pipe or the like, and not a file or nothing yet?"
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, "a folder, where a file was to be written", str(path))
    return not stat.S_ISREG(kind) or path.is_relative_to("/dev/fd") or str(path) in OPEN


def write_file(path: Path, content: bytes) -> None:
    "path holds content, or what it held before; its folder is made if need be. A device or a pipe is written to."
    if _is_special(path):
        with naming(path), open(path, "ab") as device:
            device.write(content)
        return
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{ASIDE}")
    with naming(path), _held(aside):  # which removes it if it is still there
        write_through(aside, content)
        os.replace(aside, path)
        sync_folder(path.parent)
    sweep(path.parent)
