"""Signals that ask a command to stop: all of them end it the way Ctrl-C does, so that a fit is saved."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator
from types import FrameType

_NAMES = ("SIGTERM", "SIGHUP")


class Stopped(KeyboardInterrupt):
    """A command that a signal has ended; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def number_of(error: KeyboardInterrupt) -> int:
    """The signal behind an interruption; a shell expects 128 and it as the exit code.

    >>> number_of(KeyboardInterrupt()), number_of(Stopped(15))
    (2, 15)
    """
    return error.number if isinstance(error, Stopped) else int(signal.SIGINT)


@contextlib.contextmanager
def stopping() -> Generator[None]:
    """Inside, signals raise; what a process was set to ignore, as under nohup, stays ignored."""
    if threading.current_thread() is not threading.main_thread():  # only that one gets signals
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    numbers = [n for name in _NAMES if (n := getattr(signal, name, None)) is not None]
    before = {n: signal.getsignal(n) for n in numbers}
    mine = [n for n, handler in before.items() if handler == signal.SIG_DFL]
    for number in mine:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])
