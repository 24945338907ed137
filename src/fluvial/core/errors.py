"""What fluvial raises when a person, not the library, has to act. Each message is a sentence."""

from fluvial.terminal import printable


class FluvialError(ValueError):
    """Base of every error that fluvial raises on purpose; the command line prints it and exits with 2.

    What it quotes of a file or a table cannot steer a terminal.
    """

    def __init__(self, sentence: object = "") -> None:
        super().__init__(printable(str(sentence)))


class DataError(FluvialError):
    """The data cannot be used as they are."""


class RunError(FluvialError):
    """A run folder is missing, damaged, foreign, locked or of another version."""


class UsageError(FluvialError):
    """A name or an option that does not exist, or does not fit the others."""
