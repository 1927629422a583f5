"""Corpora and mixtures to train on."""
