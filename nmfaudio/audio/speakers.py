"""Places of the channels of a sound file, such as "front left", which soundfile itself does not tell."""

import soundfile as sf

_GET, _SET = 0x1100, 0x1101  # libsndfile's SFC_GET_CHANNEL_MAP_INFO and SFC_SET_CHANNEL_MAP_INFO


def speakers_of(f: sf.SoundFile) -> tuple[int, ...]:
    """Read the place of each channel by libsndfile's numbers; none if the file does not give them."""
    places = sf._ffi.new("int[]", f.channels)
    return tuple(places) if sf._snd.sf_command(f._file, _GET, places, sf._ffi.sizeof(places)) else ()


def set_speakers(f: sf.SoundFile, places: tuple[int, ...]) -> None:
    """Give the places of the channels to a new file, if its format has room for them."""
    sf._snd.sf_command(f._file, _SET, sf._ffi.new("int[]", places), 4 * len(places))
