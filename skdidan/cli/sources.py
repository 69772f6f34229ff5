"""Corpora and recordings that the command line names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from skdidan import corpora
from skdidan.cli.session import Session, catch, naming
from skdidan.corpora.layouts import corpus_key
from skdidan.emotions import canonical_label, check_mapping

__all__ = [
    *("TABLES", "canonical", "corpus_name", "drop_unusable", "find_recordings", "find_usable"),
    *("count_shared", "keep_shared", "load_labelled", "load_source", "protect_inputs", "select"),
]

TABLES = {".csv", ".tsv", ".tab"}


def corpus_name(argument: str) -> str | None:
    """Return the known corpus of NAME:FOLDER, or None for what is a path, as with a drive."""
    name, colon, _ = argument.partition(":")
    key = corpus_key(name)
    is_known = colon and key in corpora.CORPORA and not os.path.lexists(argument)
    return key if is_known else None


def load_source(argument: str, mapping: Mapping[str, str]) -> Any:
    """Load a labelled corpus: NAME:FOLDER, a table, or a folder with one folder per emotion."""
    with naming(argument):
        return _load_source(argument, mapping)


def _load_source(argument: str, mapping: Mapping[str, str]) -> Any:
    if name := corpus_name(argument):
        return corpora.load_corpus(name, argument.partition(":")[2], mapping=mapping)
    path = Path(argument).expanduser()
    if path.suffix.lower() in TABLES and path.is_file():
        return corpora.load_manifest(path, mapping=mapping)
    if not path.is_dir():
        name, colon, folder = argument.partition(":")
        if colon and Path(folder).expanduser().is_dir():
            known = ", ".join(sorted(corpora.CORPORA))
            raise click.BadParameter(f"{name!r} is no known corpus; there are {known}.")
        if path.is_file():
            raise click.BadParameter(f"{argument!r} is no folder, and no table (.csv, .tsv, .tab).")
        raise click.BadParameter(f"{argument!r} does not exist, and is no NAME:FOLDER.")
    try:
        return corpora.load_audio_folder(path, mapping=mapping)
    except ValueError as error:
        found = [name for name, _ in corpora.guess_layout(path) if name != "folders"]
        if found:
            cure = f"its names are those of {found[0]}: give it as {found[0]}:{argument}"
            raise click.BadParameter(f"{argument!r} has no folder per emotion; {cure}") from error
        raise


def load_labelled(argument: str, mapping: Mapping[str, str]) -> Any:
    """Load a labelled corpus to train on, of two emotions at least."""
    corpus = load_source(argument, mapping)
    if len(known := set(corpus.emotion.tolist())) < 2:
        raise click.UsageError(
            f"only one emotion of {corpus.name} is known: {', '.join(known)}. Name the spellings "
            "of others by --mapping SPELLING=EMOTION."
        )
    return corpus


def drop_unusable(corpus: Any, session: Session, n_jobs: int | None) -> Any:
    """Read the files of a corpus, and leave out those that cannot be used, with a warning."""
    errors = _unusable(corpus.files, n_jobs, session.progress)
    if errors:
        session.lose(len(errors))
        text = f"{len(errors)} of {len(corpus.files)} recordings of {corpus.name} are left out"
        session.warn(f"{text}, since they cannot be used. {' '.join([*errors.values()][:3])}")
    return _take(corpus, [str(file) not in errors for file in corpus.files])


def canonical(emotions: Iterable[str], mapping: Mapping[str, str]) -> list[str]:
    """Return the labels of emotions in any of their spellings; keep unknown ones as they are."""
    own = check_mapping(mapping)
    labels = [canonical_label(emotion, own) or emotion for emotion in emotions]
    if len(set(labels)) < 2:
        raise click.BadParameter(f"all are {labels[0]!r}: name two.", param_hint="--emotions")
    return labels


def select(corpus: Any, emotions: Iterable[str], mapping: Mapping[str, str]) -> Any:
    """Keep the recordings of some emotions."""
    asked, known = canonical(emotions, mapping), sorted(set(corpus.emotion.tolist()))
    if absent := [emotion for emotion in asked if emotion not in known]:
        raise click.BadParameter(
            f"{corpus.name} has no {', '.join(absent)}, but {', '.join(known)}.",
            param_hint="--emotions",
        )
    return _take(corpus, np.isin(corpus.emotion, asked))


def keep_shared(corpora: list[Any], session: Session) -> list[Any]:
    """Keep the emotions that all corpora have; say which are left out."""
    shared = set.intersection(*(set(corpus.emotion.tolist()) for corpus in corpora))
    if len(shared) < 2:
        names, found = ", ".join(corpus.name for corpus in corpora), ", ".join(sorted(shared))
        raise click.UsageError(
            f"the sources {names} share fewer than two emotions ({found or 'none'}): leave one "
            "out, or name spellings by --mapping SPELLING=EMOTION."
        )
    for corpus in corpora:
        if others := sorted(set(corpus.emotion.tolist()) - shared):
            session.note(f"{corpus.name}: {', '.join(others)} left out, not in every source.")
    return [_take(corpus, np.isin(corpus.emotion, [*shared])) for corpus in corpora]


def _take(corpus: Any, is_kept: Any) -> Any:
    kept = np.flatnonzero(is_kept)
    parts = {key: corpus[key][kept] for key in ("emotion", "speaker", "sex")}
    return type(corpus)(**{**corpus, **parts, "files": [corpus.files[row] for row in kept]})


def find_recordings(
    paths: Iterable[str], channel: int | str, *, check: bool = False
) -> tuple[list[Any], dict[str, str], dict[str, str]]:
    """List recordings below folders; return the reasons of those left out, and of doubts, too."""
    from skdidan.audio.files import list_channels
    from skdidan.corpora.folders import SAME_STEM

    files: list[Any] = []
    reasons: dict[str, str] = {}
    for path in paths:
        with catch(corpora.CorpusWarning) as caught, naming(path):
            if os.path.isdir(path):
                files += corpora.find_audio(path, check=check, channel=channel)
            elif os.path.isfile(path):
                single = list_channels(path, channel)
                unusable = _unusable(single) if check else {}
                reasons |= unusable
                files += [file for file in single if str(file) not in unusable]
            else:
                raise click.BadParameter(f"there is no folder or file of recordings {path!r}.")
        for warning in caught:
            reasons |= warning.reasons
    unique: dict[Any, Any] = {}
    for file in files:  # folders may overlap
        unique.setdefault((os.path.realpath(file), getattr(file, "channel", None)), file)
    files = list(unique.values())
    listed = {str(file) for file in files} | {os.fspath(file) for file in files}
    lost = {
        path: _with_cure(path, reason)
        for path, reason in reasons.items()
        if path not in listed and reason != SAME_STEM.reason  # listed in another format
    }
    return files, lost, {path: reason for path, reason in reasons.items() if path in listed}


def _with_cure(path: str, reason: str) -> str:
    from skdidan.corpora.faults import UNREADABLE

    fault = UNREADABLE.get(os.path.splitext(path)[1].lower())
    return f"{reason}: {fault.cure}" if fault is not None and fault.reason == reason else reason


def _unusable(files: list[Any], n_jobs: int | None = None, verbose: int = 0) -> dict[str, str]:
    """Read files, and return the error of each that cannot be used."""
    errors = corpora.inspect_audio(files, n_jobs=n_jobs, verbose=verbose)["error"]
    pairs = zip(map(str, files), errors, strict=True)
    return {file: error for file, error in pairs if isinstance(error, str)}


def count_shared(corpora: Iterable[Any], target: Iterable[Any]) -> int:
    """Count the files of labelled corpora that are in the target, too."""
    source = {os.path.realpath(file) for corpus in corpora for file in corpus.files}
    return len(source & {os.path.realpath(file) for file in target})


def protect_inputs(out: str | None, *inputs: Iterable[Any]) -> None:
    """Raise a usage error if the file to write is one of the inputs."""
    given = {os.path.realpath(file) for group in inputs for file in group}
    if out is not None and os.path.realpath(out) in given:
        raise click.BadParameter(f"{out!r} is read by this command.", param_hint="--out")


def find_usable(paths: Iterable[str], channel: int | str, session: Session) -> list[Any]:
    """List the recordings below folders that can be used; warn of the others."""
    files, lost, doubts = find_recordings(paths, channel, check=True)
    session.lose(len(lost))
    for found, fate in ((lost, "left out"), (doubts, "used, though doubtful")):
        if found:
            first = "; ".join(f"{path}: {reason}" for path, reason in [*found.items()][:3])
            more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
            session.warn(f"{len(found)} target file(s) are {fate}: {first}{more}")
    return files
