"""Typical uses, which test_types.py gives to type checkers; the comment holds how the revealed type begins."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import reveal_type

import nmfaudio
from nmfaudio import Denoiser, Dictionary, StreamingDenoiser, audio, display, metrics
from nmfaudio.factorize import NMF, sparse_nmf
from nmfaudio.repair import extend_band, find_clicks, restore_samples


def typical(y: NDArray[np.float32], sr: int, path: Path, dictionary: Dictionary) -> None:
    reveal_type(nmfaudio.denoise(y, sr))  # ndarray[
    reveal_type(nmfaudio.denoise([0.0, 0.1], 16000, dictionary=dictionary, noise=y, strength=0.5))  # ndarray[
    reveal_type(Denoiser(path)(y, sr))  # ndarray[
    reveal_type(next(Denoiser("speech", noise="noise.wav").process_blocks([y], sr)))  # ndarray[
    reveal_type(StreamingDenoiser(sr=sr, n_channels=1).process(y[None]))  # ndarray[
    reveal_type(nmfaudio.denoise_file("in.wav", path, noise=(0, 1.5), overwrite=True))  # FileReport
    reveal_type(nmfaudio.noise_profile(y, sr))  # Dictionary
    reveal_type(Dictionary.load(path))  # Dictionary
    reveal_type(nmfaudio.dictionary.available())  # dict[str, Path]
    reveal_type(audio.read(path))  # tuple[ndarray[
    reveal_type(audio.info("in.wav").sr)  # int
    reveal_type(nmfaudio.STFT.for_rate(sr)(y))  # ndarray[
    reveal_type(nmfaudio.FrontEnd().spectrogram(y, sr))  # ndarray[
    separate = nmfaudio.separation.Separator({"voice": dictionary, "drums": path, "rest": 4})
    reveal_type(separate(y, sr, {"rest": {"silent": [(0, 1)]}}))  # dict[str, ndarray[
    reveal_type(nmfaudio.separate(y, sr))  # dict[str, ndarray[
    reveal_type(nmfaudio.separate_file(path, "stems"))  # SeparationReport
    reveal_type(nmfaudio.repair_file(path, "whole.wav"))  # RepairReport
    reveal_type(nmfaudio.training.train_denoiser("voices", "noises", "mine.npz"))  # Trained
    reveal_type(nmfaudio.separation.Components(y, sr).group(2))  # dict[str, list[int]]
    reveal_type(restore_samples(y, sr, find_clicks(y, sr)))  # ndarray[
    reveal_type(extend_band(y, sr, dictionary="speech-sparse"))  # tuple[ndarray[
    reveal_type(metrics.si_sdr(y, y))  # ndarray[
    reveal_type(metrics.pesq(y, y, sr))  # float
    reveal_type(display.spectrogram(y, sr))  # Axes
    reveal_type(sparse_nmf(y[None], 4).W)  # ndarray[
    reveal_type(NMF(4).fit_transform(y[None]))  # ndarray[
    reveal_type(nmfaudio.report.page(y, sr, title="Voice"))  # str
