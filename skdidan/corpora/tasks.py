"""Cross-corpus tasks: one or several labelled source corpora, and a target corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skdidan.audio.files import channel_of
from skdidan.corpora.bunches import TaskBunch
from skdidan.corpora.faults import examples, group_by_file, span
from skdidan.corpora.layouts import CORPORA, corpus_key
from skdidan.domains import take_rows
from skdidan.labels import check_missing

__all__ = ["UNLABELLED", "cross_corpus_task", "leave_one_corpus_out"]

#: Placeholder in `y` for target rows, in a task with several sources.
UNLABELLED = "unlabelled"
_TARGET = -1
# Files, emotions and speakers of a corpus.
_Rows = tuple[list[Any], NDArray[Any], NDArray[Any]]


def cross_corpus_task(source: Bunch, target: Bunch, classes: Iterable[str] | None = None) -> Bunch:
    """Make a task from two corpora: a labelled source and a target with the shared classes.

    Parameters
    ----------
    source, target : Bunch
        Corpora from `load_corpus`, `load_manifest`, `load_audio_folder` or `from_audformat`, or any
        mapping with `files`, `emotion` and `speaker`.
    classes : iterable of str, optional
        Classes to keep, at least two. Default: all classes in both corpora.

    Returns
    -------
    task : Bunch
        X_src, X_tgt : list of str or Segment, of n_source and n_target entries
            Files.
        y_src, y_tgt : ndarray of str, shape (n_source,) and (n_target,)
            Emotions. Use `y_tgt` for scoring only.
        speaker_src, speaker_tgt : ndarray of str, shape (n_source,) and (n_target,)
            Speakers.
        classes : ndarray of str, shape (n_classes,)
            Sorted classes.
        source, target : str
            Names of the corpora.

    Raises
    ------
    TypeError
        If a corpus lacks `files`, `emotion` or `speaker`, or one of these or `classes` is not a
        sequence.
    ValueError
        If lengths differ, an emotion or a speaker is missing, a class is missing in a corpus, fewer
        than two classes remain, the corpora share a recording or overlapping segments of one, by
        any path or link, or a complete corpus differs from its published counts of emotions.

    See Also
    --------
    leave_one_corpus_out : Tasks with several sources.

    Notes
    -----
    A corpus counts as complete if its `name` is in ``skdidan.corpora.CORPORA`` and it has the
    published emotions and number of utterances. Counts are not checked for parts of a corpus, nor
    after a ``mapping`` has renamed or merged emotions.

    Examples
    --------
    >>> from sklearn.utils import Bunch
    >>> from skdidan import cross_corpus_task
    >>> here = Bunch(files=["a", "b", "c"], emotion=["fear", "anger", "calm"], speaker=[1, 1, 2])
    >>> there = Bunch(files=["d", "e"], emotion=["anger", "fear"], speaker=[1, 2])
    >>> task = cross_corpus_task(here, there)
    >>> task.classes.tolist(), task.X_src, task.y_src.tolist()
    (['anger', 'fear'], ['a', 'b'], ['fear', 'anger'])
    """
    corpora = {"source": source, "target": target}
    kept = _choose_classes(corpora, classes, "source and target share")
    parts = {side: _select_rows(corpus, kept) for side, corpus in corpora.items()}
    _check_disjoint({side: files for side, (files, *_) in parts.items()}, "")
    task = TaskBunch(classes=np.array(kept))
    for side, suffix in (("source", "src"), ("target", "tgt")):
        for key, values in zip(("X", "y", "speaker"), parts[side], strict=True):
            task[f"{key}_{suffix}"] = values
        task[side] = corpora[side].get("name", side)
    return task


def leave_one_corpus_out(
    corpora: Sequence[Bunch] | Mapping[str, Bunch], classes: Iterable[str] | None = None
) -> Iterator[Bunch]:
    """Make one task per corpus: it is the target, and all other corpora are sources.

    Parameters
    ----------
    corpora : sequence of Bunch, or mapping from str to Bunch
        At least two corpora, as for `cross_corpus_task`. In a sequence their `name` must differ.
    classes : iterable of str, optional
        Classes to keep, at least two. Default: all classes that every corpus has.

    Yields
    ------
    task : Bunch
        One for each corpus, in their order.

        X : list of str or Segment, of n_samples entries
            Files of all corpora: first the sources in their order, then the target.
        y : ndarray of str, shape (n_samples,)
            Emotions of the source rows, and "unlabelled" for the target rows.
        sample_domain : ndarray of int, shape (n_samples,)
            The position of its corpus in `corpora` for a source row; -1 for a target row.
        speaker : ndarray of str, shape (n_samples,)
            Speakers as ``<corpus>/<speaker>``, so that equal names in two corpora stay distinct.
        X_src, X_tgt, y_src, y_tgt, speaker_src, speaker_tgt, classes, target
            As in `cross_corpus_task`, for ``fit(X_src, y_src, X_tgt)``.
        source : list of str
            Names of the sources.

    Raises
    ------
    TypeError
        As for `cross_corpus_task`.
    ValueError
        If there are fewer than two corpora, two have the same name, or a class is named
        "unlabelled"; and as for `cross_corpus_task`.

    Notes
    -----
    ``fit(X, y, sample_domain=sample_domain)`` tells the sources apart: `CorpusScaler` scales each
    by its own statistics, and `DJDAClassifier` aligns each with the target, also inside an
    `AdaptationPipeline` or a `WindowedClassifier` around one, and in `compare`. Most estimators
    pool the sources, as does everything that is called with `X_tgt`.

    Examples
    --------
    >>> from sklearn.utils import Bunch
    >>> from skdidan import leave_one_corpus_out
    >>> corpora = {
    ...     name: Bunch(files=[f"{name}1", f"{name}2"], emotion=["fear", "anger"], speaker=[1, 2])
    ...     for name in ("a", "b", "c")
    ... }
    >>> for task in leave_one_corpus_out(corpora):
    ...     print(task.target, task.X_src, task.sample_domain.tolist())
    a ['b1', 'b2', 'c1', 'c2'] [1, 1, 2, 2, -1, -1]
    b ['a1', 'a2', 'c1', 'c2'] [0, 0, 2, 2, -1, -1]
    c ['a1', 'a2', 'b1', 'b2'] [0, 0, 1, 1, -1, -1]
    """
    named = _name_corpora(corpora)
    sides = {f"corpus {name!r}": corpus for name, corpus in named.items()}
    kept = _choose_classes(sides, classes, "all corpora share")
    if UNLABELLED in kept:
        raise ValueError(
            f"classes hold {UNLABELLED!r}, but {UNLABELLED!r} stands for target rows: leave it out "
            "of classes, or rename it by the mapping of a loader."
        )
    parts = {name: _select_rows(corpus, kept) for name, corpus in named.items()}
    _check_disjoint({repr(name): files for name, (files, *_) in parts.items()}, "The corpora ")
    return (_multi_source_task(parts, target, kept) for target in parts)


def _multi_source_task(parts: Mapping[str, _Rows], target: str, classes: list[str]) -> Bunch:
    sources = [name for name in parts if name != target]
    order = [*sources, target]
    files, emotions, _ = zip(*(parts[name] for name in order), strict=True)
    numbers = {name: n for n, name in enumerate(parts)} | {target: _TARGET}
    domain = np.repeat([numbers[name] for name in order], [len(part) for part in files])
    is_source = domain >= 0
    X = [file for part in files for file in part]
    y = np.concatenate(emotions)
    speaker = np.array([f"{name}/{speaker}" for name in order for speaker in parts[name][2]])
    task = Bunch(X=X, y=np.where(is_source, y, UNLABELLED), sample_domain=domain, speaker=speaker)
    for suffix, rows in (("src", is_source), ("tgt", ~is_source)):
        for key, values in (("X", X), ("y", y), ("speaker", speaker)):
            task[f"{key}_{suffix}"] = take_rows(values, rows)
    return TaskBunch(**task, classes=np.array(classes), source=sources, target=target)


def _name_corpora(corpora: Any) -> dict[str, Any]:
    """Return the corpora by their names, after a check of the names."""
    if isinstance(corpora, Mapping) and "files" not in corpora:
        named = {str(name): corpus for name, corpus in corpora.items()}
    elif isinstance(corpora, Sequence) and not isinstance(corpora, str):
        names = [
            str(corpus.get("name", n) if isinstance(corpus, Mapping) else n)
            for n, corpus in enumerate(corpora)
        ]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"corpora must have different names; got several of {repeated}. Pass a dict from "
                "names to corpora."
            )
        named = dict(zip(names, corpora, strict=True))
    else:
        raise TypeError(
            "corpora must be a list of Bunches, as load_corpus returns them, or a dict from names "
            f"to corpora; got a {type(corpora).__name__}."
        )
    if len(named) < 2:
        raise ValueError(
            f"corpora must hold at least two, a source and a target; got {list(named)}."
        )
    return named


def _choose_classes(
    corpora: Mapping[str, Any], classes: Iterable[str] | None, who: str
) -> list[str]:
    """Validate the corpora, and return the sorted classes to keep."""
    found = {}
    for side, corpus in corpora.items():
        _check_corpus(side, corpus)
        for key in ("emotion", "speaker"):
            check_missing(corpus[key], f"{key} of the {side}")
        found[side] = Counter(str(emotion) for emotion in corpus["emotion"])
        _check_counts(side, corpus.get("name"), found[side])
    shared = set.intersection(*map(set, found.values()))
    kept = sorted(shared if classes is None else _class_names(classes))
    for side, present in found.items():
        if missing := [name for name in kept if name not in present]:
            raise ValueError(
                f"classes are missing in the {side}: {missing}; it has {sorted(present)}."
            )
    if len(kept) < 2:
        origin = who if classes is None else "classes names"
        details = ", ".join(f"the {side} has {sorted(its)}" for side, its in found.items())
        raise ValueError(f"A task needs at least two classes; {origin} {kept}, {details}.")
    return kept


def _class_names(classes: Any) -> set[str]:
    """Return the wanted classes as strings; they may be given as numbers."""
    is_several = isinstance(classes, Iterable) and not isinstance(classes, str)
    names = list(classes) if is_several else None  # a generator can be read only once
    if names is None or any(np.ndim(name) for name in names):
        raise TypeError(f"classes must be a sequence of class names; got {classes!r}.")
    return {str(name) for name in names}


def _check_disjoint(files: Mapping[str, list[Any]], who: str) -> None:
    """Raise an error if two corpora share recordings, whose labels would leak."""
    groups = {name: group_by_file(its) for name, its in files.items()}
    for (one, its), (other, others) in combinations(groups.items(), 2):
        shared = [
            str(file)
            for identity in its
            if identity in others
            for file in _overlapping(its[identity], others[identity])
        ]
        if shared:
            raise ValueError(
                f"{who}{one} and {other} share {len(shared)} recording(s){examples(shared)}: "
                "training would see labels of the target. Keep each recording in one corpus."
            )


def _overlapping(parts: list[Any], others: list[Any]) -> list[Any]:
    """Return the parts of a file that overlap any of `others`, parts of the same file."""
    found = []
    for channel in dict.fromkeys(map(channel_of, parts)):
        its = [part for part in parts if channel_of(part) == channel]
        # The average of all channels overlaps each.
        near = [x for x in others if channel == "mix" or channel_of(x) in ("mix", channel)]
        start, end = np.transpose([span(part) for part in its])
        starts, ends = np.sort(np.reshape([span(other) for other in near], (-1, 2)).T)
        # More of the others start before the end of a part than have ended by its start.
        overlap = np.searchsorted(starts, end) > np.searchsorted(ends, start, side="right")
        found += take_rows(its, overlap)
    return found


def _select_rows(corpus: Any, classes: list[str]) -> _Rows:
    emotion = np.array([str(label) for label in corpus["emotion"]])
    rows = np.isin(emotion, classes)
    speaker = np.array([str(name) for name in corpus["speaker"]])
    return take_rows(list(corpus["files"]), rows), emotion[rows], speaker[rows]


def _check_corpus(side: str, corpus: Any) -> None:
    keys = ("files", "emotion", "speaker")
    missing = [key for key in keys if not isinstance(corpus, Mapping) or key not in corpus]
    if missing:
        cure = ". Use load_manifest to convert it" if hasattr(corpus, "columns") else ""
        raise TypeError(
            f"{side} must be a Bunch with files, emotion and speaker, as load_corpus returns; "
            f"got a {type(corpus).__name__} without {', '.join(missing)}{cure}."
        )
    for key in keys:
        if isinstance(corpus[key], str) or not hasattr(corpus[key], "__len__"):
            raise TypeError(
                f"{key} of the {side} must be a list or an array with an entry for each recording; "
                f"got {corpus[key]!r}."
            )
    lengths = [len(corpus[key]) for key in keys]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"{side} must have equally many files, emotions and speakers; got {lengths}."
        )


def _check_counts(side: str, name: Any, counts: Counter[str]) -> None:
    """Compare the emotions of a complete corpus with the published counts."""
    known = CORPORA.get(corpus_key(name))
    if known is None:
        return
    versions = [version for version in known.counts if version.keys() == counts.keys()]
    complete = [version for version in versions if sum(version.values()) == counts.total()]
    if not complete or counts in complete:
        return
    differences = ", ".join(
        f"{emotion} {counts[emotion]} != {n}"
        for emotion, n in sorted(complete[0].items())
        if counts[emotion] != n
    )
    raise ValueError(
        f"The {side} has all {counts.total()} utterances, but its counts of emotions differ from "
        f"the published ones: {differences}. Compare the copy with {known.title}, or give the "
        "corpus another name."
    )
