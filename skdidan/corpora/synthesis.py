"""Source-filter synthesiser of emotional babble, for `make_speech_corpora`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["Array", "Cues", "Rng", "Speaker", "speak"]

Array = NDArray[Any]
Rng = np.random.Generator


class Cues(NamedTuple):
    """Deviations of an utterance from its speaker's habitual voice."""

    pitch: float = 0.0  # semitones, of the fundamental frequency
    range: float = 0.0  # octaves, width of the intonation contour: 1 doubles it
    tempo: float = 0.0  # octaves, of the syllable rate
    energy: float = 0.0  # dB, speech level
    tilt: float = 0.0  # octaves, corner frequency of the glottal spectrum: high is pressed, bright
    breath: float = 0.0  # dB, aspiration noise relative to voicing
    jitter: float = 0.0  # octaves, irregularity of glottal periods and amplitudes (shimmer)
    formants: float = 0.0  # octaves, all formants; a smile shortens the vocal tract and raises them


class Consonant(NamedTuple):
    """Timing, noise and formant locus of a consonant."""

    duration: float  # seconds
    voicing: float  # amplitude relative to a vowel
    closure: float  # share of the duration before the noise starts
    frication: float  # amplitude of the noise at the constriction
    aspiration: float  # amplitude of the noise at the glottis
    centre: float  # Hz, of the frication band
    width: float  # Hz, standard deviation of that band
    locus: tuple[float, float, float]  # F1, F2, F3 in Hz


class Speaker(NamedTuple):
    """A voice: the constants of all utterances of one speaker."""

    name: str
    f0: float  # Hz
    tract: float  # formant frequencies relative to an average man
    tempo: float  # syllables per second
    foreign: float  # share of Spanish vowels; the others are English
    habit: Array  # shape (8,): cues of the habitual voice


class Gestures(NamedTuple):
    """Movements of the voice organs in one utterance."""

    knots: Array  # shape (n_knots, 7): time, voicing, aspiration, frication, F1, F2, F3
    onsets: Array  # shape (n_syllables,): start of each syllable in seconds
    bands: Array  # shape (n_syllables, 2): centre and width of the frication band in Hz
    accents: Array  # shape (n_accents, 2): time, height in semitones
    phrases: Array  # shape (n_knots_f0, 2): time, semitones of the declination line


def speak(rng: Rng, speaker: Speaker, cues: Cues, duration: float, sample_rate: int) -> Array:
    """Synthesise one utterance of babble, as `make_speech_corpora` describes it."""
    hop = round(0.01 * sample_rate)
    n_samples = round(duration * sample_rate)
    n_hops = -(-n_samples // hop)
    times = np.arange(n_hops + 1) * (hop / sample_rate)
    gestures = _articulate(rng, speaker, cues, duration)
    f0 = speaker.f0 * 2 ** (_melody(rng, gestures, cues, times) / 12)
    t = np.arange(hop * n_hops) / sample_rate
    voice, noise = _excitation(rng, gestures, cues, f0, times, t, sample_rate)
    poles = _vocal_tract(gestures, cues, speaker, times, sample_rate)
    syllable = np.searchsorted(gestures.onsets, times + 0.01).clip(1) - 1
    bands = gestures.bands[syllable] * speaker.tract
    return _radiate(voice, noise, poles, bands, hop, sample_rate)[:n_samples]


def _articulate(rng: Rng, speaker: Speaker, cues: Cues, duration: float) -> Gestures:
    """Draw a sequence of consonant-vowel syllables with occasional pauses."""
    tempo = speaker.tempo * 2**cues.tempo
    start, stop = rng.uniform(0.04, 0.15), duration - rng.uniform(0.05, 0.2)
    t, pause_at = start, rng.uniform(0.6, 3.0) * 2**-cues.tempo
    knots, onsets, bands, accents = [_silence(t)], [], [], []
    phrases = [(t, 2.0)]
    while t < stop - 0.12:
        consonant = CONSONANTS[rng.integers(len(CONSONANTS))]
        inventory = SPANISH if rng.random() < speaker.foreign else ENGLISH
        column = rng.integers(inventory.shape[1])
        vowel = inventory[:, column] * np.exp(0.03 * rng.standard_normal(3))
        is_stressed = rng.random() < 0.4
        length = (1.25 if is_stressed else 0.85) * rng.lognormal(0.0, 0.12) / tempo
        if t + 1.7 * length > stop:
            length *= 1.35  # the last syllable of a phrase is longer
        end = min(t + length, stop)
        onset = t + min(consonant.duration * 5.0 / tempo, 0.5 * (end - t))
        knots += _syllable(consonant, vowel, t, onset, end, 1.0 if is_stressed else 0.75)
        onsets.append(t)
        bands.append((consonant.centre, consonant.width))
        if is_stressed:
            accents.append((0.4 * onset + 0.6 * end, rng.uniform(2.0, 5.0)))
        t = end
        if pause_at < t < stop - 0.6:
            pause = rng.uniform(0.12, 0.25) * 2**-cues.tempo
            knots += [_silence(t), _silence(t + pause)]
            phrases += [(t, -1.5), (t + pause, 1.5)]
            t += pause
            pause_at = t + 1.0
    knots.append(_silence(t))
    phrases.append((t, -3.0))
    lists: tuple[Any, ...] = knots, onsets, bands, np.reshape(accents, (-1, 2)), phrases
    return Gestures(*map(np.array, lists))


def _syllable(
    consonant: Consonant, vowel: Array, start: float, onset: float, end: float, stress: float
) -> list[tuple[float, ...]]:
    """Return knots of (time, voicing, aspiration, frication, F1, F2, F3)."""
    length = end - onset
    # A short vowel does not reach its target formants (Lindblom, 1963).
    formants = _midway(NEUTRAL_TRACT, vowel, 1.0 - np.exp(-length / 0.05))
    burst = start + consonant.closure * (onset - start)
    locus, level = consonant.locus, consonant.voicing * stress
    closed = start + min(0.01, 0.2 * (onset - start))
    knots: list[tuple[float, ...]] = [(closed, level, 0.0, 0.0, *locus)]
    if consonant.closure > 0:
        knots += [(burst, level, 0.0, 0.0, *locus)]
    if consonant.frication > 0:
        attack = min(0.004 if consonant.closure > 0 else 0.025, 0.4 * (onset - burst))
        release = min(0.004, 0.2 * (onset - burst))
        noise = (consonant.aspiration, consonant.frication)
        knots += [(burst + attack, level, *noise, *locus)]
        knots += [(onset - release, level, noise[0], 0.6 * noise[1], *locus)]
    opening = _midway(locus, formants, 0.4)
    knots += [(onset + min(0.012, 0.2 * length), stress, 0.0, 0.0, *opening)]
    knots += [(onset + min(0.045, 0.35 * length), stress, 0.0, 0.0, *formants)]
    knots += [(end - min(0.035, 0.3 * length), 0.85 * stress, 0.0, 0.0, *formants)]
    return knots


def _silence(time: float) -> tuple[float, ...]:
    return (time, 0.0, 0.0, 0.0, *NEUTRAL_TRACT)


def _midway(start: Any, stop: Any, share: float) -> Array:
    return (1 - share) * np.asarray(start) + share * np.asarray(stop)


def _melody(rng: Rng, gestures: Gestures, cues: Cues, times: Array) -> Array:
    """Return the intonation in semitones per frame: declination, accents, drift and tremor."""
    line = np.interp(times, *gestures.phrases.T)
    when, height = gestures.accents.T
    line += np.exp(-0.5 * ((times[:, None] - when) / 0.07) ** 2) @ height
    knots = np.arange(0.0, times[-1] + 0.3, 0.3)
    drift = np.interp(times, knots, rng.standard_normal(len(knots)))
    irregular = 0.15 * 2**cues.jitter
    tremor = np.sin(2 * np.pi * (rng.uniform(6.0, 9.0) * times + rng.random()))
    return cues.pitch + 2**cues.range * line + 0.4 * drift + irregular * tremor


def _excitation(
    rng: Rng, gestures: Gestures, cues: Cues, f0: Array, times: Array, t: Array, sample_rate: int
) -> tuple[Array, Array]:
    """Return the glottal source (pulses and aspiration) and the source of frication."""
    time, voicing, aspiration, frication = gestures.knots.T[:4]
    cycles = np.cumsum(np.interp(t, times, f0)) / sample_rate
    starts = np.interp(np.arange(cycles[-1] + 2), cycles, t)
    irregular = 2**cues.jitter
    wobble = rng.standard_normal(len(starts) - 2)
    starts[1:-1] += 0.006 * irregular * wobble * np.diff(starts)[1:]
    cycles = np.interp(t, starts, np.arange(len(starts)))
    index = cycles.astype(np.intp)

    open_quotient = np.clip(0.6 - 0.08 * cues.tilt, 0.4, 0.85)
    flow = _rosenberg_pulse(cycles - index, open_quotient)
    shimmer = np.exp(0.04 * irregular * rng.standard_normal(len(starts)))[index]
    # The lips radiate the derivative of the flow, which has an edge when the glottis closes.
    pulses = np.diff(flow, prepend=0.0) * shimmer
    pulses /= np.sqrt(np.mean(pulses**2))
    breath = 10 ** ((cues.breath - 26.0) / 20) * (0.4 + flow)
    hiss = rng.standard_normal(len(t), dtype=np.float32)
    loudness = np.interp(t, time, voicing)
    voice = loudness * (pulses + breath * hiss) + 0.5 * np.interp(t, time, aspiration) * hiss
    return voice, np.interp(t, time, frication) * hiss


def _rosenberg_pulse(phase: Array, open_quotient: float) -> Array:
    """Return the glottal flow over one period: a slow rise, a faster fall, then closure.

    ``(1 - cos(pi * p / p1)) / 2`` up to ``p1``, then ``cos(pi / 2 * (p - p1) / p2)`` until
    ``p1 + p2 = open_quotient``, then 0 (Rosenberg, 1971, type C).
    """
    rise = 0.68 * open_quotient
    grid = np.linspace(0.0, 1.0, 513)
    opening = 0.5 * (1 - np.cos(np.pi * np.minimum(grid / rise, 1.0)))
    closing = np.clip((grid - rise) / (open_quotient - rise), 0.0, 1.0)
    return np.interp(phase, grid, opening * np.cos(0.5 * np.pi * closing))


def _vocal_tract(
    gestures: Gestures, cues: Cues, speaker: Speaker, times: Array, sample_rate: int
) -> Array:
    """Return the denominator of the all-pole vocal tract, one row of coefficients per frame.

    The filter is a cascade of second-order resonators (Klatt, 1980) and one real pole for the
    spectral tilt of the voice. Every resonator has unit gain at 0 Hz.
    """
    moving = [np.interp(times, gestures.knots[:, 0], track) for track in gestures.knots.T[4:]]
    fixed = [np.full_like(times, f) for f in HIGH_FORMANTS]
    formants = np.stack(moving + fixed) * (speaker.tract * 2**cues.formants)
    bandwidths = 50.0 + 0.03 * formants + 10.0 * np.clip(cues.breath, 0.0, 9.0)
    radius = np.exp(-np.pi * bandwidths / sample_rate)
    radius[formants > 0.48 * sample_rate] = 0.0
    b = -2 * radius * np.cos(2 * np.pi * formants / sample_rate)
    pole = np.exp(-2 * np.pi * 1500.0 * 2**cues.tilt / sample_rate)
    poles = np.zeros((len(times), 2 * len(formants) + 2))
    poles[:, 0], poles[:, 1] = 1.0, -pole
    for b_k, c_k in zip(b, radius**2, strict=True):
        previous = poles.copy()
        poles[:, 1:] += b_k[:, None] * previous[:, :-1]
        poles[:, 2:] += c_k[:, None] * previous[:, :-2]
    return poles / poles.sum(axis=1, keepdims=True)


def _radiate(
    voice: Array, noise: Array, poles: Array, bands: Array, hop: int, sample_rate: int
) -> Array:
    """Filter each frame in the frequency domain, and overlap-add the frames."""
    n_fft = 4 * hop
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)

    def spectra(signal: Array) -> Array:
        padded = np.pad(signal.astype(np.float32), (hop, hop))
        frames = sliding_window_view(padded, 2 * hop)[::hop] * window
        return scipy.fft.rfft(frames, n_fft)

    frequencies = np.linspace(0.0, 0.5 * sample_rate, n_fft // 2 + 1)
    gains = np.exp(-0.5 * ((frequencies - bands[:, :1]) / bands[:, 1:]) ** 2)
    # Double precision, since at high rates the coefficients nearly cancel at low frequencies.
    tract = scipy.fft.rfft(poles, n_fft).astype(np.complex64)
    filtered = spectra(voice) / tract + spectra(noise) * gains.astype(np.float32)
    blocks = scipy.fft.irfft(filtered, n_fft).reshape(-1, 4, hop)
    output = np.zeros((len(blocks) + 3, hop), dtype=np.float32)
    for k in range(4):
        output[k : len(blocks) + k] += blocks[:, k]
    # Drop the padding of one hop: the first frame is centred on the first sample.
    return output[1:].ravel()


# Formants F1, F2 and F3 [Hz] of average men, one vowel a column. English: Peterson and Barney
# (1952). Spanish: F1 and F2 after Bradlow (1995), F3 that of the nearest English vowels.
ENGLISH = np.array(
    [
        [270.0, 390.0, 530.0, 660.0, 730.0, 570.0, 440.0, 300.0, 640.0, 490.0],
        [2290.0, 1990.0, 1840.0, 1720.0, 1090.0, 840.0, 1020.0, 870.0, 1190.0, 1350.0],
        [3010.0, 2550.0, 2480.0, 2410.0, 2440.0, 2410.0, 2240.0, 2240.0, 2390.0, 1690.0],
    ]
)
SPANISH = np.array(
    [
        [286.0, 458.0, 638.0, 460.0, 322.0],
        [2147.0, 1814.0, 1353.0, 1019.0, 992.0],
        [2900.0, 2500.0, 2420.0, 2380.0, 2240.0],
    ]
)
NEUTRAL_TRACT = (500.0, 1500.0, 2500.0)
HIGH_FORMANTS = (3500.0, 4500.0, 5500.0, 6500.0, 7500.0)

CONSONANTS = (
    Consonant(0.085, 0.0, 0.75, 0.25, 0.25, 900.0, 700.0, (250.0, 900.0, 2200.0)),  # p
    Consonant(0.085, 0.0, 0.70, 0.50, 0.30, 4200.0, 1500.0, (250.0, 1800.0, 2600.0)),  # t
    Consonant(0.090, 0.0, 0.65, 0.40, 0.30, 1900.0, 600.0, (250.0, 2100.0, 2300.0)),  # k
    Consonant(0.060, 0.25, 0.85, 0.15, 0.0, 800.0, 600.0, (250.0, 900.0, 2200.0)),  # b
    Consonant(0.055, 0.25, 0.85, 0.30, 0.0, 4000.0, 1500.0, (250.0, 1800.0, 2600.0)),  # d
    Consonant(0.060, 0.25, 0.80, 0.25, 0.0, 1900.0, 600.0, (250.0, 2100.0, 2300.0)),  # g
    Consonant(0.100, 0.0, 0.0, 0.50, 0.0, 6000.0, 1500.0, (300.0, 1750.0, 2600.0)),  # s
    Consonant(0.110, 0.0, 0.0, 0.50, 0.0, 3500.0, 1000.0, (300.0, 1850.0, 2400.0)),  # sh
    Consonant(0.090, 0.0, 0.0, 0.12, 0.0, 5000.0, 4000.0, (300.0, 1000.0, 2200.0)),  # f
    Consonant(0.065, 0.35, 1.0, 0.0, 0.0, 1000.0, 500.0, (250.0, 1000.0, 2200.0)),  # m
    Consonant(0.060, 0.35, 1.0, 0.0, 0.0, 1000.0, 500.0, (250.0, 1700.0, 2600.0)),  # n
    Consonant(0.060, 0.55, 1.0, 0.0, 0.0, 1000.0, 500.0, (350.0, 1100.0, 2600.0)),  # l
    Consonant(0.060, 0.60, 1.0, 0.0, 0.0, 1000.0, 500.0, (280.0, 2200.0, 3000.0)),  # j
    Consonant(0.060, 0.50, 1.0, 0.0, 0.0, 1000.0, 500.0, (300.0, 700.0, 2200.0)),  # w
)
