"""Separation of songs of any length, in constant memory."""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...arguments import check_rate, checked
from ...audio import as_signal
from ...audio.signal import as_blocks
from ...compute.threads import ahead
from ...dictionary import Dictionary, DictionaryLike
from ...errors import DictionaryError
from ...kernels.spatial import spatial_filter
from ...spectra.aligned import Kept, joined
from ...spectra.blocks import BlockSpectra, overlap_add, windows
from ...unfolded.stage import reach, read_stages, run_stages
from .context import SongContext
from .cues import REACH, cues_of, powers

_PIECE = 768  # frames at once, 18 s
_AT_ONCE = 512  # frames that are filtered at once
_MASKED = 256  # frames that go on together to the filter
_TO_SOUND = 128  # frames that become sound at once
_SPATIAL = 215  # frames to both sides, 5 s, in which a source stays at its place
_SPATIAL_ITERATIONS = 1
_REACH = _SPATIAL * (1 + _SPATIAL_ITERATIONS)


class SongSeparator:
    """Separate songs into the sources of a dictionary.

    Parameters
    ----------
    dictionary : str, path or Dictionary
        Of kind "songs".
    spatial : bool
        Separate two channels also by the places of the sources between them.

    Attributes
    ----------
    names : list of str
        Names of the stems: "vocals", "drums", "bass", "other".

    Raises
    ------
    DictionaryError
        If the dictionary is of another kind or broken.

    Notes
    -----
    All channels have the same masks. With two channels, if `spatial`, these are the powers of the multichannel Wiener
    filter, which follows each source within 5 s; see :func:`nmfaudio.kernels.spatial.spatial_filter`.

    Examples
    --------
    >>> import numpy as np
    >>> stems = SongSeparator("songs")(np.random.default_rng(0).standard_normal((2, 8000)), 44100)
    >>> sorted(stems), stems["vocals"].shape
    (['bass', 'drums', 'other', 'vocals'], (2, 8000))
    """

    @checked
    def __init__(self, dictionary: DictionaryLike = "songs", *, spatial: bool = True) -> None:
        self.dictionary, self.spatial = Dictionary.load(dictionary), spatial
        if self.dictionary.kind != "songs":
            kind = self.dictionary.kind
            raise DictionaryError(
                f"dictionary {self.dictionary.name!r}: of kind {kind!r}, not songs: give songs, drums"
            )
        names = self.dictionary.settings.get("sources")
        if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
            raise DictionaryError(f"dictionary {self.dictionary.name!r}: its sources have no names ({names!r})")
        if len(set(names)) < len(names):
            raise DictionaryError(f"dictionary {self.dictionary.name!r}: two of its sources have one name ({names!r})")
        self.names = names
        self.stages = read_stages(self.dictionary, SongContext.from_json, len(self.names))
        for i, stage in enumerate(self.stages):
            assert isinstance(stage.context, SongContext)
            n_sources, n_high = stage.context.n_sources, stage.context.n_high
            if n_sources not in (0, len(names) if i else 0) or n_high != self.dictionary.front_end.n_high:
                raise DictionaryError(
                    f"dictionary {self.dictionary.name!r}: its stage {i} does not fit, with masks of {n_sources} "
                    f"sources and {n_high} bands above the bins"
                )

    def __call__(self, y: ArrayLike, sr: float) -> dict[str, NDArray[np.floating]]:
        """Separate a song.

        Parameters
        ----------
        y : array_like, shape (samples,) or (channels, samples)
            Float, or integers that are scaled to full scale 1.
        sr : float
            Sampling rate in Hz.

        Returns
        -------
        dict of str to ndarray, shape of y
            Stems, which add up to y.
        """
        y = as_signal(y)
        return joined(self.process_blocks([np.atleast_2d(y)], sr), y)

    @checked
    def process_blocks(self, blocks: Iterable[ArrayLike], sr: float) -> Iterator[dict[str, NDArray[np.floating]]]:
        """Separate a song of any length in constant memory.

        Parameters
        ----------
        blocks : iterable of array_like, shape (channels, samples)
            The song in order, in blocks of any length.
        sr : float
            Sampling rate in Hz.

        Yields
        ------
        dict of str to ndarray, shape (channels, samples)
            Stems, in blocks of other lengths.
        """
        check_rate(sr)
        stft = self.dictionary.front_end.stft(sr)
        front_end = self.dictionary.front_end
        samples = Kept(as_blocks(blocks))
        spectra = BlockSpectra(stft, samples)
        again = Kept(BlockSpectra(stft, samples.again()))  # samples wait for their masks in a quarter of the memory
        past, future = (REACH + frames for frames in reach(self.stages))
        pieces = windows(((powers(Y, front_end),) for Y in spectra), past, future, size=lambda chunk: _PIECE)
        masked = (
            (again.take(part.shape[-1]), part)
            for masks in ahead(self._masks, pieces)
            for part in np.split(masks, range(_MASKED, masks.shape[-1], _MASKED), axis=-1)
        )
        first = next(masked, None)
        if first is None:
            return
        is_spatial = self.spatial and len(first[0]) == 2
        near, at_once = (_REACH, _AT_ONCE) if is_spatial else (0, 1)
        filtered = windows(chain([first], masked), near, near, size=lambda chunk: at_once)
        del first  # which would stay until the end
        for y in overlap_add(stft, self._stems(filtered, is_spatial), lambda: spectra.n_samples):
            yield dict(zip(self.names, y.reshape(len(self.names), -1, y.shape[-1]), strict=True))

    def _masks(self, window: tuple[tuple[np.ndarray, ...], slice]) -> np.ndarray:
        """Masks (S, F, n) of the frames of a window."""
        (P,), now = window
        X = cues_of(P, self.dictionary.front_end)
        stages = [stage.below(X.shape[1]) for stage in self.stages]
        return run_stages(stages, X, now.start, now.stop)

    def _stems(
        self, filtered: Iterable[tuple[tuple[np.ndarray, ...], slice]], is_spatial: bool
    ) -> Iterator[np.ndarray]:
        """Spectra of all stems (S * C, B, n) of windows of spectra and masks, some frames at a time."""
        for (Y, masks), now in filtered:
            for start in range(now.start, now.stop, _AT_ONCE):
                part = slice(start, min(start + _AT_ONCE, now.stop))
                near = slice(max(0, part.start - _REACH), part.stop + _REACH) if is_spatial else part
                around = Y[..., near]
                gains = np.empty((len(masks), *around.shape[1:]), masks.dtype)
                for i in range(len(masks)):
                    gain = self.dictionary.front_end.over_bins(masks[i, :, near], Y.shape[1])[: Y.shape[1]]
                    gains[i, : len(gain)], gains[i, len(gain) :] = gain, gain[-1]  # at low rates bins lack, or bands
                stems = np.empty((len(gains), *Y.shape[:2], part.stop - part.start), Y.dtype)
                if is_spatial:
                    spatial_filter(around, gains, _SPATIAL, _SPATIAL_ITERATIONS, part.start - near.start, stems)
                else:
                    np.multiply(around, gains[:, None], out=stems)
                del around, gains
                if part.stop == now.stop:
                    del Y, masks  # which would wait while the stems are taken
                for first in range(0, stems.shape[-1], _TO_SOUND):
                    some = stems[..., first : first + _TO_SOUND]
                    yield some.reshape(-1, *some.shape[2:]).copy()  # lets go of the rest
                del stems, some
