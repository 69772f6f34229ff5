"""Layouts of known corpora: file names, label codes and published counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["CORPORA", "Annotation", "Corpus", "corpus_key"]


class Annotation(NamedTuple):
    """Label lists of a corpus whose file names do not hold the labels.

    Attributes
    ----------
    folder : str
        Name of the folders with the .txt files, in any case. Subfolders are ignored.
    line : str
        Regular expression of a line with the groups ``utterance`` (the stem of a file) and
        ``emotion``.
    layout : str
        The layout in words, for messages.
    """

    folder: str
    line: str
    layout: str


@dataclass(frozen=True)
class Corpus:
    """How to read the files of one corpus.

    Attributes
    ----------
    title : str
        Full name, for messages and descriptions.
    patterns : tuple of str
        Regular expressions for the end of a file's path below the root, in any case, without its
        extension and with ``/`` between folders. Each has the groups ``speaker``, ``emotion``
        (unless there is an `annotation`) and optionally ``sex``; all groups together identify the
        utterance. Among files of one name, the match of the earliest pattern is used for all.
    layout : str
        The layout in words, for messages.
    words : mapping from str to str, optional
        Lower-case codes to words of ``skdidan.corpora.EMOTIONS``; other codes are such words.
    sex : mapping from str to str, optional
        Speakers, or values of the group ``sex``, in lower case, to "female" or "male".
    speaker : str, default="{speaker}"
        Format of a speaker's name, with the names of groups in braces.
    slips : mapping from str to str, optional
        Misspelt speakers, in lower case, to their correct names.
    annotation : Annotation, optional
        Label lists, if the file names do not hold the labels.
    counts : tuple of mapping from str to int, optional
        Utterances of each emotion in a complete copy; one entry for each version in use.
    remark : str, optional
        A sentence to append to the description, after a space.
    """

    title: str
    patterns: tuple[str, ...]
    layout: str
    words: Mapping[str, str] = field(default_factory=dict)
    sex: Mapping[str, str] = field(default_factory=dict)
    speaker: str = "{speaker}"
    slips: Mapping[str, str] = field(default_factory=dict)
    annotation: Annotation | None = None
    counts: tuple[Mapping[str, int], ...] = ()
    remark: str = ""


def corpus_key(name: object) -> str:
    """Convert a name, in any case and punctuation, to a key of `CORPORA`.

    Examples
    --------
    >>> from skdidan.corpora.layouts import corpus_key
    >>> corpus_key("CREMA-D"), corpus_key("eNTERFACE'05"), corpus_key("of my own")
    ('cremad', 'enterface', 'ofmyown')
    """
    return re.sub(r"[^a-z0-9]", "", str(name).lower()).removesuffix("05")


_BASIC = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
_RAVDESS = "neutral calm happiness sadness anger fear disgust surprise".split()
_INITIALS = dict(f="female", m="male")
_CREMAD_WOMEN = (
    *(1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025),
    *(1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060),
    *(1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091),
)

# All counts add up to the totals in the papers that load_corpus cites. The counts of balanced
# corpora follow from their design.
CORPORA = {
    "casia": Corpus(
        title="CASIA, the public part of the Mandarin emotional corpus",
        patterns=(r"(?P<speaker>[^/]+)/(?P<emotion>[^/]+)/(?P<item>\d+)",),
        layout="<speaker>/<emotion>/<number>, such as wangzhe/angry/201",
        sex=dict(liuchanhg="female", wangzhe="male", zhaoquanyin="female", zhaozuoxiang="male"),
        counts=(
            dict.fromkeys(("anger", "fear", "happiness", "neutral", "sadness", "surprise"), 200),
        ),
    ),
    "cremad": Corpus(
        title="CREMA-D, the crowd-sourced emotional multimodal actors dataset",
        # One file has a one-letter level, 1040_ITH_SAD_X.
        patterns=(
            r"(?P<speaker>1\d{3})_(?P<item>[a-z]{3})_(?P<emotion>[a-z]{3})_(?P<level>[a-z]{1,2})",
        ),
        layout="<speaker>_<sentence>_<emotion>_<level>, such as 1001_IEO_ANG_HI",
        words=dict(
            ang="anger", dis="disgust", fea="fear", hap="happiness", neu="neutral", sad="sadness"
        ),
        sex={str(n): "female" if n in _CREMAD_WOMEN else "male" for n in range(1001, 1092)},
        # Counted from the names of the 7,442 files. 91 actors spoke 14 clips of each emotion and 12
        # neutral ones, of which 3 and 5 are missing.
        counts=(
            dict(anger=1271, disgust=1271, fear=1271, happiness=1271, neutral=1087, sadness=1271),
        ),
    ),
    "emodb": Corpus(
        title="EmoDB, the Berlin database of emotional speech",
        patterns=(r"(?P<speaker>\d\d)(?P<item>[a-z]\d\d)(?P<emotion>[a-z])(?P<version>[a-z]?)",),
        layout="<speaker><text><emotion><version>, such as 03a01Fa",
        words=dict(
            a="fear", e="disgust", f="happiness", l="boredom", n="neutral", t="sadness", w="anger"
        ),
        sex=dict.fromkeys(("08", "09", "13", "14", "16"), "female")
        | dict.fromkeys(("03", "10", "11", "12", "15"), "male"),
        counts=(
            dict(anger=127, boredom=81, disgust=46, fear=69, happiness=71, neutral=79, sadness=62),
        ),
    ),
    "emovo": Corpus(
        title="EMOVO, an Italian emotional speech database",
        patterns=(r"(?P<emotion>[a-z]{3})-(?P<speaker>(?P<sex>[fm])\d)-(?P<item>[a-z]\d)",),
        layout="<emotion>-<speaker>-<sentence>, such as gio-f2-b2",
        words=dict(dis="disgust", gio="happiness", neu="neutral", pau="fear", rab="anger")
        | dict(sor="surprise", tri="sadness"),
        sex=_INITIALS,
        counts=(dict.fromkeys((*_BASIC, "neutral"), 84),),
    ),
    "enterface": Corpus(
        title="eNTERFACE'05, an audio-visual emotion database",
        patterns=(
            # The folder names the speaker, since the files of subject 11 are misnamed s12.
            r"subject[ _-]?0*(?P<speaker>\d+)/(?:.+/)?"
            r"s_?\d+_(?P<emotion>[a-z]{2})(?:_(?P<item>\d+))?(?:[._]?avi)?",
            # Subject 6 has one recording in the folder of each emotion.
            r"subject[ _-]?0*(?P<speaker>6)/(?P<emotion>[a-z]+)/(?P<item>[^/]*)",
            r"s_?0*(?P<speaker>\d+)_(?P<emotion>[a-z]{2})(?:_(?P<item>\d+))?(?:[._]?avi)?",
        ),
        layout="subject <number>/<emotion>/sentence <k>/s<number>_<emotion>_<k>, such as s1_an_1",
        words={emotion[:2]: emotion for emotion in _BASIC},
        # The first version has 42 subjects with five sentences of each emotion, minus three of
        # happiness, plus one long recording of each emotion by subject 6. There is no subject 12.
        counts=(
            dict.fromkeys(_BASIC, 211) | dict(happiness=208),
            dict.fromkeys(_BASIC, 210) | dict(happiness=207),
        ),
        remark=" The six files of subject 6 are recordings of about a minute, not utterances.",
    ),
    "iemocap": Corpus(
        title="IEMOCAP, the interactive emotional dyadic motion capture database",
        patterns=(
            r"(?P<session>ses\d\d)(?P<dialogue>[fm]_(?:impro|script)\w+)_(?P<sex>[fm])(?P<item>\d+)",
        ),
        layout="<session><sex>_<dialogue>_<sex of the speaker><turn>, such as Ses01F_impro04_M012",
        # The usual four classes. A mapping can add others.
        words=dict(ang="anger", exc="happiness", hap="happiness", neu="neutral", sad="sadness"),
        sex=_INITIALS,
        speaker="{session}{sex}",
        annotation=Annotation(
            folder="EmoEvaluation",
            line=r"^\[[\d. -]+\]\s+(?P<utterance>\w+)\s+(?P<emotion>\w+)\s+\[",
            layout="Session<n>/dialog/EmoEvaluation/<dialogue>.txt",
        ),
        # Counted from the label lists. Their sum, 5,531, appears in papers on these four classes.
        counts=(dict(anger=1103, happiness=1636, neutral=1708, sadness=1084),),
    ),
    "nemo": Corpus(
        title="nEMO, a dataset of emotional speech in Polish",
        patterns=(r"(?P<speaker>[a-z]{2}\d+)_(?P<emotion>[a-z]+)_(?P<item>\d+)",),
        layout="<speaker>_<emotion>_<sentence>, such as WR0_surprised_64",
        sex=dict.fromkeys(("eb0", "ic0", "kd0", "mk0"), "female")
        | dict.fromkeys(("ks0", "mp0", "sm0", "tp0", "wr0"), "male"),
        # The paper states their sum, 4,481, and 9 actors with 90 sentences, of which some are
        # missing.
        counts=(dict(anger=749, fear=736, happiness=749, neutral=809, sadness=769, surprise=669),),
    ),
    "ravdess": Corpus(
        title="RAVDESS, the speech of the Ryerson audio-visual database",
        patterns=(
            r"03-01-(?P<emotion>\d\d)-(?P<item>\d\d-\d\d-\d\d)-(?P<speaker>\d\d)",  # no songs
        ),
        layout="03-01-<emotion>-<intensity>-<text>-<take>-<actor>, such as 03-01-06-01-02-01-12",
        words={f"{n:02}": word for n, word in enumerate(_RAVDESS, start=1)},
        sex={f"{actor:02}": "male" if actor % 2 else "female" for actor in range(1, 25)},
        # 24 actors with 8 utterances of each emotion and 4 neutral ones.
        counts=(dict.fromkeys((*_BASIC, "calm"), 192) | dict(neutral=96),),
    ),
    "savee": Corpus(
        title="SAVEE, the Surrey audio-visual expressed emotion database",
        patterns=(r"(?P<speaker>dc|je|jk|kl)[_/](?P<emotion>[a-z]{1,2})(?P<item>\d\d)",),
        layout="<speaker>_<emotion><number> or <speaker>/<emotion><number>, such as DC_sa01",
        words=dict(a="anger", d="disgust", f="fear", h="happiness", n="neutral")
        | dict(sa="sadness", su="surprise"),
        sex=dict.fromkeys(("dc", "je", "jk", "kl"), "male"),
        # 4 speakers with 15 utterances of each emotion and 30 neutral ones.
        counts=(dict.fromkeys(_BASIC, 60) | dict(neutral=120),),
    ),
    "shemo": Corpus(
        title="ShEMO, the Sharif emotional speech database (Persian)",
        patterns=(r"(?P<speaker>(?P<sex>[fm])\d\d)(?P<emotion>[a-z])(?P<item>\d+)",),
        layout="<sex><speaker><emotion><number>, such as F21N23",
        words=dict(a="anger", f="fear", h="happiness", n="neutral", s="sadness", w="surprise"),
        sex=_INITIALS,
        # Counted from the names of the files. The paper states their sum, 3,000.
        counts=(dict(anger=1059, fear=38, happiness=201, neutral=1028, sadness=449, surprise=225),),
    ),
    "tess": Corpus(
        title="TESS, the Toronto emotional speech set",
        patterns=(r"(?P<speaker>[oy]af?)_(?P<item>[^/]+)_(?P<emotion>[a-z]+)",),
        layout="<speaker>_<word>_<emotion>, such as OAF_back_angry",
        words=dict(ps="surprise"),
        sex=dict.fromkeys(("oaf", "yaf"), "female"),
        slips=dict(oa="OAF"),  # OA_bite_neutral
        # 2 speakers with 200 words of each emotion.
        counts=(dict.fromkeys((*_BASIC, "neutral"), 400),),
    ),
    "urdu": Corpus(
        title="URDU, spontaneous Urdu speech from talk shows",
        patterns=(
            r"(?P<speaker>s(?P<sex>[fm])\d+)_(?P<item>f\d+)_(?P<emotion>[a-z])(?P<number>\d+)",
        ),
        layout="S<sex><speaker>_F<file>_<emotion><number>, such as SM1_F10_A010",
        words=dict(a="anger", h="happiness", n="neutral", s="sadness"),
        sex=_INITIALS,
        counts=(dict.fromkeys(("anger", "happiness", "neutral", "sadness"), 100),),
    ),
}
