"""One writer for a run folder: a file with the number of its process."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fluvial.core.errors import RunError
from fluvial.core.files import read_regular, reason

_NUMBER = 100  # bytes that a process number may have


def take_lock(lock: Path) -> None:
    """Create the lock with our process number in it, taking over one whose process is gone.

    Raises:
        RunError: another process holds it, or it cannot be written.
    """
    for _ in range(2):
        try:
            with os.fdopen(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "w") as file:
                file.write(str(os.getpid()))
            return
        except FileExistsError:
            owner = _owner(lock)
            if owner is None or _alive(owner):
                who = "another process" if owner is None else f"process {owner}"
                raise RunError(
                    f"{who} is writing {lock.parent}; wait for it, choose another folder, or delete {lock} "
                    "if that process is gone"
                ) from None
            release_lock(lock)
        except OSError as error:
            with contextlib.suppress(OSError):
                if lock.is_file() and not lock.stat().st_size:  # ours, on a disk without room for a number
                    lock.unlink()
            raise RunError(f"{lock} could not be written: {reason(error)}") from None
    raise RunError(f"another process has just started to write {lock.parent}; choose another folder")


def release_lock(lock: Path) -> None:
    """Remove the lock; what keeps it from being removed is less than what may have gone wrong before."""
    with contextlib.suppress(OSError):
        lock.unlink()


def _owner(lock: Path) -> int | None:
    try:
        return int(read_regular(lock, _NUMBER))
    except ValueError:  # RunError is one
        return None


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
