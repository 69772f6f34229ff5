"""Names of emotions: many spellings, few labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["EMOTIONS", "canonical_label", "check_mapping"]


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
        if not isinstance(label, str) or not label.strip():
            raise ValueError(
                f"mapping must have non-empty strings as labels; got {{{spelling!r}: {label!r}}}."
            )
        key = "" if spelling is None else str(spelling).strip().lower()
        if not key:
            raise ValueError(
                f"mapping must have non-empty spellings; got {{{spelling!r}: {label!r}}}."
            )
        label = label.strip()
        if own.setdefault(key, label) != label:
            raise ValueError(f"mapping gives {key!r} two labels, {own[key]!r} and {label!r}.")
    emotions: dict[str, str] = {}
    for key, label in own.items():
        emotion = EMOTIONS.get(key)
        if emotion is None or emotion in own:
            continue
        if emotions.setdefault(emotion, label) != label:
            raise ValueError(
                f"mapping gives spellings of {emotion!r} two labels, {emotions[emotion]!r} and "
                f"{label!r}. Add the key {emotion!r} for its other spellings."
            )
    return own | emotions


def canonical_label(
    word: str, mapping: Mapping[str, str], codes: Mapping[str, str] | None = None
) -> str | None:
    """Return the label of an emotion from any of its spellings.

    Parameters
    ----------
    word : str
        A code, a spelling or a label, in any case.
    mapping : mapping from str to str
        Labels of the caller, as `check_mapping` returns them. An entry for the code goes before one
        for the spelling, and that before one for the canonical label.
    codes : mapping from str to str, optional
        Lower-case codes to words of `EMOTIONS`.

    Returns
    -------
    label : str or None
        The caller's label, else the canonical label; None if the emotion is unknown.

    Examples
    --------
    >>> from skdidan.emotions import canonical_label
    >>> canonical_label("Joy", {}), canonical_label("Joy", {"happiness": "positive"})
    ('happiness', 'positive')
    """
    code = word.strip().lower()
    spelling = (codes or {}).get(code, code)
    label = EMOTIONS.get(spelling)
    for candidate in (code, spelling, label):
        if candidate and candidate in mapping:
            return mapping[candidate]
    return label


# Lower-case spellings to canonical labels.
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
    # Folder names of TESS.
    "pleasant surprise": "surprise",
    "pleasant_surprise": "surprise",
    "pleasant_surprised": "surprise",
}
