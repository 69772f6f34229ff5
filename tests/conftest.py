"""Fixtures: small shifted domains to adapt to, and corpora on disk.

The package is imported inside the fixtures: the process that hands out the tests needs none of it.
"""

import numpy as np
import pytest
import soundfile


@pytest.fixture
def domains():
    """Three emotions as three blobs in six dimensions; the target is shifted and larger."""
    from references import shifted_blobs

    return shifted_blobs(n_source=60, n_target=90)


@pytest.fixture
def grow(tmp_path):
    """Return a function that writes small files below a fresh folder and returns the folder.

    The content is the name, so that no two files are the same, or `content` for copies.
    """

    def write(*names, content=""):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content or name)
        return tmp_path

    return write


@pytest.fixture
def spectrogram_domains():
    """Two emotions as energy in low or high bins of a (16, 20) spectrogram."""
    rng = np.random.default_rng(1)
    y = np.array(["anger", "sadness"])[np.arange(40) % 2]
    X = rng.normal(size=(40, 16, 20)).astype(np.float32)
    X[y == "anger", 8:] += 2
    X[y == "sadness", :8] += 2
    return X[:24], y[:24], X[24:] * 1.5 + 0.5, y[24:]


@pytest.fixture(scope="session")
def corpora_on_disk(tmp_path_factory):
    """Write EmoDB and CASIA as they lie on disk, with a few clips of a second."""
    from skdidan import make_speech_corpora

    root = tmp_path_factory.mktemp("corpora")
    made = make_speech_corpora(16, 16, emotions=["anger", "sadness"], duration=1.0, random_state=0)
    for i, (source, target) in enumerate(zip(made.X_src, made.X_tgt, strict=True)):
        letter = {"anger": "W", "sadness": "T"}[made.y_src[i]]
        folder = {"anger": "angry", "sadness": "sad"}[made.y_tgt[i]]
        for path, waveform in (
            (root / f"emodb/wav/{3 + 5 * (i % 2):02}a{i:02}{letter}a.wav", source),
            (root / f"casia/wangzhe/{folder}/{i}.wav", target),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, waveform, 16_000)
    return root
