"""What fluvial raises when a person, not the library, has to act. Each message is a sentence."""


class FluvialError(ValueError):
    """Base of every error that fluvial raises on purpose; the command line prints it and exits with 2."""


class DataError(FluvialError):
    """The data cannot be used as they are."""


class RunError(FluvialError):
    """A run folder is missing, damaged, foreign, locked or of another version."""


class UsageError(FluvialError):
    """A name or an option that does not exist, or does not fit the others."""
