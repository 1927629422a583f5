"""Errors that name what is wrong and what would help."""


class NmfaudioError(ValueError):
    """A value, file or option that cannot be used; the message is one line for the user."""


class AudioError(NmfaudioError):
    """A sound file or signal that cannot be used."""


class OutOfMemoryError(NmfaudioError, MemoryError):
    """More sound, or a larger number, than memory holds."""


class DictionaryError(NmfaudioError):
    """A dictionary that is missing, broken, foreign or newer than this version."""
