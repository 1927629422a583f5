"""Signals to spectrograms, and back."""
