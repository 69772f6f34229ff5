"""Emotional speech corpora on disk: files, emotions, speakers, and tasks between two of them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skdidan.domains import check_missing, take_rows

__all__ = ["CORPORA", "EMOTIONS", "CorpusWarning", "cross_corpus_task", "load_corpus"]

# Preferred first, where an utterance is there twice.
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


class CorpusWarning(UserWarning):
    """Some audio files below the root of a corpus could not be placed."""


@dataclass(frozen=True)
class Corpus:
    """How to read the files of one corpus.

    Attributes
    ----------
    title : str
        Full name, for messages and descriptions.
    pattern : str
        Regular expression with the groups ``speaker`` and ``emotion``, matched in any case against
        the end of a file's path below the root, without its extension and with ``/`` between
        folders. What it matches identifies the utterance.
    layout : str
        The same in words, for messages.
    words : mapping from str to str, optional
        Codes of the corpus, in lower case, to words of `EMOTIONS`; other codes are such words.
    sex : mapping from str to str, optional
        Speakers, in lower case, to "female" or "male".
    """

    title: str
    pattern: str
    layout: str
    words: Mapping[str, str] = field(default_factory=dict)
    sex: Mapping[str, str] = field(default_factory=dict)


class _Utterance(NamedTuple):
    file: Path
    emotion: str
    speaker: str


def load_corpus(name: str, root: str | Path, *, mapping: Mapping[str, str] | None = None) -> Bunch:
    """Find the files of a corpus and read emotion and speaker off their names.

    Nothing is downloaded and no audio is opened. Files are recognised by their stems (CASIA: by
    their folders too), at any depth below the root, as .wav, .flac, .ogg or .mp3 in any case. An
    utterance that is there more than once, nested or in several formats, counts once; hidden
    files do not count.

    Parameters
    ----------
    name : str
        A key of ``skdidan.corpora.CORPORA``: "casia" or "emodb".
    root : str or Path
        Folder of the corpus.
    mapping : mapping from str to str, optional
        Further spellings of emotions to labels, or labels to other labels. It goes before
        ``skdidan.corpora.EMOTIONS``; case does not matter.

    Returns
    -------
    corpus : Bunch
        files : list of str, of n_utterances entries
            Paths, below `root` as given, sorted.
        emotion : ndarray of str, shape (n_utterances,)
            Labels: anger, boredom, calm, disgust, fear, happiness, neutral, sadness, surprise, or
            whatever `mapping` makes of them.
        speaker : ndarray of str, shape (n_utterances,)
            Speakers, as the corpus names them.
        sex : ndarray of str, shape (n_utterances,)
            "female", "male" or "unknown".
        name : str
            As given.
        DESCR : str
            Title and layout of the corpus.

    Raises
    ------
    ValueError
        If the name is unknown, or no file below the root belongs to the corpus.
    NotADirectoryError
        If the root is no folder.

    Warns
    -----
    CorpusWarning
        Once, if some audio files could not be placed; they are left out.

    References
    ----------
    .. [1] F. Burkhardt et al., "A database of German emotional speech" (EmoDB), Interspeech 2005.
    .. [2] J. Tao et al., "Design of speech corpus for Mandarin text to speech" (CASIA), Blizzard
       Challenge workshop, 2008.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import load_corpus
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for stem in ("03a01Fa", "08a02Wb"):
    ...         (Path(root) / f"{stem}.wav").touch()
    ...     corpus = load_corpus("emodb", root)
    >>> [Path(file).name for file in corpus.files]
    ['03a01Fa.wav', '08a02Wb.wav']
    >>> corpus.emotion.tolist(), corpus.speaker.tolist(), corpus.sex.tolist()
    (['happiness', 'anger'], ['03', '08'], ['male', 'female'])
    """
    if name not in CORPORA:
        raise ValueError(f"name must be among {sorted(CORPORA)}; got {name!r}.")
    corpus, root = CORPORA[name], Path(root).expanduser()
    if not root.is_dir():
        raise NotADirectoryError(
            f"root must be the folder of {corpus.title}, with files {corpus.layout}; "
            f"got {str(root)!r}, which is "
            f"{'a file' if root.exists() else 'not there (nothing is downloaded)'}."
        )
    files = _audio_files(root)
    utterances, misfits = _place(corpus, root, files, mapping or {})
    if not utterances:
        found = f"{_count(files)}{_examples(files, root)}" if files else _contents(root)
        raise ValueError(
            f"root holds no file of {corpus.title}: expected {corpus.layout} as "
            f"{' '.join(SUFFIXES)} below {str(root)!r}; found {found}."
        )
    if misfits:
        warnings.warn(
            f"{len(misfits)} of {_count(files)} below {str(root)!r} could not be placed and "
            f"are left out{_examples(misfits, root)}. {corpus.title} has {corpus.layout}; "
            "further spellings of emotions go into mapping={spelling: label}.",
            CorpusWarning,
            stacklevel=2,
        )
    speakers = [utterance.speaker for utterance in utterances]
    return Bunch(
        files=[str(utterance.file) for utterance in utterances],
        emotion=np.array([utterance.emotion for utterance in utterances]),
        speaker=np.array(speakers),
        sex=np.array([corpus.sex.get(speaker.lower(), "unknown") for speaker in speakers]),
        name=name,
        DESCR=f"{corpus.title}: {corpus.layout}.",
    )


def cross_corpus_task(source: Bunch, target: Bunch, classes: Sequence[str] | None = None) -> Bunch:
    """Make a labelled source and a target of the classes that two corpora share.

    Parameters
    ----------
    source, target : Bunch
        Corpora of `load_corpus`, or anything alike with `files`, `emotion` and `speaker`.
    classes : sequence of str, optional
        Classes to keep, at least two; by default all that both corpora have.

    Returns
    -------
    task : Bunch
        X_src, X_tgt : list of str, of n_source and n_target entries
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
        If `source` or `target` lacks `files`, `emotion` or `speaker`, or `classes` is a string.
    ValueError
        If these differ in length, a class is missing in either corpus, or fewer than two classes
        remain.

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
    found = {}
    for side, corpus in (("source", source), ("target", target)):
        _check_corpus(side, corpus)
        check_missing(corpus["emotion"], f"emotion of the {side}")
        found[side] = {str(emotion) for emotion in corpus["emotion"]}
    if isinstance(classes, str):
        raise TypeError(f"classes must be a sequence of class names; got the string {classes!r}.")
    kept = sorted(found["source"] & found["target"] if classes is None else map(str, set(classes)))
    for side, present in found.items():
        missing = [name for name in kept if name not in present]
        if missing:
            raise ValueError(
                f"classes are missing in the {side}: {missing}; it has {sorted(present)}."
            )
    if len(kept) < 2:
        origin = "source and target share" if classes is None else "classes names"
        raise ValueError(
            f"A task needs at least two classes; {origin} {kept}. The source has "
            f"{sorted(found['source'])}, the target {sorted(found['target'])}."
        )
    task = Bunch(classes=np.array(kept))
    for side, suffix, corpus in (("source", "src", source), ("target", "tgt", target)):
        emotion = np.array([str(label) for label in corpus["emotion"]])
        rows = np.isin(emotion, kept)
        task[f"X_{suffix}"] = take_rows(list(corpus["files"]), rows)
        task[f"y_{suffix}"] = emotion[rows]
        task[f"speaker_{suffix}"] = np.array([str(name) for name in corpus["speaker"]])[rows]
        task[side] = corpus.get("name", side)
    return task


def _audio_files(root: Path) -> list[Path]:
    return sorted(
        (
            path
            for path in root.rglob("*")
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        ),
        key=lambda path: path.relative_to(root).as_posix(),
    )


def _place(
    corpus: Corpus, root: Path, files: list[Path], mapping: Mapping[str, str]
) -> tuple[list[_Utterance], list[Path]]:
    """Return one utterance per recording, in the order of the files, and the misfits."""
    pattern = re.compile(rf"(?:^|/)(?P<utterance>{corpus.pattern})$", re.IGNORECASE)
    own = {spelling.lower(): label for spelling, label in mapping.items()}
    utterances: dict[str, _Utterance] = {}
    misfits = []
    for file in sorted(files, key=_preference):
        match = pattern.search(file.relative_to(root).with_suffix("").as_posix())
        code = match["emotion"].lower() if match else ""
        word = corpus.words.get(code, code)
        label = EMOTIONS.get(word)
        label = own.get(word, own.get(label or word, label))
        if match is None or label is None:
            misfits.append(file)
        else:
            utterance = _Utterance(file, label, match["speaker"])
            utterances.setdefault(match["utterance"].lower(), utterance)
    order = {file: position for position, file in enumerate(files)}
    placed = sorted(utterances.values(), key=lambda utterance: order[utterance.file])
    return placed, sorted(misfits, key=order.__getitem__)


def _preference(path: Path) -> tuple[int, int]:
    return SUFFIXES.index(path.suffix.lower()), len(path.parts)


def _count(files: Sequence[Path]) -> str:
    return f"{len(files)} audio file{'' if len(files) == 1 else 's'}"


def _examples(files: Iterable[Path], root: Path, n: int = 3) -> str:
    names = [file.relative_to(root).as_posix() for file in files]
    return ", e.g. " + ", ".join(names[:n])


def _contents(root: Path) -> str:
    names = sorted(path.name for path in root.iterdir())
    return f"no audio file but {', '.join(names[:3])}" if names else "an empty folder"


def _check_corpus(side: str, corpus: Any) -> None:
    keys = ("files", "emotion", "speaker")
    missing = [key for key in keys if not isinstance(corpus, Mapping) or key not in corpus]
    if missing:
        raise TypeError(
            f"{side} must be a Bunch with files, emotion and speaker, as load_corpus returns; "
            f"got a {type(corpus).__name__} without {', '.join(missing)}."
        )
    lengths = [len(corpus[key]) for key in keys]
    if len(set(lengths)) > 1:
        raise ValueError(f"{side} must have as many files as emotions and speakers; got {lengths}.")


# Spellings in the wild, in lower case, to canonical labels.
EMOTIONS = {
    "anger": "anger",
    "angry": "anger",
    "bored": "boredom",
    "boredem": "boredom",
    "boredom": "boredom",
    "calm": "calm",
    "disgust": "disgust",
    "disgusted": "disgust",
    "anxiety": "fear",
    "fear": "fear",
    "fearful": "fear",
    "happiness": "happiness",
    "happy": "happiness",
    "joy": "happiness",
    "neutral": "neutral",
    "neutrality": "neutral",
    "sad": "sadness",
    "sadness": "sadness",
    "surprise": "surprise",
    "surprised": "surprise",
}

CORPORA = {
    "casia": Corpus(
        title="CASIA, the public part of the Mandarin emotional corpus",
        pattern=r"(?P<speaker>[^/]+)/(?P<emotion>[^/]+)/\d+",
        layout="<speaker>/<emotion>/<number>, such as wangzhe/angry/201",
        sex={
            "liuchanhg": "female",
            "wangzhe": "male",
            "zhaoquanyin": "female",
            "zhaozuoxiang": "male",
        },
    ),
    "emodb": Corpus(
        title="EmoDB, the Berlin database of emotional speech",
        pattern=r"(?P<speaker>\d\d)[a-z]\d\d(?P<emotion>[a-z])[a-z]?",
        layout="<speaker><text><emotion><version>, such as 03a01Fa",
        words={
            "a": "fear",
            "e": "disgust",
            "f": "happiness",
            "l": "boredom",
            "n": "neutral",
            "t": "sadness",
            "w": "anger",
        },
        sex={
            "03": "male",
            "08": "female",
            "09": "female",
            "10": "male",
            "11": "male",
            "12": "male",
            "13": "female",
            "14": "female",
            "15": "male",
            "16": "female",
        },
    ),
}
