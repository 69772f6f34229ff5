"""The command that computes features of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from skdidan import audio
from skdidan.cli import options
from skdidan.cli.models import has_columns, make_features
from skdidan.cli.output import write_table
from skdidan.cli.session import Command, Session, catch
from skdidan.cli.sources import TABLES, corpus_name, find_recordings, load_source, protect_inputs

__all__ = ["extract"]


_EXTRACT = r"""
skdidan extract calls/ --out calls.csv
skdidan extract emodb:corpora/emodb --features eGeMAPSv02 --out emodb.csv
skdidan extract calls/ --features logmel --out calls.npz
"""


@click.command(cls=Command, examples=_EXTRACT)
@click.argument("recordings", metavar="CORPUS")
@options.features
@options.out("File to write: .csv, or .npz for NumPy. Default: CSV to standard output.")
@options.channel
@options.MAPPING
@options.cache
@options.jobs
@click.pass_obj
def extract(
    session: Session,
    recordings: str,
    features: str,
    out: str | None,
    channel: int | str,
    mapping: dict[str, str],
    cache: str | None,
    jobs: int | None,
) -> None:
    """Compute the features of each recording of CORPUS.

    CORPUS is a folder of recordings, or a labelled corpus: NAME:FOLDER or a table. Each row has the
    columns file, emotion and speaker (of a labelled corpus), error, and the features. A recording
    that cannot be used has the reason as error and no features. Spectrograms have no columns: write
    them to a .npz file, with the arrays X, files and error, and of a labelled corpus emotion and
    speaker.
    """
    import pandas as pd

    options_ = {"on_error": "warn", "memory": cache, "n_jobs": jobs, "verbose": session.progress}
    transformer = make_features(features, **options_)
    if not (is_binary := (out or "").endswith(".npz")) and not has_columns(transformer):
        raise click.BadParameter("spectrograms need --out FILE.npz.")
    lost: dict[str, str] = {}
    columns: dict[str, Any] = {}
    if corpus_name(recordings) or Path(recordings).suffix.lower() in TABLES:
        if channel != "mix":
            text = "is for folders of recordings: those of a labelled corpus are mixed."
            raise click.BadParameter(text, param_hint="--channel")
        corpus = load_source(recordings, mapping)
        files = corpus.files
        columns = {"emotion": corpus.emotion, "speaker": corpus.speaker}
    else:
        files, lost, _ = find_recordings([recordings], channel)
        for path, reason in lost.items():
            session.warn(f"{path} is left out: {reason}")
    protect_inputs(out, [recordings], files, lost)
    X, errors = _compute(transformer, files)
    session.lose(len(errors) + len(lost))
    rows = {"file": list(map(str, files)), **columns}
    rows["error"] = [errors.get(n) for n in range(len(files))]
    if is_binary:
        arrays: dict[str, Any] = {
            name: np.array([value or "" for value in part]) for name, part in rows.items()
        }
        arrays["files"] = arrays.pop("file")  # the name of an argument of savez
        np.savez(str(out), **{**arrays, "X": X})
        return
    names = transformer.get_feature_names_out()
    write_table(pd.concat([pd.DataFrame(rows), pd.DataFrame(X, columns=names)], axis=1), out)


def _compute(transformer: Any, files: list[Any]) -> tuple[np.ndarray[Any, Any], dict[int, str]]:
    """Return the features, NaN for recordings that cannot be used, and the reasons of these."""
    errors: dict[int, str] = {}
    with catch(audio.AudioWarning) as caught:
        X = transformer.fit_transform(files)
    for warning in caught:
        errors |= warning.reasons
    X[list(errors)] = np.nan
    return X, errors
