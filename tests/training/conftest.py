import pytest
import soundfile as sf
from signals import voice_in_noise


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Folders of two voices and two noises in several formats and rates."""
    folder = tmp_path_factory.mktemp("sounds")
    for i, (sr, name) in enumerate([(16000, "a/one.wav"), (22050, "b/two.flac")]):
        speech, noise = voice_in_noise(sr, seconds=4, seed=i)
        for kind, y in (("speech", speech), ("noise", noise)):
            path = folder / kind / name
            path.parent.mkdir(parents=True)
            sf.write(path, y, sr)
    (folder / "speech" / "notes.txt").write_text("not sound")
    return folder
