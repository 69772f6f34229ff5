"""Names of emotions: many spellings, few labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["EMOTIONS", "canonical_label", "check_mapping"]


def check_mapping(mapping: Any) -> dict[str, str]:
    """Return a mapping of spellings to labels with the keys in lower case.

    A key that `EMOTIONS` knows stands for its emotion in every spelling, unless another key names
    that emotion, or the spelling, itself.

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
                "mapping must have labels that are strings and not empty; got "
                f"{{{spelling!r}: {label!r}}}."
            )
        key = "" if spelling is None else str(spelling).strip().lower()
        if not key:
            raise ValueError(
                f"mapping must have spellings that are not empty; got {{{spelling!r}: {label!r}}}."
            )
        label = label.strip()
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
    >>> from skdidan.emotions import canonical_label
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
