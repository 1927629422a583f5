"""The NMF engine that audio and estimators share."""
