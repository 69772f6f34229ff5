"""The command that labels recordings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from skdidan import audio, persistence
from skdidan.cli import options
from skdidan.cli.models import find_last, set_all
from skdidan.cli.output import write_table
from skdidan.cli.session import Command, Session, catch
from skdidan.cli.sources import find_recordings, protect_inputs
from skdidan.labels import is_missing

__all__ = ["predict"]


_PREDICT = r"""
skdidan predict calls.skdidan calls/ --out calls.csv
skdidan predict calls.skdidan monday.wav tuesday.wav --quiet | cut -d, -f1,2
skdidan predict calls.skdidan calls/ --channel split
"""


@click.command(cls=Command, examples=_PREDICT)
@click.argument("model", type=options.MODEL)
@click.argument("paths", nargs=-1, required=True, type=options.RECORDINGS)
@options.out("CSV file to write. Default: standard output.")
@options.channel
@options.cache
@options.jobs
@click.option(
    "--trust",
    multiple=True,
    metavar="NAME",
    help="Full name of a class of your own that MODEL uses, such as my_project.MyNetwork.",
)
@click.pass_obj
def predict(
    session: Session,
    model: str,
    paths: tuple[str, ...],
    out: str | None,
    channel: int | str,
    cache: str | None,
    jobs: int | None,
    trust: tuple[str, ...],
) -> None:
    """Label the recordings in PATHS by a saved MODEL.

    PATHS are folders, searched recursively, or files. The result is CSV: the file, its label, the
    probability of each emotion (p_anger, ...), the error of a recording that cannot be used, which
    has no label, and a warning for one that is doubtful: very short, very faint or a copy.
    With --channel there is a column of the channel. Nothing but --out and --cache is written.
    """
    estimator = persistence.load(model, trusted=trust)
    if not set_all(estimator, "on_error", "warn"):
        raise ValueError(
            f"{model!r} does not begin with audio features: 'skdidan train' makes one."
        )
    if getattr(find_last(estimator), "adapted_", True) is False:
        session.warn(f"{model!r} is not adapted to any target: 'skdidan adapt' does that.")
    set_all(estimator, "n_jobs", jobs, audio.AudioTransformer)
    set_all(estimator, "verbose", session.progress, audio.AudioTransformer)
    files, lost, doubts = find_recordings(paths, channel)
    protect_inputs(out, [model], files, lost)
    with catch(audio.AudioWarning, audio.DoubtfulAudioWarning) as caught:
        columns = _predict(estimator, files, cache)
    errors, odd = _sort(columns["label"], caught)
    odd |= {n: doubts[str(file)] for n, file in enumerate(files) if str(file) in doubts}
    session.lose(len(errors) + len(lost))
    counts = Counter(str(label) for label in columns["label"] if not is_missing(label))
    shares = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    n_files = len(files) + len(lost)
    session.note(
        f"{sum(counts.values())} of {n_files} recordings have a label: {shares or 'none'}."
    )
    write_table(_table(files, columns, errors, odd, lost), out)


def _sort(labels: Any, caught: list[Any]) -> tuple[dict[int, str], dict[int, str]]:
    """Return the error of each file without a label and the warning of each other file, by row."""
    found: dict[int, str] = {}
    for warning in caught:
        found = warning.reasons | found
    lost = [n for n, label in enumerate(labels) if is_missing(label)]
    errors = {n: found.pop(n, "no window of the recording can be used") for n in lost}
    return errors, found


def _predict(estimator: Any, files: list[Any], cache: str | None) -> dict[str, Any]:
    """Return the columns of the labels and of the probabilities, if the model has any."""
    if cache is not None:
        Path(cache).expanduser().mkdir(parents=True, exist_ok=True)  # a fitted object makes none
    with TemporaryDirectory() as folder:  # so that each recording is read once
        set_all(estimator, "memory", cache or folder, audio.AudioTransformer)
        if not hasattr(estimator, "predict_proba"):
            return {"label": estimator.predict(files)}
        probabilities, labels = estimator.predict_proba(files), estimator.predict(files)
    named = zip(estimator.classes_, probabilities.T, strict=True)
    return {"label": labels, **{f"p_{label}": column for label, column in named}}


def _table(
    files: list[Any],
    columns: dict[str, Any],
    errors: dict[int, str],
    odd: dict[int, str],
    lost: dict[str, str],
) -> Any:
    """Return the data frame: first the files that were found, then those that were left out."""
    import pandas as pd

    places: dict[str, Any] = {"file": [getattr(file, "file", file) for file in files]}
    if any(isinstance(file, audio.Segment) for file in files):
        places["channel"] = [file.channel for file in files]
    table = pd.DataFrame({**places, **columns})
    table["error"] = [errors.get(n) for n in range(len(files))]
    table["warning"] = [None if n in errors else odd.get(n) for n in range(len(files))]
    rest = [{"file": path, "error": reason} for path, reason in lost.items()]
    rows = table.astype(object).to_dict("records")
    return pd.DataFrame([*rows, *rest], columns=table.columns)
