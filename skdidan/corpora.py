"""Emotional speech corpora on disk: files, emotions and speakers, read off names and labels."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skdidan.audio import Segment
from skdidan.layouts import CORPORA, Corpus
from skdidan.reporting import warn_caller

__all__ = [
    "CORPORA",
    "EMOTIONS",
    "SUFFIXES",
    "AudioFiles",
    "CorpusWarning",
    "by_place",
    "canonical_label",
    "check_folder",
    "check_mapping",
    "corpus_key",
    "examples",
    "find_audio",
    "load_corpus",
    "tally",
]

# Preferred first, where an utterance is there twice: those that lose nothing, then the others.
SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".ogg", ".opus", ".mp3")
# Audio, too, in what libsndfile does not read, or is seldom asked to.
_OTHER_SUFFIXES = (
    *(".3ga", ".aac", ".ac3", ".amr", ".ape", ".au", ".caf", ".dss", ".gsm", ".m4a", ".m4b"),
    *(".mka", ".mp2", ".oga", ".ra", ".snd", ".spx", ".tta", ".voc", ".w64", ".weba", ".wma"),
    ".wv",
)


class CorpusWarning(UserWarning):
    """Some files of a corpus, or rows of a manifest, could not be placed or read."""


class _Utterance(NamedTuple):
    file: Path
    emotion: str
    speaker: str
    sex: str


def load_corpus(name: str, root: str | Path, *, mapping: Mapping[str, str] | None = None) -> Bunch:
    """Find the files of a corpus and read emotion and speaker off their names.

    Nothing is downloaded and no audio is opened. Files are recognised by their stems (CASIA,
    eNTERFACE'05 and SAVEE: by their folders too), at any depth below the root, as .wav, .flac,
    .aiff, .aif, .ogg, .opus or .mp3 in any case. An utterance that is there more than once, nested
    or in several formats, counts once; hidden files do not count.

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
        labels. It goes before ``skdidan.corpora.EMOTIONS``, and a spelling that stands there brings
        along all others of its emotion, so that corpora mapped alike share classes:
        ``{"happy": "positive"}`` is also for files named joy. Case does not matter, nor do keys
        that the corpus has not.

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
    TypeError
        If the root is no path, or the mapping none.
    ValueError
        If the name is unknown, `mapping` gives an emotion no label or several, or no file below the
        root belongs to the corpus: it is empty, the corpus is another, its sound is in videos or
        other formats that are not read, its files are dead links, or its labels are not there.
    NotADirectoryError
        If the root is no folder.

    Warns
    -----
    CorpusWarning
        Once, if some audio files could not be placed, are dead links or of formats that are not
        read, or some folders could not be opened; they are left out.

    Notes
    -----
    IEMOCAP has its labels in ``dialog/EmoEvaluation/*.txt`` below the same root. The usual four
    classes are taken, happiness and excitement as one; the warning counts the others, which
    ``mapping={"fru": "frustration"}`` takes in, as ``mapping={"exc": "excitement"}`` keeps
    excitement apart.

    The originals of eNTERFACE'05 are .avi files, whose sound has to be saved as .wav or .flac
    first, as by ``ffmpeg -i s1_an_1.avi s1_an_1.wav``, in folders of the same names. These name the
    speakers, since the files of subject 11 are prefixed s12; for files without folders those of the
    same name in folders do, and if there are none, the names of the files. The six files of subject
    6 are recordings of about a minute each. They are taken, as in the published counts;
    ``corpus.speaker != "6"`` tells the others.

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
    corpus = CORPORA[key]
    folder = check_folder(root, f"the folder of {corpus.title}, with files {corpus.layout}")
    reader = _Reader(corpus, AudioFiles(folder), check_mapping(mapping))
    utterances = reader.place()
    if not utterances:
        raise ValueError(reader.nothing_placed())
    if report := reader.report():
        warn_caller(report, CorpusWarning)
    return Bunch(
        files=[str(utterance.file) for utterance in utterances],
        emotion=np.array([utterance.emotion for utterance in utterances]),
        speaker=np.array([utterance.speaker for utterance in utterances]),
        sex=np.array([utterance.sex for utterance in utterances]),
        name=key,
        DESCR=f"{corpus.title}: {corpus.layout}.{corpus.remark}",
    )


def find_audio(root: str | Path) -> list[str]:
    """List the audio files below a folder, as of a target without labels.

    Files may be nested at any depth, as .wav, .flac, .aiff, .aif, .ogg, .opus or .mp3 in any case.
    A recording that is there in several formats counts once; hidden files do not count.

    Parameters
    ----------
    root : str or Path
        Folder of the recordings.

    Returns
    -------
    files : list of str, of n_files entries
        Paths, below `root` as given, sorted.

    Raises
    ------
    TypeError
        If the root is no path.
    NotADirectoryError
        If the root is no folder.
    ValueError
        If there is no audio below it.

    Warns
    -----
    CorpusWarning
        Once, if some files are dead links or of formats that are not read, or some folders could
        not be opened; they are left out.

    See Also
    --------
    load_corpus : Files of a known corpus, with emotions and speakers.
    load_audio_folder : Files of a folder for each emotion.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import find_audio
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("monday/2.wav", "monday/1.mp3", "notes.txt"):
    ...         Path(root, name).parent.mkdir(exist_ok=True)
    ...         Path(root, name).touch()
    ...     files = find_audio(root)
    >>> [Path(file).name for file in files]
    ['1.mp3', '2.wav']
    """
    audio = AudioFiles(check_folder(root, "the folder of the recordings"))
    files = audio.recordings()
    if not files:
        raise ValueError(audio.nothing("files"))
    if report := audio.report():
        warn_caller(report, CorpusWarning)
    return [str(file) for file in files]


class AudioFiles:
    """The audio files below a folder, and what is there but cannot be read.

    Hidden files and folders do not count. All lists are sorted by the paths below the folder.

    Parameters
    ----------
    root : Path
        The folder.

    Attributes
    ----------
    files : list of Path
        Files that can be read, going by their suffixes.
    dead : list of Path
        Links that lead to nothing. They may have led to audio, to labels or to a folder.
    closed : list of Path
        Folders that could not be opened.
    foreign : list of Path
        Audio in formats that are not read, unless it is there in one that is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.closed: list[Path] = []
        self._paths = sorted(self._walk(), key=self.name)
        self.closed.sort(key=self.name)
        self.dead = [path for path in self._paths if not os.path.exists(path)]
        self.files = self.of(SUFFIXES)
        stems = {path.with_suffix("") for path in self.files}
        self.foreign = [
            path for path in self.of(_OTHER_SUFFIXES) if path.with_suffix("") not in stems
        ]

    def _walk(self) -> Iterator[Path]:
        walked = set()

        def note(error: OSError) -> None:
            self.closed.append(Path(error.filename))

        for folder, inner, names in os.walk(self.root, followlinks=True, onerror=note):
            inner[:] = [name for name in inner if not name.startswith(".")]
            if (place := os.path.realpath(folder)) in walked:
                inner.clear()  # a link led back
                continue
            walked.add(place)
            yield from (Path(folder, name) for name in names if not name.startswith("."))

    def of(self, suffixes: Container[str]) -> list[Path]:
        """List the files with one of the suffixes, in any case."""
        return [
            path for path in self._paths if path.suffix.lower() in suffixes and os.path.isfile(path)
        ]

    def recordings(self) -> list[Path]:
        """List one file of each recording that is there in several formats."""
        best: dict[Path, Path] = {}
        for path in sorted(self.files, key=lambda path: SUFFIXES.index(path.suffix.lower())):
            best.setdefault(path.with_suffix(""), path)
        return sorted(best.values(), key=self.name)

    def name(self, path: Path) -> str:
        """Return the path of a file below the folder, with / between folders."""
        return path.relative_to(self.root).as_posix()

    def examples(self, paths: Iterable[Path]) -> str:
        """Name the first few files, for messages."""
        return examples([self.name(path) for path in paths])

    def report(self, foreign: Sequence[Path] | None = None) -> str:
        """Say what cannot be read, of the foreign files some or all; nothing if all can."""
        foreign = self.foreign if foreign is None else foreign
        below, parts = f"below {str(self.root)!r}", []
        if self.dead:
            parts.append(
                f"{len(self.dead)} file(s) {below} are dead links and are left out"
                f"{self.examples(self.dead)}: fetch them or mend the links."
            )
        if foreign:
            suffixes = tally(Counter(path.suffix.lower() for path in foreign))
            parts.append(
                f"{len(foreign)} audio file(s) {below} are of formats that are not read, {suffixes}"
                f"{self.examples(foreign)}: save them as .wav or .flac."
            )
        if self.closed:
            parts.append(
                f"{len(self.closed)} folder(s) {below} could not be opened"
                f"{self.examples(self.closed)}: permission may be missing."
            )
        return " ".join(parts)

    def nothing(self, layout: str) -> str:
        """Say that there is no audio, and what there is instead."""
        expected = f"expected {layout} as {' '.join(SUFFIXES)} below {str(self.root)!r}"
        return f"root holds no audio: {expected}; found {self.found()}. {self.report()}".rstrip()

    def found(self) -> str:
        """Count and name the audio files; if there are none, say what there is."""
        if self.files:
            return f"{self.count()}{self.examples(self.files)}"
        if self.root in self.closed:
            return "nothing"
        names = sorted(path.name for path in self.root.iterdir())
        return f"no audio file but {', '.join(names[:3])}" if names else "an empty folder"

    def count(self) -> str:
        """Count the audio files, for messages."""
        return f"{len(self.files)} audio file{'' if len(self.files) == 1 else 's'}"


def by_place(files: Iterable[Any]) -> dict[Any, list[Any]]:
    """Group paths and segments that are of one place on disk; waveforms are left out."""
    places: dict[str, str] = {}
    found: dict[Any, list[Any]] = {}
    for file in files:
        if isinstance(file, str | os.PathLike):
            path = os.fspath(file)
            if path not in places:
                places[path] = os.path.realpath(path)
            part = (file.start, file.end) if isinstance(file, Segment) else (0.0, None)
            found.setdefault((places[path], *part), []).append(file)
    return found


def check_folder(root: Any, expected: str) -> Path:
    """Return a folder that a caller gave as `root`; errors say what it is expected to be."""
    if not isinstance(root, str | os.PathLike) or isinstance(os.fspath(root), bytes):
        raise TypeError(f"root must be {expected}, as a path; got {root!r}.")
    if not os.fspath(root):
        raise ValueError(f"root must be {expected}; got ''. The current folder is '.'.")
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise NotADirectoryError(
            f"root must be {expected}; got {str(folder)!r}, which is "
            f"{'a file' if folder.exists() else 'not there (nothing is downloaded)'}."
        )
    return folder


class _Reader:
    """Places the files of one corpus, and remembers those that it could not place."""

    def __init__(self, corpus: Corpus, audio: AudioFiles, mapping: Mapping[str, str]) -> None:
        self.corpus, self.audio, self.mapping = corpus, audio, mapping
        self.patterns = [
            re.compile(rf"(?:^|/)(?:{pattern})$", re.IGNORECASE) for pattern in corpus.patterns
        ]
        self.labels = _read_annotation(corpus, audio)
        self.matches: dict[Path, re.Match[str] | None] = {}
        self.spellings: dict[str, str] = {}
        self.misfits: list[Path] = []
        self.unknown: Counter[str] = Counter()
        self.videos: list[Path] = []
        self.foreign: list[Path] = []

    def place(self) -> list[_Utterance]:
        """Return one utterance per recording, in the order of the files."""
        files, videos = self.audio.files, self._find_videos()
        self.matches = self._match([*files, *videos, *self.audio.foreign])
        utterances: dict[tuple[str, ...], _Utterance] = {}
        for file in sorted(files, key=_preference):
            match = self.matches[file]
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
        self.videos = [file for file in videos if self._is_heard(file, utterances) is False]
        self.foreign = [file for file in self.audio.foreign if not self._is_heard(file, utterances)]
        return sorted(utterances.values(), key=lambda utterance: order[utterance.file])

    def _find_videos(self) -> list[Path]:
        """List the videos; of one file of eNTERFACE'05 the name lacks the point before avi."""
        video = self.corpus.video
        if not video:
            return []
        plain = [file for file in self.audio.of(("",)) if file.name.lower().endswith(video[1:])]
        return [*self.audio.of((video,)), *plain]

    def _match(self, files: Sequence[Path]) -> dict[Path, re.Match[str] | None]:
        """Match each file; one that says less than another of the same name goes by that one."""
        found: dict[Path, re.Match[str] | None] = {}
        namesakes: dict[str, list[re.Match[str]]] = {}
        for file in files:
            path = self.audio.name(file.with_suffix(""))
            matches = (pattern.search(path) for pattern in self.patterns)
            match = found[file] = next((match for match in matches if match), None)
            if match:
                namesakes.setdefault(file.stem.lower(), []).append(match)

        def rank(match: re.Match[str]) -> int:
            return self.patterns.index(match.re)

        for file, match in found.items():
            if match:
                found[file] = min([match, *namesakes[file.stem.lower()]], key=rank)
        return found

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

    def _is_heard(self, file: Path, utterances: Container[tuple[str, ...]]) -> bool | None:
        """Whether there is audio of a file's utterance; None for a file of something else."""
        match = self.matches[file]
        return None if match is None else self._identity(match) in utterances

    def report(self) -> str:
        """Say which files were left out; nothing if none was."""
        parts = []
        if self.misfits:
            parts.append(
                f"{len(self.misfits)} of {self.audio.count()} below {str(self.audio.root)!r} could "
                f"not be placed and are left out{self.audio.examples(self.misfits)}. "
                f"{self.corpus.title} has {self.corpus.layout}; "
                "further spellings of emotions go into mapping={spelling: label}."
            )
        if self.unknown:
            parts.append(f"Emotions that are not known: {tally(self.unknown)}.")
        if self.videos:
            parts.append(
                f"{len(self.videos)} {self.corpus.video} file(s) have no audio beside them"
                f"{self.audio.examples(self.videos)}. {self._conversion()}"
            )
        if unread := self.audio.report(self.foreign):
            parts.append(unread)
        return " ".join(parts)

    def nothing_placed(self) -> str:
        """Say what was expected, and what was found instead."""
        corpus, annotation, audio = self.corpus, self.corpus.annotation, self.audio
        below = f"below {str(audio.root)!r}"
        if annotation and self.unknown and not self.labels:
            expected = (
                f"root holds no labels of {corpus.title}: expected {annotation.layout} {below}, "
                f"beside the audio"
            )
            known = ""
        else:
            expected = (
                f"root holds no file of {corpus.title}: expected {corpus.layout} as "
                f"{' '.join(SUFFIXES)} {below}"
            )
            known = f"; emotions that are not known: {tally(self.unknown)}" if self.unknown else ""
        if self.videos:
            names = audio.examples(self.videos)
            return (
                f"{expected}; found {len(self.videos)} {corpus.video} file(s){names}. "
                f"{self._conversion()}"
            )
        return f"{expected}; found {audio.found()}{known}. {audio.report(self.foreign)}".rstrip()

    def _conversion(self) -> str:
        video = self.videos[0]
        return (
            "Their sound cannot be read as it is: save it as .wav or .flac in folders of the same "
            f"names, as by: ffmpeg -i {video.name} {video.stem}.wav"
        )


def corpus_key(name: object) -> str:
    """Return the key of `CORPORA` that a name in any case and punctuation comes to.

    Examples
    --------
    >>> from skdidan.corpora import corpus_key
    >>> corpus_key("CREMA-D"), corpus_key("eNTERFACE'05"), corpus_key("of my own")
    ('cremad', 'enterface', 'ofmyown')
    """
    return re.sub(r"[^a-z0-9]", "", str(name).lower()).removesuffix("05")


def check_mapping(mapping: Any) -> dict[str, str]:
    """Return a mapping of spellings to labels with the keys in lower case.

    A key that `EMOTIONS` knows stands for its emotion in every spelling, unless another key names
    that emotion, or the spelling, itself.

    Examples
    --------
    >>> from skdidan.corpora import check_mapping
    >>> check_mapping({"Happy": "positive"})
    {'happy': 'positive', 'happiness': 'positive'}
    """
    if mapping is None:
        return {}
    if not isinstance(mapping, Mapping):
        raise TypeError(f"mapping must be a dict of spellings to labels; got {mapping!r}.")
    own: dict[str, str] = {}
    for spelling, label in mapping.items():
        if not isinstance(label, str) or not label.strip():
            raise ValueError(
                "mapping must have labels that are strings and not empty; got "
                f"{{{spelling!r}: {label!r}}}."
            )
        key = str(spelling).strip().lower()
        if own.setdefault(key, label) != label:
            raise ValueError(f"mapping gives {key!r} different labels, {own[key]!r} and {label!r}.")
    emotions: dict[str, str] = {}
    for key, label in own.items():
        emotion = EMOTIONS.get(key)
        if emotion is None or emotion in own:
            continue
        if emotions.setdefault(emotion, label) != label:
            raise ValueError(
                f"mapping gives spellings of {emotion!r} different labels, {emotions[emotion]!r} "
                f"and {label!r}. Say with the key {emotion!r} what its other spellings become."
            )
    return own | emotions


def canonical_label(
    word: str, mapping: Mapping[str, str], codes: Mapping[str, str] | None = None
) -> str | None:
    """Return the label of an emotion in one spelling or another; None if it is not known.

    Parameters
    ----------
    word : str
        A code, a spelling or a label, in any case.
    mapping : mapping from str to str
        What the caller wants any of them to be, as `check_mapping` returns it.
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
    code = word.strip().lower()
    spelling = (codes or {}).get(code, code)
    label = EMOTIONS.get(spelling)
    for candidate in (code, spelling, label):
        if candidate is not None and candidate in mapping:
            return mapping[candidate]
    return label


def examples(names: Sequence[str], n: int = 3) -> str:
    """Name the first few, for messages."""
    return ", e.g. " + ", ".join(names[:n]) if names else ""


def tally(counts: Mapping[str, int], n: int = 10) -> str:
    """List the most frequent names with how often they occur, for messages."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    more = [f"{len(names) - n} more"] if len(names) > n else []
    return ", ".join([*(f"{name!r} ({counts[name]})" for name in names[:n]), *more])


def _read_annotation(corpus: Corpus, audio: AudioFiles) -> dict[str, str]:
    """Return the code of each utterance, both in lower case."""
    labels: dict[str, str] = {}
    if corpus.annotation is None:
        return labels
    line = re.compile(corpus.annotation.line, re.MULTILINE)
    for file in audio.of((".txt",)):
        if file.parent.name.lower() == corpus.annotation.folder.lower():
            text = file.read_text(encoding="utf-8", errors="replace")
            for match in line.finditer(text):
                labels[match["utterance"].lower()] = match["emotion"].lower()
    return labels


def _preference(path: Path) -> tuple[int, int]:
    return SUFFIXES.index(path.suffix.lower()), len(path.parts)


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
    # Folders of TESS.
    "pleasant surprise": "surprise",
    "pleasant_surprise": "surprise",
    "pleasant_surprised": "surprise",
}
