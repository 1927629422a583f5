"""Noise out of speech."""
