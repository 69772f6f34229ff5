"""Arguments and options that several commands share."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from skdidan.emotions import EMOTIONS, canonical_label

__all__ = [
    *("METHOD", "METHODS", "MAPPING", "MODEL", "RECORDINGS", "SOURCE", "TARGET"),
    *("cache", "channel", "emotions", "epochs", "features", "jobs", "out", "refine", "speakers"),
]

#: Keys of `skdidan.tables.CLASSIFIERS`, a logistic regression, and one after CORAL. Help must not
#: import torch.
METHODS = (
    *("aktlr", "cdan", "coral", "dan", "dann", "deep_coral", "didan", "djda", "dsan", "ecan"),
    *("emo_dna", "hda", "jan", "jdar", "jiasl", "lidan", "logistic_regression", "mcc", "mdsa"),
    *("shot", "source_only", "weighted"),
)
METHOD = click.Choice(METHODS, case_sensitive=False)
SOURCE = (
    "Labelled corpus: NAME:FOLDER of a known corpus ('skdidan corpora' lists them), a table with "
    "the columns file, emotion and speaker (.csv, .tsv), or a folder with one folder per emotion."
)
TARGET = "Folder of unlabelled recordings, searched recursively, or a file."


class Existing(click.Path):
    """A file or folder that exists; ~ at its beginning is the home folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or raise a usage error."""
        return super().convert(os.path.expanduser(value), param, ctx)


#: Files that cannot be read have an error in the result.
RECORDINGS = Existing(exists=True, readable=False)
MODEL = Existing(exists=True, dir_okay=False)


def _out(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Check that a file can be written before anything is computed."""
    value = value and os.path.expanduser(value)
    if value is not None and not Path(value).absolute().parent.is_dir():
        raise click.BadParameter(f"the folder of {value!r} does not exist.")
    if value is not None and Path(value).is_dir():
        raise click.BadParameter(f"{value!r} is a folder.")
    return value


def _names(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> list[str] | None:
    names = [name.strip() for name in (value or "").split(",") if name.strip()]
    if value is not None and len(set(names)) < 2:
        raise click.BadParameter(f"name at least two emotions; got {value!r}.")
    return names or None


def _pairs(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    if odd := [value for value in values if "=" not in value]:
        raise click.BadParameter(f"{odd[0]!r} is no SPELLING=EMOTION, such as Rage=anger.")
    found: dict[str, str] = {}
    for value in values:
        spelling, _, emotion = value.partition("=")
        if found.setdefault(spelling, emotion) != emotion:
            raise click.BadParameter(f"{spelling!r} has several emotions.")
        near = get_close_matches(emotion.strip().lower(), EMOTIONS, 1, 0.85)  # "unhappy" is no slip
        if near and canonical_label(emotion, {}) is None:
            raise click.BadParameter(f"{emotion!r} is no emotion; did you mean {near[0]!r}?")
    return found


def _channel(context: click.Context, parameter: click.Parameter, value: str) -> int | str:
    if value in ("mix", "split"):
        return value
    if not value.isdecimal():
        raise click.BadParameter(f"{value!r} is neither mix, split nor the number of a channel.")
    return int(value)


def _jobs(context: click.Context, parameter: click.Parameter, value: int | None) -> int | None:
    if value == 0:
        raise click.BadParameter("0 is no number of jobs; -1 is all processors.")
    return value


def out(text: str, *, required: bool = False) -> Any:
    """Return the option of the file to write."""
    return click.option("-o", "--out", metavar="FILE", required=required, callback=_out, help=text)


jobs = click.option(
    *("-j", "--jobs"),
    type=int,
    callback=_jobs,
    help="Jobs at the same time; -1 is all processors.",
)
features = click.option(
    "-f",
    "--features",
    default="functionals",
    show_default=True,
    metavar="NAME",
    help="functionals; logmel, mfcc or spectrogram; a set of openSMILE, such as eGeMAPSv02; or "
    "embeddings:MODEL@LAYER, such as embeddings:openai/whisper-tiny@2 (MODEL is a folder, or is "
    "downloaded once).",
)
cache = click.option("--cache", metavar="FOLDER", help="Folder that keeps features for later runs.")
channel = click.option(
    "--channel",
    default="mix",
    show_default=True,
    metavar="mix|split|NUMBER",
    callback=_channel,
    help="Mean of the channels of a recording, each channel by itself, or one of them, from 0. "
    "Recordings of a labelled corpus are always mixed.",
)
emotions = click.option(
    "--emotions",
    metavar="A,B,...",
    callback=_names,
    help="Emotions to keep; each labelled corpus must have them. Default: all that the labelled "
    "corpora share.",
)
epochs = click.option("--epochs", type=click.IntRange(1), help="Epochs of a network. Default: 60.")
MAPPING = click.option(
    "--mapping",
    multiple=True,
    metavar="SPELLING=EMOTION",
    callback=_pairs,
    help="A spelling of an emotion in file names or tables, such as Rage=anger. May be repeated.",
)
refine = click.option(
    "--refine/--no-refine",
    default=True,
    show_default=True,
    help="Refine predictions by the clusters of the target (AnchoredEM).",
)
speakers = click.option(
    "--speakers/--no-speakers",
    default=True,
    show_default=True,
    help="Remove the shifts of the target's speakers (SpeakerScaler); not for spectrograms.",
)
