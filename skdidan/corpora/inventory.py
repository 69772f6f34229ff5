"""An inventory of a folder: formats, rates, durations and levels, and the layout of a corpus."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from skdidan.audio.cropping import find_parts
from skdidan.audio.decoders import open_audio
from skdidan.audio.files import file_name, read_window
from skdidan.audio.gauge import Gauge
from skdidan.corpora.folders import AudioFiles, check_folder
from skdidan.corpora.known import CorpusReader
from skdidan.corpora.layouts import CORPORA
from skdidan.emotions import canonical_label
from skdidan.parameters import check_jobs, check_path, check_verbose

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["guess_layout", "inspect_audio"]

_MISSING = {"format": None, "sample_rate": math.nan, "channels": math.nan}
_UNREAD = {"duration": math.nan, "level": math.nan, "doubt": None}


def inspect_audio(
    root: str | Path | Iterable[Any], *, n_jobs: int | None = None, verbose: int = 0
) -> pd.DataFrame:
    """Make an inventory of audio files: a table with the format, length and level of each.

    Each file is read once, as a transformer would read it.

    Parameters
    ----------
    root : str or Path, or iterable of str, path-like or Segment
        A folder, which is searched as by `find_audio`, or the files themselves.
    n_jobs : int, optional
        Number of parallel threads, as in joblib: None is 1, -1 is all processors.
    verbose : int, default=0
        Show a progress bar if not 0.

    Returns
    -------
    inventory : DataFrame, of n_files rows
        Sorted by path for a folder, with the columns

        file : str or Segment
            The path.
        format : str or None
            Container and coding, such as "WAV/PCM_16".
        sample_rate : float [Hz]
            Rate of the file.
        channels : float
            Number of channels.
        duration : float [s]
            Length.
        level : float [dB]
            Root mean square of the average of the channels; 0 dB is that of a full-scale square
            wave.
        doubt : str or None
            Why a file that can be read is hardly one of speech, as a `DoubtfulAudioWarning` says.
        error : str or None
            Why a file cannot be used. Its numbers may be NaN then.

    Raises
    ------
    NotADirectoryError
        If `root` is a path, but no folder.
    ValueError
        If there is no audio.

    See Also
    --------
    find_audio : The usable files alone, with ``check=True``.
    guess_layout : The known corpus that a folder holds.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, soundfile
    >>> from skdidan import inspect_audio
    >>> with tempfile.TemporaryDirectory() as root:
    ...     soundfile.write(Path(root, "tone.wav"), np.sin(np.arange(8000)), 8000)
    ...     _ = Path(root, "broken.wav").write_text("no audio")
    ...     inventory = inspect_audio(root)
    >>> inventory[["sample_rate", "duration", "level"]].round(1)
       sample_rate  duration  level
    0          NaN       NaN    NaN
    1       8000.0       1.0   -3.0
    >>> bool("cannot be decoded" in inventory["error"][0])
    True
    """
    import pandas as pd

    check_jobs("n_jobs", n_jobs)
    check_verbose(verbose)
    audio: AudioFiles | None = None
    if isinstance(root, str | os.PathLike):
        audio = AudioFiles(check_folder(root, "the folder of the recordings"))
        recordings: list[Any] = [[*map(str, formats)] for formats in audio.recordings()]
        if not recordings and not audio.faults:
            raise ValueError(audio.describe_absence("audio", "audio files"))
    elif not (recordings := [[file] for file in root]):
        raise ValueError("root holds 0 files, at least one is needed.")
    measure = delayed(_measure_formats)
    jobs = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    done = jobs(measure(formats) for formats in recordings)
    bar = tqdm(done, total=len(recordings), unit="file", disable=not verbose)
    rows = [row for found in bar for row in found]
    if audio is not None:
        faults = audio.faults | audio.unread(row["file"] for row in rows if row["error"] is None)
        rows += [
            {"file": path, **_MISSING, **_UNREAD, "error": f"{fault.reason}: {fault.cure}"}
            for path, fault in faults.items()
        ]
        rows.sort(key=lambda row: row["file"])
    return pd.DataFrame(rows)


def _measure_formats(formats: list[Any]) -> list[dict[str, Any]]:
    """Return the rows of the files of a recording, up to the first that is usable."""
    rows: list[dict[str, Any]] = []
    while len(rows) < len(formats) and all(row["error"] for row in rows):
        rows.append(_measure(formats[len(rows)]))
    return rows


def _measure(file: Any) -> dict[str, Any]:
    """Return the row of a file."""
    gauge, row = Gauge(), {"file": file, **_MISSING}
    try:
        path, name = check_path("file", file), file_name(file)
        with open_audio(path, name) as opened:
            row["format"] = f"{opened.format}/{opened.subtype}"
            row |= {"sample_rate": float(opened.samplerate), "channels": float(opened.channels)}
        read_window(file, None, partial(find_parts, bounds=()), name, gauge)
        doubt, error = gauge.doubt(), None
    except (OSError, ValueError) as found:
        doubt, error = None, str(found)
    is_read = gauge.n_samples > 0
    duration, level = (gauge.duration, gauge.level) if is_read else (math.nan, math.nan)
    return {**row, "duration": duration, "level": level, "doubt": doubt, "error": error}


def guess_layout(root: str | Path) -> list[tuple[str, int]]:
    """Guess from the names of its files which known corpus a folder holds; no audio is read.

    Parameters
    ----------
    root : str or Path
        The folder.

    Returns
    -------
    layouts : list of (str, int)
        Names for `load_corpus`, or "folders" for one folder per emotion as in `load_audio_folder`,
        each with the number of audio files that fit. The best is first; others fit at least half as
        many files. Empty, if none fits.

    Raises
    ------
    NotADirectoryError
        If `root` is no folder.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import guess_layout
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for stem in ("03a01Fa", "08a02Wb", "noise"):
    ...         _ = (Path(root) / f"{stem}.wav").write_text(stem)
    ...     guess_layout(root)
    [('emodb', 2)]
    """
    audio = AudioFiles(check_folder(root, "the folder of a corpus"))
    counts = {
        name: CorpusReader(corpus, audio, {}).count_known() for name, corpus in CORPORA.items()
    }
    folders = [audio.name(path).split("/") for path in audio.files]
    counts["folders"] = sum(
        len(parts) > 1 and canonical_label(parts[0], {}) is not None for parts in folders
    )
    most = max(counts.values())
    # Known corpora come before folders in a tie, and the sort is stable.
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return [(name, count) for name, count in ranked if count and 2 * count >= most]
