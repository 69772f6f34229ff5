"""Time LogMelSpectrogram, decoding included, against a plain librosa loop on synthetic files.

`features.py` does so on the files of a corpus, and on two cores::

    OMP_NUM_THREADS=1 python benchmarks/log_mel_time.py
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from features import LARGEST_DIFFERENCE, RATE, SECONDS, SETTINGS, plain_loop
from timing import compare, main

from skdidan import LogMelSpectrogram


def measure(repeats=5, files=200):
    """Yield one row."""
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        paths = [str(Path(folder, f"{number}.wav")) for number in range(files)]
        for number, path in enumerate(paths):
            length = int(RATE * rng.uniform(1.5, 4))
            tone = np.sin(np.arange(length) * (100 + number % 50) * 2 * np.pi / RATE)
            soundfile.write(path, 0.3 * tone + 0.02 * rng.normal(size=length), RATE)
        extractor = LogMelSpectrogram(crop="center", duration=SECONDS, **SETTINGS)
        difference = np.abs(extractor.transform(paths) - plain_loop(paths)).max()
        if difference > LARGEST_DIFFERENCE:
            raise SystemExit(f"LogMelSpectrogram differs from librosa by {difference:.1e} dB.")
        ways = partial(extractor.transform, paths), partial(plain_loop, paths)
        yield compare(f"LogMelSpectrogram, {files} files", "a loop over librosa", *ways, repeats)


if __name__ == "__main__":
    main(measure, __doc__)
