"""From corpora of sound to dictionaries."""
