"""A folder of known files: read verified, written whole, one process at a time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

__all__ = ["describe_difference", "locked", "read", "show", "store", "tell"]

# How long to wait for another process that fills the same folder, in seconds.
LOCK_SECONDS = 600.0

_LOCK_NAME = ".d2lutils.lock"
_PART_SUFFIX = ".d2lutils-part"


def tell(message: str) -> None:
    """Print, on stderr, what the reader should know though all went well in the end."""
    show(f"d2lutils: {message}", sys.stderr)


def show(line: str, stream: TextIO) -> None:
    """Print one line, whatever characters a path brought into it.

    A stream of narrow encoding (a console, a pipe) must not turn a message into an
    exception, nor a line break in a name one line into two.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    line = " ".join(line.split()).encode(encoding, "backslashreplace").decode(encoding)
    print(line, file=stream, flush=True)


def describe_difference(data: bytes, size: int, sha256: str) -> str:
    """Say in what bytes differ from the expected file; '' if they are that file.

    Args:
        data: the bytes.
        size, sha256: size in bytes and SHA-256 (hexadecimal) of the expected file.
    """
    found = hashlib.sha256(data).hexdigest()
    if found == sha256:
        return ""
    hint = " and is a web page, perhaps a network's login page"
    end = hint if data[:256].lstrip().startswith(b"<") else ""
    if len(data) > size:
        return f"has more than the expected {size:,} bytes{end}"
    if len(data) < size:
        return f"has {len(data):,} bytes, expected {size:,}{end}"
    return f"has SHA-256 {found}, expected {sha256}{end}"


def read(path: Path, size: int, sha256: str) -> tuple[bytes | None, str]:
    """Read a file if it is the expected one.

    The bytes that are returned are the bytes that were checked: a file that changes
    afterwards does no harm.

    Args:
        path: the file.
        size, sha256: size in bytes and SHA-256 (hexadecimal) that it must have.

    Returns:
        Its bytes and '', or None and what is wrong with it.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return None, "is not a regular file"
        if status.st_size != size:
            return None, f"has {status.st_size:,} bytes, expected {size:,}"
        data = path.read_bytes()
    except FileNotFoundError:
        return None, "is missing"
    except OSError as error:
        return None, f"cannot be read ({error.strerror})"
    why = describe_difference(data, size, sha256)
    return (None, why) if why else (data, "")


def store(
    path: Path, parts: Iterable[bytes | np.ndarray], *, keep_old: bool = False
) -> Path | None:
    """Write a file, whose name never stands for half of it.

    Args:
        path: where; the folder is made if it is missing.
        parts: what to write, one after the other.
        keep_old: rename what has this name to NAME.bad-XXXXXXXX, by its SHA-256,
            instead of replacing it.

    Returns:
        The new path of what had the name, if that was kept.

    Raises:
        OSError: the folder cannot be written, or the disk is full; all is as it was.
    """
    _refuse_if_protected(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f".{path.name}.{secrets.token_hex(8)}{_PART_SUFFIX}"
    aside = None
    try:
        # "x" follows no link and takes the permissions that the umask gives.
        with open(part, "xb") as file:
            for piece in parts:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if keep_old and os.path.lexists(path):
            aside = path.with_name(f"{path.name}.bad-{_digest(path)[:8]}")
            os.replace(path, aside)
        os.replace(part, path)
    finally:
        if os.path.lexists(part):
            part.unlink()
    return aside


def _digest(path: Path) -> str:
    """SHA-256 of a file of any size, or a word for what has none."""
    digest = hashlib.sha256()
    try:
        if not path.is_file():  # a folder; a pipe, which would never end
            return "no-file"
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError:
        return "unreadable"
    return digest.hexdigest()


def _refuse_if_protected(folder: Path) -> None:
    """Raise PermissionError for a folder whose mode lets nobody write.

    The system would let an administrator write there all the same, but whoever took
    the permission away did not want that. On Windows the mark says something else: of
    a folder, that its icon is its own.
    """
    marked = folder.is_dir() and not folder.stat().st_mode & 0o222
    if marked and os.name != "nt":
        raise PermissionError(errno.EACCES, "the folder is read-only", str(folder))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time fill the folder, which is made if it is missing.

    The lock only saves work: files are put in place whole. So where there can be none
    (a read-only folder, a file system without locks, a holder that takes longer than
    LOCK_SECONDS) the caller goes on without, and no harm is done.
    """
    import filelock

    lock = filelock.FileLock(folder / _LOCK_NAME, mode=0o666)
    try:
        _refuse_if_protected(folder)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=1.0)
        except filelock.Timeout:
            tell(
                f"another process is preparing the data in {folder}; waiting for it, "
                f"{LOCK_SECONDS:g} s at most"
            )
            lock.acquire(timeout=LOCK_SECONDS)
        for leftover in folder.glob(f".*{_PART_SUFFIX}"):  # of a process that died
            leftover.unlink()
    except (OSError, NotImplementedError):  # filelock.Timeout is an OSError
        pass
    try:
        yield
    finally:
        lock.release()
