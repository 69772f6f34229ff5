"""Load known emotional speech corpora: files, emotions and speakers from names and label lists."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from skdidan.corpora.bunches import CorpusBunch
from skdidan.corpora.faults import AS_AUDIO, Fault, Faults, sample, tally
from skdidan.corpora.folders import AudioFiles, check_folder
from skdidan.corpora.layouts import CORPORA, Corpus, corpus_key
from skdidan.emotions import EMOTIONS, canonical_label, check_mapping

# Users find the tables here.
__all__ = ["CORPORA", "EMOTIONS", "CorpusReader", "load_corpus"]

_NO_SUFFIX = Fault("they have no suffix", "add that of their format")
_NAMESAKE = Fault("another file of the same name is taken, but differs", "rename one of them")
# A file with its emotion, speaker and sex.
_Utterance = tuple[Path, str, str, str]


def load_corpus(name: str, root: str | Path, *, mapping: Mapping[str, str] | None = None) -> Bunch:
    """Load a known corpus: find its files, and read emotion and speaker from their names.

    Nothing is downloaded and no audio is decoded. Files are recognised by their names (those of
    CASIA, eNTERFACE'05 and SAVEE also by their folders), at any depth below `root`, in the formats
    of `find_audio`. An utterance with several copies or formats is listed once. Hidden files are
    ignored.

    Parameters
    ----------
    name : str
        A key of ``skdidan.corpora.CORPORA``: "casia", "cremad", "emodb", "emovo", "enterface",
        "iemocap", "nemo", "ravdess", "savee", "shemo", "tess" or "urdu", in any case and
        punctuation, such as "eNTERFACE'05".
    root : str or Path
        Folder of the corpus.
    mapping : mapping from str to str, optional
        Labels of your own for spellings, labels or codes of emotions, in any case. They take
        precedence over ``skdidan.corpora.EMOTIONS``. A spelling from that table stands for all
        spellings of its emotion: ``{"happy": "positive"}`` also applies to files named joy.

    Returns
    -------
    corpus : Bunch
        files : list of str, of n_utterances entries
            Sorted paths, which begin with `root` as given.
        emotion : ndarray of str, shape (n_utterances,)
            Labels: anger, boredom, calm, disgust, fear, happiness, neutral, sadness, surprise, or
            those of `mapping`.
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
        If `root` is not a path, or `mapping` not a mapping.
    ValueError
        If `name` is unknown, `mapping` is contradictory or holds an empty label, or `root` holds no
        usable file of the corpus.
    NotADirectoryError
        If `root` is not a folder.

    Warns
    -----
    CorpusWarning
        Once, if something is left out, such as unrecognised files, or cannot be used, as in
        `find_audio`; also for an utterance in two files that differ.

    Notes
    -----
    The labels of IEMOCAP are read from ``dialog/EmoEvaluation/*.txt`` below `root`. Only the usual
    four classes are kept, with excitement merged into happiness; the warning counts the others. Use
    ``mapping={"fru": "frustration"}`` to add a class, and ``mapping={"exc": "excitement"}`` to keep
    excitement separate.

    eNTERFACE'05 is distributed as .avi videos. Save their sound as .wav or .flac first, for example
    by ``ffmpeg -i s1_an_1.avi s1_an_1.wav``, and keep the folders: they name the speakers, whereas
    the files of subject 11 are misnamed s12. Audio outside of these folders takes its speaker from
    a file of the same name in them, or else from its own name. The published counts include the six
    recordings of subject 6, about a minute each; select ``corpus.speaker != "6"`` to exclude them.

    References
    ----------
    .. [1] F. Burkhardt et al., "A database of German emotional speech" (EmoDB), Interspeech 2005.
    .. [2] J. Tao et al. (CASIA), Blizzard Challenge workshop, 2008.
    .. [3] O. Martin et al., "The eNTERFACE'05 audio-visual emotion database", ICDE workshops, 2006.
    .. [4] S. R. Livingstone, F. A. Russo (RAVDESS), PLoS ONE 13(5), 2018.
    .. [5] H. Cao et al. (CREMA-D), IEEE Transactions on Affective Computing 5(4), 2014.
    .. [6] S. Haq, P. J. B. Jackson, "Speaker-dependent ... emotion recognition" (SAVEE), AVSP 2009.
    .. [7] M. K. Pichora-Fuller, K. Dupuis, "Toronto emotional speech set (TESS)", 2020.
    .. [8] G. Costantini et al., "EMOVO corpus: an Italian emotional speech database", LREC 2014.
    .. [9] S. Latif et al., "Cross lingual speech emotion recognition" (URDU), FIT 2018.
    .. [10] O. Mohamad Nezami et al. (ShEMO), Language Resources and Evaluation 53, 2019.
    .. [11] C. Busso et al. (IEMOCAP), Language Resources and Evaluation 42(4), 2008.
    .. [12] I. Christop (nEMO), LREC-COLING 2024, arXiv:2404.06292.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import load_corpus
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for stem in ("03a01Fa", "08a02Wb"):
    ...         _ = (Path(root) / f"{stem}.wav").write_text(stem)
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
    reader = CorpusReader(corpus, AudioFiles(folder), check_mapping(mapping))
    utterances = reader.read()
    if not utterances:
        raise ValueError(reader.describe_absence())
    reader.warn()
    files, emotion, speaker, sex = zip(*utterances, strict=True)
    return CorpusBunch(
        files=[str(file) for file in files],
        emotion=np.array(emotion),
        speaker=np.array(speaker),
        sex=np.array(sex),
        name=key,
        DESCR=f"{corpus.title}: {corpus.layout}.{corpus.remark}",
    )


class CorpusReader:
    """Reads the utterances of one corpus, and collects the files that it leaves out."""

    def __init__(self, corpus: Corpus, audio: AudioFiles, mapping: Mapping[str, str]) -> None:
        self.corpus, self.audio, self.mapping = corpus, audio, mapping
        self.patterns = [
            re.compile(rf"(?:^|/)(?:{pattern})$", re.IGNORECASE) for pattern in corpus.patterns
        ]
        self.codes = _read_annotation(corpus, audio)
        self.unplaced = Faults(audio.name)
        self.unknown: Counter[str] = Counter()

    def read(self) -> list[_Utterance]:
        """Return one utterance per recording, in the order of the files."""
        audio = self.audio
        others = [*audio.with_suffix(("",)), *map(Path, audio.unreadable)]
        cure = "add spellings of emotions by mapping={spelling: label}"
        cure = f"{self.corpus.title} has {self.corpus.layout}; {cure}"
        misfit = Fault("they do not fit the corpus", cure, kind=f"of {audio.count()}")
        matches = self._match([*audio.files, *others])
        utterances: dict[tuple[str, ...], _Utterance] = {}
        spellings: dict[str, str] = {}
        for file in audio.by_preference():
            match = matches.get(file)
            label = match and self._label(file, match)
            if match is None or label is None:
                self.unplaced[str(file)] = misfit
                continue
            speaker = self._speaker(match)
            speaker = spellings.setdefault(speaker.lower(), speaker)
            sex = match.groupdict().get("sex") or speaker
            sex = self.corpus.sex.get(sex.lower(), "unknown")
            taken = utterances.setdefault(self._identity(match), (file, label, speaker, sex))[0]
            same_suffix = taken != file and taken.suffix.lower() == file.suffix.lower()
            if same_suffix and sample(taken) != sample(file):
                audio.faults[str(file)] = _NAMESAKE._replace(detail=audio.name(taken))
        for file in filter(matches.get, others):
            if self._identity(matches[file]) in utterances:
                audio.faults.pop(str(file), None)
            else:
                audio.faults.setdefault(str(file), _NO_SUFFIX)
        audio.faults.inspect(utterance[0] for utterance in utterances.values())
        return sorted(utterances.values(), key=lambda utterance: audio.name(utterance[0]))

    def count_known(self) -> int:
        """Count the audio files that have the name of an utterance with a known emotion."""
        matches = self._match(self.audio.files)
        return sum(self._label(file, match) is not None for file, match in matches.items())

    def _match(self, files: Sequence[Path]) -> dict[Path, re.Match[str]]:
        """Match the files; among files of one name the match of the earliest pattern is used."""
        found: dict[Path, re.Match[str]] = {}
        best: dict[str, re.Match[str]] = {}
        paths = {file: self.audio.name(file.with_suffix("")) for file in files}
        for pattern in self.patterns:
            matches = {file: pattern.search(path) for file, path in paths.items()}
            new = {file: match for file, match in matches.items() if match and file not in found}
            found |= {file: best.get(file.stem.lower(), match) for file, match in new.items()}
            for file, match in new.items():
                best.setdefault(file.stem.lower(), match)
        return found

    def _label(self, file: Path, match: re.Match[str]) -> str | None:
        """Return the label of a file, or count its code as unknown."""
        in_name = self.corpus.annotation is None
        code = match["emotion"].lower() if in_name else self.codes.get(file.stem.lower(), "")
        label = canonical_label(code, self.mapping, self.corpus.words)
        if label is None:
            self.unknown[code or "no label"] += 1
        return label

    def _speaker(self, match: re.Match[str]) -> str:
        name = self.corpus.speaker.format(**match.groupdict())
        return self.corpus.slips.get(name.lower(), name)

    def _identity(self, match: re.Match[str]) -> tuple[str, ...]:
        groups = {**match.groupdict(), "speaker": self._speaker(match)}
        return tuple((groups[name] or "").lower() for name in sorted(groups))

    def warn(self) -> None:
        """Warn of all files that were left out or cannot be used."""
        misfits = self.unplaced.describe(f"below {str(self.audio.root)!r}")
        unknown = f"Unknown emotions: {tally(self.unknown)}." if self.unknown else ""
        report = " ".join(filter(None, [misfits, unknown, self.audio.report()]))
        self.audio.faults.update(self.unplaced)
        self.audio.faults.warn(report)

    def describe_absence(self) -> str:
        """Say which files are expected, and what was found instead."""
        what, layout = f"file of {self.corpus.title}", f"{self.corpus.layout} as {AS_AUDIO}"
        unknown = f"; unknown emotions: {tally(self.unknown)}" if self.unknown else ""
        if self.corpus.annotation and self.unknown and not self.codes:
            layout, unknown = f"{self.corpus.annotation.layout}, beside the audio,", ""
            what = f"labels of {self.corpus.title}"
        return self.audio.describe_absence(what, layout, unknown)


def _read_annotation(corpus: Corpus, audio: AudioFiles) -> dict[str, str]:
    """Return the emotion code of each utterance; keys and codes are in lower case."""
    if (lists := corpus.annotation) is None:
        return {}
    texts = (
        file.read_text(encoding="utf-8", errors="replace")
        for file in audio.with_suffix((".txt",))
        if file.parent.name.lower() == lists.folder.lower()
    )
    lines = (line for text in texts for line in re.finditer(lists.line, text, re.MULTILINE))
    return {line["utterance"].lower(): line["emotion"].lower() for line in lines}
