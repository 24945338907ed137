"""Runs one hostile case and says what is wrong with how it ended; a value and a sentence of fluvial's own are right.

A family of cases is a function ``case(seed, folder)`` that writes hostile files into an empty folder and returns what
to call. ``fault`` runs it here, as tests do; ``apart`` in a process of its own, which may die, as ``make fuzz`` does.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import tempfile
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from fluvial.core.errors import FluvialError

MEMORY = 2 << 30
"""Bytes that a case may fill."""
SECONDS = 120
"""Of this processor's time that a case may take: what takes longer hangs."""
_LONG = 4000  # characters of a sentence

Case = Callable[[int, Path], Callable[[], object]]


class Hangs(BaseException):
    """A case has used up its time; no reader's ``except`` may take it for a damaged file."""


def fault(case: Case, seed: int) -> str | None:
    """What is wrong with how a case ends, None if nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        call = case(seed, Path(folder))
        before, most = _resident(), _most()
        try:
            with _confined():
                call()
            if _most() > max(most, before + MEMORY):
                raise MemoryError
        except FluvialError as error:
            full = _most() > max(most, before + MEMORY)
            return f"it fills more than {MEMORY:,} bytes: {error}" if full else _of_sentence(str(error))
        except MemoryError:
            return f"it fills more than {MEMORY:,} bytes"
        except Hangs:
            return f"it takes more than {SECONDS} seconds:\n{traceback.format_exc()}"
        except Exception:
            return traceback.format_exc()
    return None


def apart(case: Case, seed: int) -> str | None:
    """The same in a process of its own, so that a crash is a fault too."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))
        try:
            said = fault(case, seed) or ""
        except BaseException:  # the case itself is wrong, and this copy of the caller must not go on
            said = f"no case: {traceback.format_exc()}"
        os.write(writes, said.encode()[:60_000])
        os._exit(0)
    os.close(writes)
    with open(reads, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return f"it died: {signal.strsignal(os.WTERMSIG(status))}" if os.WIFSIGNALED(status) else said or None


def _of_sentence(said: str) -> str | None:
    if "more memory than there is" in said:
        return f"it fills more than {MEMORY:,} bytes: {said}"
    if not said or len(said) > _LONG or "Traceback" in said or not said.replace("\n", "").isprintable():
        return f"no sentence: {said[:_LONG]!r}"
    return None


@contextmanager
def _confined() -> Generator[None]:
    """Little memory beyond what the process has now, and little time."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, _stop)
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def _resident() -> int:
    """Bytes that the process fills now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _most() -> int:
    """Bytes that it has ever filled: limits on memory are not kept everywhere, so it is measured too."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _stop(*_: object) -> None:
    raise Hangs
