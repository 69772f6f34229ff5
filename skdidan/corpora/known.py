"""Emotional speech corpora on disk: files, emotions and speakers, read off names and labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skdidan.corpora.folders import SUFFIXES, AudioFiles, CorpusWarning, check_folder, tally
from skdidan.corpora.layouts import CORPORA, Corpus, corpus_key
from skdidan.emotions import EMOTIONS, canonical_label, check_mapping
from skdidan.reporting import warn_caller

# Users find the tables here.
__all__ = ["CORPORA", "EMOTIONS", "load_corpus"]


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
