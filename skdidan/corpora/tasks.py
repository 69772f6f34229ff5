"""Cross-corpus tasks: a labelled source and a target, of one or several other corpora."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skdidan.corpora.folders import by_place, examples, span
from skdidan.corpora.layouts import CORPORA, corpus_key
from skdidan.domains import check_missing, take_rows

__all__ = ["UNLABELLED", "cross_corpus_task", "leave_one_corpus_out"]

#: What stands in `y` for the rows of the target in a task of several sources.
UNLABELLED = "unlabelled"
_TARGET = -1


def cross_corpus_task(source: Bunch, target: Bunch, classes: Iterable[str] | None = None) -> Bunch:
    """Make a labelled source and a target of the classes that two corpora share.

    Parameters
    ----------
    source, target : Bunch
        Corpora of `load_corpus`, `load_manifest`, `load_audio_folder` or `from_audformat`, or
        anything alike with `files`, `emotion` and `speaker`.
    classes : iterable of str, optional
        Classes to keep, at least two; by default all that both corpora have.

    Returns
    -------
    task : Bunch
        X_src, X_tgt : list of str or Segment, of n_source and n_target entries
            Files.
        y_src, y_tgt : ndarray of str, shape (n_source,) and (n_target,)
            Emotions. Those of the target are for scoring only.
        speaker_src, speaker_tgt : ndarray of str, shape (n_source,) and (n_target,)
            Speakers.
        classes : ndarray of str, shape (n_classes,)
            Classes, sorted.
        source, target : str
            Names of the corpora.

    Raises
    ------
    TypeError
        If `source` or `target` lacks `files`, `emotion` or `speaker`, or one of these or `classes`
        is no sequence.
    ValueError
        If these differ in length, an emotion or a speaker is missing, a class is missing in either
        corpus, fewer than two classes remain, or both corpora hold the same recording, by whatever
        path or link, or parts of one that overlap; or if a complete corpus has not the published
        number of utterances of each emotion.

    See Also
    --------
    leave_one_corpus_out : Tasks with several sources.

    Notes
    -----
    A corpus is taken to be complete if its `name` is one of ``skdidan.corpora.CORPORA`` and it has
    as many utterances, and the same emotions, as published. Parts of a corpus, and emotions that a
    ``mapping`` renamed or merged, are not compared with anything.

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
    kept = _shared_classes(corpora, classes, "source and target share")
    parts = {side: _rows_of(corpus, kept) for side, corpus in corpora.items()}
    _check_apart({side: files for side, (files, *_) in parts.items()}, "")
    task = Bunch(classes=np.array(kept))
    for side, suffix, corpus in (("source", "src", source), ("target", "tgt", target)):
        files, emotion, speaker = parts[side]
        task[f"X_{suffix}"] = files
        task[f"y_{suffix}"] = emotion
        task[f"speaker_{suffix}"] = speaker
        task[side] = corpus.get("name", side)
    return task


def leave_one_corpus_out(
    corpora: Sequence[Bunch] | Mapping[str, Bunch], classes: Iterable[str] | None = None
) -> Iterator[Bunch]:
    """Make a task of each corpus as the target, with all the others as its sources.

    Parameters
    ----------
    corpora : sequence of Bunch, or mapping from str to Bunch
        Two corpora or more, of `load_corpus` or alike, whose `name` differs; or by their names.
    classes : iterable of str, optional
        Classes to keep, at least two; by default all that every corpus has.

    Yields
    ------
    task : Bunch
        One for each corpus, in their order.

        X : list of str or Segment, of n_samples entries
            Files of all corpora: the sources one after the other, then the target.
        y : ndarray of str, shape (n_samples,)
            Emotions of the sources, and "unlabelled" in place of those of the target.
        sample_domain : ndarray of int, shape (n_samples,)
            For a row of a source the place of its corpus in `corpora`, from 0; -1 for a row of the
            target.
        speaker : ndarray of str, shape (n_samples,)
            Speakers, as ``<corpus>/<speaker>``, since corpora number theirs alike.
        X_src, X_tgt, y_src, y_tgt, speaker_src, speaker_tgt, classes, target
            As `cross_corpus_task` returns them, for ``fit(X_src, y_src, X_tgt)``.
        source : list of str
            Names of the sources.

    Raises
    ------
    TypeError
        As for `cross_corpus_task`.
    ValueError
        If there are fewer than two corpora, two of one name or a class "unlabelled", and as for
        `cross_corpus_task`.

    Notes
    -----
    ``fit(X, y, sample_domain=sample_domain)`` of a `CorpusScaler`, also of one in an
    `AdaptationPipeline` or in a `WindowedClassifier` around it, takes statistics of each source by
    itself. Other estimators take the sources for one domain; so does everything that is given
    `X_tgt`, which does not tell them apart: `compare`, and a search.

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
    named = _by_name(corpora)
    sides = {f"corpus {name!r}": corpus for name, corpus in named.items()}
    kept = _shared_classes(sides, classes, "all corpora share")
    if UNLABELLED in kept:
        raise ValueError(
            f"classes hold {UNLABELLED!r}, but {UNLABELLED!r} stands for rows of the target: leave "
            "it out of classes, or name the class otherwise, as by mapping in a loader."
        )
    parts = {name: _rows_of(corpus, kept) for name, corpus in named.items()}
    _check_apart({repr(name): files for name, (files, *_) in parts.items()}, "The corpora ")
    return (_multi_source_task(parts, target, kept) for target in parts)


def _multi_source_task(
    parts: Mapping[str, tuple[list[Any], NDArray[Any], NDArray[Any]]],
    target: str,
    classes: list[str],
) -> Bunch:
    sources = [name for name in parts if name != target]
    order = [*sources, target]
    files, emotions, _ = zip(*(parts[name] for name in order), strict=True)
    numbers = {name: n for n, name in enumerate(parts)} | {target: _TARGET}
    domain = np.repeat([numbers[name] for name in order], [len(part) for part in files])
    speaker = np.array([f"{name}/{speaker}" for name in order for speaker in parts[name][2]])
    is_source = domain >= 0
    X = [file for part in files for file in part]
    emotion = np.concatenate(emotions)
    return Bunch(
        X=X,
        y=np.where(is_source, emotion, UNLABELLED),
        sample_domain=domain,
        speaker=speaker,
        X_src=take_rows(X, is_source),
        y_src=emotion[is_source],
        speaker_src=speaker[is_source],
        X_tgt=take_rows(X, ~is_source),
        y_tgt=emotion[~is_source],
        speaker_tgt=speaker[~is_source],
        classes=np.array(classes),
        source=sources,
        target=target,
    )


def _by_name(corpora: Any) -> dict[str, Any]:
    if isinstance(corpora, Mapping) and "files" not in corpora:
        named = {str(name): corpus for name, corpus in corpora.items()}
    elif isinstance(corpora, Sequence) and not isinstance(corpora, str):
        names = [
            str(corpus.get("name", n)) if isinstance(corpus, Mapping) else str(n)
            for n, corpus in enumerate(corpora)
        ]
        repeated = sorted(name for name, n in Counter(names).items() if n > 1)
        if repeated:
            raise ValueError(
                f"corpora must have different names; got several of {repeated}. Pass a dict of "
                "each name to its corpus."
            )
        named = dict(zip(names, corpora, strict=True))
    else:
        raise TypeError(
            "corpora must be a list of Bunches, as load_corpus returns them, or a dict of each "
            f"name to its corpus; got a {type(corpora).__name__}."
        )
    if len(named) < 2:
        raise ValueError(
            f"corpora must hold at least two, a source and a target; got {list(named)}."
        )
    return named


def _shared_classes(
    corpora: Mapping[str, Any], classes: Iterable[str] | None, who: str
) -> list[str]:
    """Return the classes to keep, sorted, after all checks of the corpora."""
    found = {}
    for side, corpus in corpora.items():
        _check_corpus(side, corpus)
        for key in ("emotion", "speaker"):
            check_missing(corpus[key], f"{key} of the {side}")
        _check_counts(side, corpus)
        found[side] = {str(emotion) for emotion in corpus["emotion"]}
    shared = set.intersection(*found.values())
    kept = sorted(shared if classes is None else _names(classes))
    for side, present in found.items():
        missing = [name for name in kept if name not in present]
        if missing:
            raise ValueError(
                f"classes are missing in the {side}: {missing}; it has {sorted(present)}."
            )
    if len(kept) < 2:
        origin = who if classes is None else "classes names"
        (first, its), *others = ((side, sorted(present)) for side, present in found.items())
        rest = "".join(f", the {side} {present}" for side, present in others)
        raise ValueError(
            f"A task needs at least two classes; {origin} {kept}. The {first} has {its}{rest}."
        )
    return kept


def _names(classes: Any) -> set[str]:
    """Return the classes that a caller wants, which may be numbers."""
    names = None
    if isinstance(classes, Iterable) and not isinstance(classes, str):
        names = list(classes)  # a generator can be read only once
    if names is None or any(np.ndim(name) for name in names):
        raise TypeError(f"classes must be a sequence of class names; got {classes!r}.")
    return {str(name) for name in names}


def _check_apart(files: Mapping[str, list[Any]], who: str) -> None:
    """Raise an error if two corpora share recordings, whose labels would leak."""
    places = {name: by_place(its) for name, its in files.items()}
    for (one, its), (other, others) in combinations(places.items(), 2):
        shared = [
            str(file)
            for place in its
            if place in others
            for file in _overlapping(its[place], others[place])
        ]
        if shared:
            raise ValueError(
                f"{who}{one} and {other} share {len(shared)} recording(s){examples(shared)}: "
                "labels of the target would be trained on. Keep each in one of them."
            )


def _overlapping(parts: list[Any], others: list[Any]) -> list[Any]:
    """List those parts of a file that overlap any of some others of it."""
    starts, ends = (sorted(times) for times in zip(*map(span, others), strict=True))

    def overlaps(part: Any) -> bool:
        start, end = span(part)
        # Of the others that begin before the end, some have not ended by the start.
        return bisect_left(starts, end) > bisect_right(ends, start)

    return [part for part in parts if overlaps(part)]


def _rows_of(corpus: Any, classes: list[str]) -> tuple[list[Any], NDArray[Any], NDArray[Any]]:
    """Take files, emotions and speakers of the classes."""
    emotion = np.array([str(label) for label in corpus["emotion"]])
    rows = np.isin(emotion, classes)
    speaker = np.array([str(name) for name in corpus["speaker"]])
    return take_rows(list(corpus["files"]), rows), emotion[rows], speaker[rows]


def _check_corpus(side: str, corpus: Any) -> None:
    keys = ("files", "emotion", "speaker")
    missing = [key for key in keys if not isinstance(corpus, Mapping) or key not in corpus]
    if missing:
        cure = ": load_manifest makes one of it" if hasattr(corpus, "columns") else ""
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
        raise ValueError(f"{side} must have as many files as emotions and speakers; got {lengths}.")


def _check_counts(side: str, corpus: Mapping[str, Any]) -> None:
    """Compare a complete corpus with the numbers that were published."""
    known = CORPORA.get(corpus_key(corpus.get("name")))
    if known is None:
        return
    counts = Counter(str(emotion) for emotion in corpus["emotion"])
    copies = [copy for copy in known.counts if copy.keys() == counts.keys()]
    complete = [copy for copy in copies if sum(copy.values()) == counts.total()]
    if not complete or dict(counts) in complete:
        return
    off = ", ".join(
        f"{emotion} {counts[emotion]} != {n}"
        for emotion, n in sorted(complete[0].items())
        if counts[emotion] != n
    )
    raise ValueError(
        f"The {side} is complete with {counts.total()} utterances, but not with the published "
        f"number of each emotion: {off}. Compare the copy with {known.title}, or give the corpus "
        "another name."
    )
