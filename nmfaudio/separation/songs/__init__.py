"""Separation of songs into vocals, drums, bass and the rest by an unfolded dictionary."""
