"""The one family of errors a caller can act on."""


class TocsinError(Exception):
    """Something a caller can mend: the message says what was found, what was wanted and where."""


class ConfigError(TocsinError):
    """A setting is missing, unknown or out of range; the command line exits with 78."""


class StateError(TocsinError):
    """A saved state is damaged, foreign, or of a version or settings this run cannot take."""


class SourceError(TocsinError):
    """A source cannot be opened or read."""


class SinkError(TocsinError):
    """A sink did not take what it was given; the runner keeps it and tries again."""
