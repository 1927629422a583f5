"""The commands `denoise` and `nmfaudio`; modules here import what is heavy only when it is needed."""
