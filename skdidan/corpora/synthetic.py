"""Synthetic emotional speech: two shifted corpora for demos, tests and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
from sklearn.utils import Bunch, check_random_state

from skdidan.corpora.bunches import TaskBunch
from skdidan.corpora.synthesis import Array, Cues, Rng, Speaker, speak
from skdidan.parameters import check_count, check_number, check_whole

__all__ = ["EXPRESSIONS", "make_speech_corpora"]


class Corpus(NamedTuple):
    """Properties shared by the utterances of a corpus; the defaults are those of the source."""

    foreign: float = 0.0  # share of Spanish vowels
    pitch: float = 0.0  # semitones above the average speaker
    formants: float = 0.0  # octaves above the average speaker
    tempo: float = 4.8  # syllables per second
    culture: float = 0.0  # weight of DIALECT, which is added to EXPRESSIONS
    level: float = -26.0  # dB relative to full scale, for neutral speech
    handling: float = 1.0  # dB, standard deviation of the recording gain between utterances
    snr: float = 36.0  # dB, for neutral speech
    noise_slope: float = -4.0  # dB per octave
    channel: Array = np.array([-3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -2.0])  # dB at CHANNEL_HZ
    variability: float = 0.0  # of channel and noise, in units of UNEVEN_CHANNEL and UNEVEN_SNR


def make_speech_corpora(
    n_source: int = 300,
    n_target: int = 300,
    *,
    emotions: Sequence[str] = ("anger", "fear", "happiness", "neutral", "sadness"),
    n_speakers_source: int = 10,
    n_speakers_target: int = 6,
    duration: float = 2.0,
    sample_rate: int = 16000,
    shift: float = 1.0,
    variability: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Generate two corpora of synthetic emotional speech with a realistic domain shift.

    Every utterance is babble of consonant-vowel syllables from a source-filter synthesiser [1]_.
    Rosenberg pulses [2]_ with jitter, shimmer and aspiration follow an intonation contour of
    declination and accents, and pass through moving formants; stops and fricatives add shaped
    noise. Emotion changes pitch, pitch range, tempo, energy, spectral tilt, breathiness, jitter and
    formants relative to the speaker's habitual voice, in the directions reported by listening tests
    and measurements [5]_ [6]_. Its strength varies between utterances.

    The target differs from the source in speakers, vowel inventory (English [3]_ in the source,
    Spanish [4]_ in the target), pitch, tempo, recording channel, background noise, loudness,
    variation of the recording gain, and partly in the expression of emotions.

    Parameters
    ----------
    n_source, n_target : int > 0, default=300
        Utterances of each corpus. Classes differ by at most one utterance, as do the speakers
        within a class.
    emotions : sequence of str, default=("anger", "fear", "happiness", "neutral", "sadness")
        Classes, among the keys of ``skdidan.corpora.EXPRESSIONS``, in any order.
    n_speakers_source, n_speakers_target : int > 0, default=10 and 6
        Speakers of each corpus, alternately women and men. No speaker is in both.
    duration : float from 0.5 to 3600 [s], default=2.0
        Length of every utterance, including silence at both ends.
    sample_rate : int from 8000 to 48000 [Hz], default=16000
        Sampling rate.
    shift : float in [0, 2], default=1.0
        Distance of the target from the source; 0 draws both from one population.
    variability : float in [0, 2], default=0.0
        Differences between the recordings of a corpus in channel and background noise: the standard
        deviation of the gain at eight frequencies, in units of 3 dB, and of the signal-to-noise
        ratio, in units of 4 dB. At 0 all recordings of a corpus share both, and a few features are
        enough to tell the emotions apart. At 1 no single feature is reliable, as on real corpora.
    random_state : int, RandomState or None, default=None
        Determines every sample of the output.

    Returns
    -------
    corpora : Bunch
        X_src, X_tgt : list of ndarray, float32, shape (duration * sample_rate,), in [-1, 1]
            Waveforms, mono.
        y_src, y_tgt : ndarray of str, shape (n_source,) and (n_target,)
            Emotions. Use `y_tgt` for scoring only.
        speaker_src, speaker_tgt : ndarray of str, shape (n_source,) and (n_target,)
            Speakers.
        classes : ndarray of str, shape (n_emotions,)
            Sorted emotions.
        sample_rate : int
            As passed.
        DESCR : str
            Description.

    Raises
    ------
    ValueError
        If a parameter is out of range, or an emotion is unknown or repeated.

    References
    ----------
    .. [1] D. H. Klatt, "Software for a cascade/parallel formant synthesizer", J. Acoust. Soc. Am.
       67(3), 1980.
    .. [2] A. E. Rosenberg, "Effect of glottal pulse shape on the quality of natural vowels",
       J. Acoust. Soc. Am. 49(2B), 1971.
    .. [3] G. E. Peterson and H. L. Barney, "Control methods used in a study of the vowels",
       J. Acoust. Soc. Am. 24(2), 1952.
    .. [4] A. R. Bradlow, "A comparative acoustic study of English and Spanish vowels", J. Acoust.
       Soc. Am. 97(3), 1995.
    .. [5] I. R. Murray and J. L. Arnott, "Toward the simulation of emotion in synthetic speech: a
       review of the literature on human vocal emotion", J. Acoust. Soc. Am. 93(2), 1993.
    .. [6] P. N. Juslin and P. Laukka, "Communication of emotions in vocal expression and music
       performance: different channels, same code?", Psychological Bulletin 129(5), 2003.

    Examples
    --------
    >>> from skdidan import make_speech_corpora
    >>> corpora = make_speech_corpora(10, 5, random_state=0)
    >>> len(corpora.X_src), corpora.X_src[0].shape, corpora.X_src[0].dtype
    (10, (32000,), dtype('float32'))
    >>> sorted(corpora.y_tgt.tolist())
    ['anger', 'fear', 'happiness', 'neutral', 'sadness']
    """
    check_count("n_source", n_source)
    check_count("n_target", n_target)
    check_count("n_speakers_source", n_speakers_source)
    check_count("n_speakers_target", n_speakers_target)
    check_number("duration", duration, lambda: 0.5 <= duration <= 3600, "from 0.5 to 3600 s")
    kind = "a whole number from 8000 to 48000"
    check_whole("sample_rate", sample_rate, kind)
    check_number("sample_rate", sample_rate, lambda: 8000 <= sample_rate <= 48000, kind)
    kind = "a number from 0 to 2"
    check_number("shift", shift, lambda: 0 <= shift <= 2, kind)
    check_number("variability", variability, lambda: 0 <= variability <= 2, kind)
    classes = _check_emotions(emotions)

    # One random stream per corpus, so that the size of one does not change the other.
    seeds = check_random_state(random_state).randint(2**31 - 1, size=2)
    corpora = TaskBunch(classes=np.array(classes), sample_rate=int(sample_rate), DESCR=DESCR)
    pairs: Any = zip(SOURCE, TARGET, strict=True)
    shifted = Corpus(*(here + shift * (there - here) for here, there in pairs))
    for side, seed, corpus, n, n_speakers in (
        ("src", seeds[0], SOURCE, n_source, n_speakers_source),
        ("tgt", seeds[1], shifted, n_target, n_speakers_target),
    ):
        rng, corpus = np.random.default_rng(seed), corpus._replace(variability=variability)
        speakers = [_draw_speaker(rng, corpus, f"{side}{i:02}", i) for i in range(n_speakers)]
        # Item i has class i modulo K. A speaker keeps K items in a row, one of each class.
        plan = [
            (classes[i % len(classes)], speakers[i // len(classes) % n_speakers])
            for i in rng.permutation(n)
        ]
        corpora[f"X_{side}"] = [
            _make_utterance(rng, corpus, speaker, emotion, duration, sample_rate)
            for emotion, speaker in plan
        ]
        corpora[f"y_{side}"] = np.array([emotion for emotion, _ in plan])
        corpora[f"speaker_{side}"] = np.array([speaker.name for _, speaker in plan])
    return corpora


def _check_emotions(emotions: Sequence[str]) -> list[str]:
    names = [emotions] if isinstance(emotions, str) else list(emotions)
    unknown = [name for name in names if name not in EXPRESSIONS]
    if unknown:
        raise ValueError(f"emotions must be among {sorted(EXPRESSIONS)}; got {unknown}.")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"emotions must name at least one emotion, each once; got {names}.")
    return sorted(names)


def _draw_speaker(rng: Rng, corpus: Corpus, name: str, index: int) -> Speaker:
    is_woman = index % 2 == 0
    pitch = corpus.pitch + rng.normal(0.0, 1.3)
    size = corpus.formants + rng.normal(0.0, 0.03)
    return Speaker(
        name=name,
        f0=(205.0 if is_woman else 115.0) * 2 ** (pitch / 12),
        tract=(1.17 if is_woman else 1.0) * 2**size,
        tempo=corpus.tempo,
        foreign=corpus.foreign,
        habit=np.array(HABIT) * rng.standard_normal(len(HABIT)),
    )


def _make_utterance(
    rng: Rng, corpus: Corpus, speaker: Speaker, emotion: str, duration: float, sample_rate: int
) -> Array:
    """Speak one utterance and record it."""
    strength = rng.triangular(0.45, 1.0, 1.3)
    expression = np.array(EXPRESSIONS[emotion]) + corpus.culture * np.array(DIALECT[emotion])
    variation = np.array(VARIATION) * rng.standard_normal(len(VARIATION))
    cues = Cues(*(speaker.habit + strength * expression + variation))
    speech = speak(rng, speaker, cues, duration, sample_rate)
    return _record(rng, corpus, cues, speech, sample_rate)


def _record(rng: Rng, corpus: Corpus, cues: Cues, speech: Array, sample_rate: int) -> Array:
    """Set the level, add background noise, and pass both through the channel."""
    n_samples = len(speech)
    speech = speech * (10 ** (cues.energy / 20) / np.sqrt(np.mean(speech**2)))
    n_bins = n_samples // 2 + 1
    frequencies = np.linspace(0.0, 0.5 * sample_rate, n_bins)
    octaves = np.log2(np.maximum(frequencies, 50.0) / 1000.0)
    response, snr = corpus.channel, corpus.snr
    if corpus.variability:
        response = response + rng.normal(0.0, UNEVEN_CHANNEL * corpus.variability, len(response))
        snr += rng.normal(0.0, UNEVEN_SNR * corpus.variability)
    colour = 10 ** (corpus.noise_slope * octaves / 20)
    colour *= 10 ** (-snr / 20) * np.sqrt(n_samples * n_bins / np.sum(colour**2) / 2)
    noise = rng.standard_normal((2, n_bins), dtype=np.float32)
    channel = np.interp(octaves, np.log2(CHANNEL_HZ / 1000.0), response)
    gain = 10 ** ((channel + rng.normal(corpus.level, corpus.handling)) / 20)
    spectrum = gain * (scipy.fft.rfft(speech) + colour * (noise[0] + 1j * noise[1]))
    return np.clip(scipy.fft.irfft(spectrum, n_samples), -1.0, 1.0).astype(np.float32)


DESCR = """Two corpora of synthetic emotional speech
(skdidan.corpora.make_speech_corpora)

Babble of consonant-vowel syllables from a source-filter synthesiser; no recordings of people.
The target differs from the source in speakers, vowel inventory, pitch, tempo, channel,
background noise, loudness, and partly in the expression of emotions.
"""

# Differences from neutral speech at full strength, after Murray and Arnott (1993) and Juslin and
# Laukka (2003).
EXPRESSIONS = {
    "anger": Cues(3.5, 0.7, 0.2, 8.0, 2.0, -3.0, 0.5, 0.06),
    "boredom": Cues(-1.5, -0.9, -0.4, -3.0, -0.8, 1.0, 0.0, -0.02),
    "fear": Cues(6.5, -0.4, 0.5, 0.0, -0.3, 10.0, 2.0, 0.02),
    "happiness": Cues(5.5, 0.9, 0.1, 4.5, 0.6, 0.0, -0.2, 0.13),
    "neutral": Cues(),
    "sadness": Cues(-1.0, -0.8, -0.5, -8.0, -1.8, 5.0, 0.7, -0.06),
    "surprise": Cues(8.0, 1.2, 0.1, 3.0, 0.1, 2.0, 0.0, 0.05),
}

# Added to EXPRESSIONS in the target.
DIALECT = {
    "anger": Cues(-1.5, -0.3, 0.1, 1.0, 0.2, 2.0, 0.3, 0.0),
    "boredom": Cues(0.5, 0.2, 0.1, 1.0, 0.0, 1.0, 0.0, 0.0),
    "fear": Cues(-2.0, 0.4, -0.3, -2.0, -0.2, 1.0, -0.4, 0.0),
    "happiness": Cues(1.0, -0.3, 0.1, -0.5, 0.3, 1.0, 0.2, -0.02),
    "neutral": Cues(),
    "sadness": Cues(1.5, 0.3, 0.0, 1.5, 0.2, 1.0, 0.5, 0.0),
    "surprise": Cues(-1.0, 0.2, 0.1, 1.0, 0.2, 0.0, 0.0, 0.0),
}

# Standard deviations between the speakers of a corpus, and between the utterances of a speaker.
HABIT = Cues(0.0, 0.08, 0.05, 1.0, 0.12, 0.8, 0.2, 0.0)
VARIATION = Cues(0.8, 0.12, 0.07, 0.8, 0.12, 0.8, 0.25, 0.01)

# Standard deviations between the recordings of a corpus at a variability of 1, in dB.
UNEVEN_CHANNEL, UNEVEN_SNR = 3.0, 4.0

CHANNEL_HZ = np.array([60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0])
SOURCE = Corpus()
TARGET = Corpus(
    foreign=1.0,
    pitch=1.5,
    formants=0.05,
    tempo=5.8,
    culture=1.0,
    level=-34.0,
    handling=7.0,
    snr=26.0,
    noise_slope=-2.5,
    channel=np.array([-24.0, -9.0, -2.0, 1.0, 3.0, 6.0, 1.0, -12.0]),
)
