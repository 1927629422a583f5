"""Clean noisy speech and separate sound mixtures with sparse non-negative matrix factorisation.

Everything is loaded on first use, so importing the package costs next to nothing.

Denoising
    `denoise` a signal in one call, and with `denoise_file` a file, which gives a `FileReport`; `Denoiser` for many
    signals and long ones; `StreamingDenoiser` for live sound, block by block; `noise_profile` to learn a known noise
    first.
Separation
    `separate` a signal and `separate_file` a file in one call; `separation.Separator` with known sources,
    `separation.Components` without; `separation.harmonic_percussive`; `separation.multichannel_wiener`.
Repair
    `repair.find_clicks`, `repair.find_clipped` and `repair.find_dropouts` look for damage; `repair.restore_samples`,
    `repair.fill_regions` and `repair.extend_band` mend it; `repair_file` does all of it to a file.
Factorisation of any non-negative matrix
    `factorize.NMF` and its relatives, after scikit-learn's interface; `factorize.sparse_nmf`.
Dictionaries
    `Dictionary` holds trained atoms; `dictionary.available` lists those that are shipped; `training` makes new
    ones: `training.train_denoiser`, `training.adapt_denoiser`, `training.train_source`.
Sound
    `audio` reads and writes files in blocks; `STFT` turns signals into spectra and back, `FrontEnd` into the
    spectrograms that atoms describe; `spectra.phase` estimates phases.
Scores and pictures
    `metrics` (SNR, SI-SDR, PESQ, STOI, BSS Eval) and `evaluation` of folders; `display` draws spectrograms, gains and
    atoms with matplotlib; `report` makes a page to listen to and look at.
Errors
    `NmfaudioError`, and in `errors` its two kinds.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
