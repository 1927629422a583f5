"""Loops of unfolded NMF: for training (`gradient`), for blocks of frames (`block`) and for single frames (`frame`)."""
