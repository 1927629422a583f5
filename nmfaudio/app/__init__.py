"""Page in the browser to clean recordings, to separate and to repair them; it needs `pip install 'nmfaudio[app]'`."""

from .server import serve

__all__ = ["serve"]
