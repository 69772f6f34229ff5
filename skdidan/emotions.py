"""Names of emotions: many spellings, few labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

__all__ = ["EMOTIONS", "EMOTION_GROUPS", "canonical_label", "check_mapping"]


def check_mapping(mapping: Any) -> dict[str, str]:
    """Validate a mapping of spellings to labels, and return it with lower-case keys.

    A key from `EMOTIONS` stands for all spellings of its emotion. Specific keys take precedence:
    first the spelling itself, then the canonical label of the emotion.

    Examples
    --------
    >>> from skdidan.emotions import check_mapping
    >>> check_mapping({"Happy": "positive"})
    {'happy': 'positive', 'happiness': 'positive'}
    """
    if mapping is None:
        return {}
    if not isinstance(mapping, Mapping):
        raise TypeError(f"mapping must be a dict of spellings to labels; got {mapping!r}.")
    own: dict[str, str] = {}
    for spelling, label in mapping.items():
        key = "" if spelling is None else normalize("NFC", str(spelling)).strip().lower()
        entry = f"{{{spelling!r}: {label!r}}}"
        if not isinstance(label, str) or not label.strip():
            raise ValueError(f"mapping must have non-empty strings as labels; got {entry}.")
        if not key:
            raise ValueError(f"mapping must have non-empty spellings; got {entry}.")
        label = label.strip()
        if own.setdefault(key, label) != label:
            raise ValueError(f"mapping gives {key!r} two labels, {own[key]!r} and {label!r}.")
    emotions: dict[str, str] = {}
    for key, label in own.items():
        emotion = EMOTIONS.get(key, key)
        if emotion not in own and emotions.setdefault(emotion, label) != label:
            raise ValueError(
                f"mapping gives spellings of {emotion!r} two labels, {emotions[emotion]!r} and "
                f"{label!r}. Add the key {emotion!r} for its other spellings."
            )
    return own | emotions


def canonical_label(
    word: str, mapping: Mapping[str, str], codes: Mapping[str, str] | None = None
) -> str | None:
    """Return the label of an emotion from any of its spellings, or None if it is unknown.

    `codes` translates lower-case codes of a corpus to spellings. `mapping`, as `check_mapping`
    returns it, takes precedence: first its entry for the code, then those for the spelling and for
    the canonical label.

    Examples
    --------
    >>> from skdidan.emotions import canonical_label
    >>> canonical_label("Joy", {}), canonical_label("Joy", {"happiness": "positive"})
    ('happiness', 'positive')
    """
    code = normalize("NFC", word).strip().lower()  # folders of macOS have accents apart
    spelling = (codes or {}).get(code, code)
    label = EMOTIONS.get(spelling)
    for candidate in (code, spelling, label):
        if candidate and candidate in mapping:
            return mapping[candidate]
    return label


# English; then German, French, Italian and Spanish, as in names of folders.
_SPELLINGS = {
    "anger": "angry wut wütend wuetend ärger aerger zorn colère colere rabbia arrabbiato ira enojo "
    "enojado enfado enfadado",
    "boredom": "bored boredem langeweile gelangweilt ennui noia annoiato aburrimiento aburrido",
    "calm": "ruhig calme calma",
    "disgust": "disgusted ekel angewidert dégoût degout disgusto disgustato asco",
    "fear": "anxiety fearful angst ängstlich aengstlich furcht peur paura spaventato miedo "
    "asustado",
    "happiness": "happy joy freude fröhlich froehlich glück glueck glücklich gluecklich joie "
    "joyeux heureux gioia felice felicità felicita alegría alegria felicidad feliz",
    "neutral": "neutrality neutre neutrale neutro",
    "sadness": "sad trauer traurig traurigkeit triste tristesse tristezza tristeza",
    # TESS has the words with "pleasant" as names of folders.
    "surprise": "surprised pleasant_surprise pleasant_surprised überraschung ueberraschung "
    "überrascht ueberrascht surpris sorpresa sorpreso sorprendido",
}
#: Lower-case spellings of emotions, each with its canonical label.
EMOTIONS = {
    spelling: label for label, others in _SPELLINGS.items() for spelling in (label, *others.split())
}
EMOTIONS["pleasant surprise"] = "surprise"

#: Rough groups of the emotions by the names of the parameter `emotion_groups`, after [1]. The group
#: of "calm" is this package's own addition.
#:
#: [1] Schuller, Vlasenko, Eyben, Wöllmer, Stuhlsatz, Wendemuth, Rigoll (2010). Cross-corpus
#: acoustic emotion recognition: variances and strategies. IEEE Transactions on Affective Computing
#: 1(2).
EMOTION_GROUPS: dict[str, dict[Any, str]] = {
    name: {emotion: group for group in groups for emotion in groups[group].split()}
    for name, groups in {
        "arousal": {
            "high": "anger fear happiness surprise",
            "low": "boredom calm disgust neutral sadness",
        },
        "valence": {
            "negative": "anger boredom disgust fear sadness",
            "positive": "calm happiness neutral surprise",
        },
    }.items()
}
