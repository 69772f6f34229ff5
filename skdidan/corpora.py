"""Emotional speech corpora on disk: files, emotions and speakers, read off names and labels."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skdidan.layouts import CORPORA, Corpus
from skdidan.reporting import warn_caller

__all__ = [
    "CORPORA",
    "EMOTIONS",
    "SUFFIXES",
    "CorpusWarning",
    "audio_files",
    "canonical_label",
    "corpus_key",
    "examples",
    "load_corpus",
    "tally",
]

# Preferred first, where an utterance is there twice.
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


class CorpusWarning(UserWarning):
    """Some files of a corpus, or rows of a manifest, could not be placed."""


class _Utterance(NamedTuple):
    file: Path
    emotion: str
    speaker: str
    sex: str


def load_corpus(name: str, root: str | Path, *, mapping: Mapping[str, str] | None = None) -> Bunch:
    """Find the files of a corpus and read emotion and speaker off their names.

    Nothing is downloaded and no audio is opened. Files are recognised by their stems (CASIA,
    eNTERFACE'05 and SAVEE: by their folders too), at any depth below the root, as .wav, .flac, .ogg
    or .mp3 in any case. An utterance that is there more than once, nested or in several formats,
    counts once; hidden files do not count.

    Parameters
    ----------
    name : str
        A key of ``skdidan.corpora.CORPORA``: "casia", "cremad", "emodb", "emovo", "enterface",
        "iemocap", "ravdess", "savee", "shemo", "tess" or "urdu". Case and punctuation do not
        matter: "CREMA-D" and "eNTERFACE'05" will do.
    root : str or Path
        Folder of the corpus.
    mapping : mapping from str to str, optional
        Further spellings of emotions to labels, labels to other labels, or codes of the corpus to
        labels. It goes before ``skdidan.corpora.EMOTIONS``; case does not matter.

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
            The key of the corpus.
        DESCR : str
            Title and layout of the corpus.

    Raises
    ------
    ValueError
        If the name is unknown, or no file below the root belongs to the corpus: it is empty, the
        corpus is another, or its sound is in videos or its labels are not there.
    NotADirectoryError
        If the root is no folder.

    Warns
    -----
    CorpusWarning
        Once, if some audio files could not be placed; they are left out.

    Notes
    -----
    IEMOCAP has its labels in ``dialog/EmoEvaluation/*.txt`` below the same root. The usual four
    classes are taken, happiness and excitement as one; the warning counts the others, which
    ``mapping={"fru": "frustration"}`` takes in, as ``mapping={"exc": "excitement"}`` keeps
    excitement apart.

    The originals of eNTERFACE'05 are .avi files, whose sound has to be saved as .wav or .flac
    first, as by ``ffmpeg -i s1_an_1.avi s1_an_1.wav``, in folders of the same names. These name the
    speakers, since the files of subject 11 are prefixed s12; in a copy without folders the names
    of the files do. The six files of subject 6 are recordings of about a minute each. They are
    taken, as in the published counts; ``corpus.speaker != "6"`` tells the others.

    References
    ----------
    .. [1] F. Burkhardt et al., "A database of German emotional speech" (EmoDB), Interspeech 2005.
    .. [2] J. Tao et al., "Design of speech corpus for Mandarin text to speech" (CASIA), Blizzard
       Challenge workshop, 2008.
    .. [3] O. Martin et al., "The eNTERFACE'05 audio-visual emotion database", ICDE workshops, 2006.
    .. [4] S. R. Livingstone, F. A. Russo, "The Ryerson audio-visual database of emotional speech
       and song (RAVDESS)", PLoS ONE 13(5), 2018.
    .. [5] H. Cao et al., "CREMA-D: Crowd-sourced emotional multimodal actors dataset", IEEE
       Transactions on Affective Computing 5(4), 2014.
    .. [6] S. Haq, P. J. B. Jackson, "Speaker-dependent audio-visual emotion recognition" (SAVEE),
       AVSP 2009.
    .. [7] M. K. Pichora-Fuller, K. Dupuis, "Toronto emotional speech set (TESS)", 2020.
    .. [8] G. Costantini et al., "EMOVO corpus: an Italian emotional speech database", LREC 2014.
    .. [9] S. Latif et al., "Cross lingual speech emotion recognition: Urdu vs. Western languages"
       (URDU), FIT 2018.
    .. [10] O. Mohamad Nezami et al., "ShEMO: a large-scale validated database for Persian speech
       emotion detection", Language Resources and Evaluation 53, 2019.
    .. [11] C. Busso et al., "IEMOCAP: interactive emotional dyadic motion capture database",
       Language Resources and Evaluation 42(4), 2008.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import load_corpus
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for stem in ("03a01Fa", "08a02Wb"):
    ...         (Path(root) / f"{stem}.wav").touch()
    ...     corpus = load_corpus("EmoDB", root)
    >>> [Path(file).name for file in corpus.files]
    ['03a01Fa.wav', '08a02Wb.wav']
    >>> corpus.emotion.tolist(), corpus.speaker.tolist(), corpus.sex.tolist()
    (['happiness', 'anger'], ['03', '08'], ['male', 'female'])
    """
    key = corpus_key(name) if isinstance(name, str) else ""
    if key not in CORPORA:
        raise ValueError(f"name must be among {sorted(CORPORA)}; got {name!r}.")
    corpus, root = CORPORA[key], Path(root).expanduser()
    if not root.is_dir():
        raise NotADirectoryError(
            f"root must be the folder of {corpus.title}, with files {corpus.layout}; "
            f"got {str(root)!r}, which is "
            f"{'a file' if root.exists() else 'not there (nothing is downloaded)'}."
        )
    reader = _Reader(corpus, root, mapping or {})
    files = audio_files(root)
    utterances = reader.place(files)
    if not utterances:
        raise ValueError(reader.nothing_placed(files))
    if report := reader.report(files):
        warn_caller(report, CorpusWarning)
    return Bunch(
        files=[str(utterance.file) for utterance in utterances],
        emotion=np.array([utterance.emotion for utterance in utterances]),
        speaker=np.array([utterance.speaker for utterance in utterances]),
        sex=np.array([utterance.sex for utterance in utterances]),
        name=key,
        DESCR=f"{corpus.title}: {corpus.layout}.{corpus.remark}",
    )


class _Reader:
    """Places the files of one corpus, and remembers those that it could not place."""

    def __init__(self, corpus: Corpus, root: Path, mapping: Mapping[str, str]) -> None:
        self.corpus, self.root, self.mapping = corpus, root, mapping
        self.patterns = [
            re.compile(rf"(?:^|/)(?:{pattern})$", re.IGNORECASE) for pattern in corpus.patterns
        ]
        self.labels = _read_annotation(corpus, root)
        self.spellings: dict[str, str] = {}
        self.misfits: list[Path] = []
        self.unknown: Counter[str] = Counter()
        self.videos: list[Path] = []

    def place(self, files: list[Path]) -> list[_Utterance]:
        """Return one utterance per recording, in the order of the files."""
        utterances: dict[tuple[str, ...], _Utterance] = {}
        for file in sorted(files, key=_preference):
            match = self._match(file)
            if match is None:
                self.misfits.append(file)
                continue
            code = self._code(match, file)
            label = canonical_label(code, self.mapping, self.corpus.words)
            if label is None:
                self.unknown[code or "no label"] += 1
                self.misfits.append(file)
                continue
            speaker = self._speaker(match)
            speaker = self.spellings.setdefault(speaker.lower(), speaker)
            sex = match.groupdict().get("sex") or speaker
            sex = self.corpus.sex.get(sex.lower(), "unknown")
            utterance = _Utterance(file, label, speaker, sex)
            utterances.setdefault(self._identity(match), utterance)
        order = {file: position for position, file in enumerate(files)}
        self.misfits.sort(key=order.__getitem__)
        self.videos = self._unheard(utterances)
        return sorted(utterances.values(), key=lambda utterance: order[utterance.file])

    def _match(self, file: Path) -> re.Match[str] | None:
        stem = file.relative_to(self.root).with_suffix("").as_posix()
        matches = (pattern.search(stem) for pattern in self.patterns)
        return next((match for match in matches if match), None)

    def _code(self, match: re.Match[str], file: Path) -> str:
        if self.corpus.annotation is None:
            return match["emotion"].lower()
        return self.labels.get(file.stem.lower(), "")

    def _speaker(self, match: re.Match[str]) -> str:
        name = self.corpus.speaker.format(**match.groupdict())
        return self.corpus.slips.get(name.lower(), name)

    def _identity(self, match: re.Match[str]) -> tuple[str, ...]:
        groups = {**match.groupdict(), "speaker": self._speaker(match)}
        return tuple((groups[name] or "").lower() for name in sorted(groups))

    def _unheard(self, heard: Mapping[tuple[str, ...], _Utterance]) -> list[Path]:
        """List the videos of utterances of which there is no audio."""
        videos = _visible_files(self.root, (self.corpus.video,)) if self.corpus.video else []
        matches = [(video, self._match(video)) for video in videos]
        return [video for video, match in matches if match and self._identity(match) not in heard]

    def report(self, files: list[Path]) -> str:
        """Say which files were left out; nothing if none was."""
        parts = []
        if self.misfits:
            parts.append(
                f"{len(self.misfits)} of {_count(files)} below {str(self.root)!r} could not be "
                f"placed and are left out{examples(self._names(self.misfits))}. "
                f"{self.corpus.title} has {self.corpus.layout}; "
                "further spellings of emotions go into mapping={spelling: label}."
            )
        if self.unknown:
            parts.append(f"Emotions that are not known: {tally(self.unknown)}.")
        if self.videos:
            parts.append(
                f"{len(self.videos)} {self.corpus.video} file(s) have no audio beside them"
                f"{examples(self._names(self.videos))}. {self._conversion()}"
            )
        return " ".join(parts)

    def nothing_placed(self, files: list[Path]) -> str:
        """Say what was expected, and what was found instead."""
        corpus, annotation = self.corpus, self.corpus.annotation
        if annotation and self.unknown and not self.labels:
            return (
                f"root holds no labels of {corpus.title}: expected {annotation.layout} below "
                f"{str(self.root)!r}, beside the audio; found {_count(files)}"
                f"{examples(self._names(files))}."
            )
        found = f"{_count(files)}{examples(self._names(files))}" if files else _contents(self.root)
        expected = (
            f"root holds no file of {corpus.title}: expected {corpus.layout} as "
            f"{' '.join(SUFFIXES)} below {str(self.root)!r}; found "
        )
        if self.videos:
            names = examples(self._names(self.videos))
            return (
                f"{expected}{len(self.videos)} {corpus.video} file(s){names}. {self._conversion()}"
            )
        known = f"; emotions that are not known: {tally(self.unknown)}" if self.unknown else ""
        return f"{expected}{found}{known}."

    def _conversion(self) -> str:
        video = self.videos[0]
        return (
            "Their sound cannot be read as it is: save it as .wav or .flac in folders of the same "
            f"names, as by: ffmpeg -i {video.name} {video.stem}.wav"
        )

    def _names(self, files: Iterable[Path]) -> list[str]:
        return [file.relative_to(self.root).as_posix() for file in files]


def corpus_key(name: object) -> str:
    """Return the key of `CORPORA` that a name in any case and punctuation comes to.

    Examples
    --------
    >>> from skdidan.corpora import corpus_key
    >>> corpus_key("CREMA-D"), corpus_key("eNTERFACE'05"), corpus_key("of my own")
    ('cremad', 'enterface', 'ofmyown')
    """
    return re.sub(r"[^a-z0-9]", "", str(name).lower()).removesuffix("05")


def canonical_label(
    word: str, mapping: Mapping[str, str], codes: Mapping[str, str] | None = None
) -> str | None:
    """Return the label of an emotion in one spelling or another; None if it is not known.

    Parameters
    ----------
    word : str
        A code, a spelling or a label, in any case.
    mapping : mapping from str to str
        What the caller wants any of them to be.
    codes : mapping from str to str, optional
        Codes, in lower case, to words of `EMOTIONS`.

    Returns
    -------
    label : str or None
        As `mapping` says of the word, else of its canonical label; else that label.

    Examples
    --------
    >>> from skdidan.corpora import canonical_label
    >>> canonical_label("Joy", {}), canonical_label("Joy", {"happiness": "positive"})
    ('happiness', 'positive')
    """
    own = {str(spelling).strip().lower(): label for spelling, label in mapping.items()}
    code = word.strip().lower()
    spelling = (codes or {}).get(code, code)
    label = EMOTIONS.get(spelling)
    for candidate in (code, spelling, label):
        if candidate in own:
            return own[candidate]
    return label


def audio_files(root: Path) -> list[Path]:
    """List the audio files below a folder, sorted by their paths; hidden ones do not count."""
    return _visible_files(root, SUFFIXES)


def examples(names: Sequence[str], n: int = 3) -> str:
    """Name the first few, for messages."""
    return ", e.g. " + ", ".join(names[:n]) if names else ""


def tally(counts: Mapping[str, int], n: int = 10) -> str:
    """List the most frequent names with how often they occur, for messages."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    more = [f"{len(names) - n} more"] if len(names) > n else []
    return ", ".join([*(f"{name!r} ({counts[name]})" for name in names[:n]), *more])


def _visible_files(root: Path, suffixes: Sequence[str]) -> list[Path]:
    found, walked = [], set()
    for folder, inner, names in os.walk(root, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".")]
        if (place := os.path.realpath(folder)) in walked:
            inner.clear()  # a link led back
            continue
        walked.add(place)
        paths = (Path(folder, name) for name in names if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in suffixes and path.is_file()]
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def _read_annotation(corpus: Corpus, root: Path) -> dict[str, str]:
    """Return the code of each utterance, both in lower case."""
    labels: dict[str, str] = {}
    if corpus.annotation is None:
        return labels
    line = re.compile(corpus.annotation.line, re.MULTILINE)
    for file in _visible_files(root, (".txt",)):
        if file.parent.name.lower() == corpus.annotation.folder.lower():
            text = file.read_text(encoding="utf-8", errors="replace")
            for match in line.finditer(text):
                labels[match["utterance"].lower()] = match["emotion"].lower()
    return labels


def _preference(path: Path) -> tuple[int, int]:
    return SUFFIXES.index(path.suffix.lower()), len(path.parts)


def _count(files: Sequence[Path]) -> str:
    return f"{len(files)} audio file{'' if len(files) == 1 else 's'}"


def _contents(root: Path) -> str:
    names = sorted(path.name for path in root.iterdir())
    return f"no audio file but {', '.join(names[:3])}" if names else "an empty folder"


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
