"""Synthetic corpora: their sound, labels and difficulty."""

import itertools

import librosa
import numpy as np
import pytest
from sklearn.metrics import recall_score
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skdidan.corpora import synthesis
from skdidan.corpora.synthesis import Cues
from skdidan.corpora.synthetic import (
    DIALECT,
    EXPRESSIONS,
    SOURCE,
    _record,
    make_speech_corpora,
)

SIDES = ("src", "tgt")


@pytest.fixture(scope="module")
def corpora():
    """Return both corpora at their default size and shift."""
    return make_speech_corpora(random_state=0)


@pytest.fixture(scope="module")
def twins():
    """Return two corpora from one population."""
    return make_speech_corpora(150, 150, random_state=1, shift=0.0)


def log_mel(x):
    return librosa.power_to_db(
        librosa.feature.melspectrogram(
            y=x, sr=16000, n_fft=512, win_length=400, hop_length=160, n_mels=64
        ),
        top_db=None,
    )


def features(X):
    rows = []
    for x in X:
        mel = log_mel(x)
        levels = np.percentile(mel, [10, 50, 90], axis=1)
        rows.append(np.concatenate([mel.mean(axis=1), mel.std(axis=1), *levels]))
    return np.array(rows)


def standardise(X):
    return StandardScaler().fit_transform(X)


def linear_svm():
    return SVC(kernel="linear", C=0.003)


def uar(y_true, y_pred):
    return recall_score(y_true, y_pred, average="macro")


def median_f0(x):
    f0 = librosa.yin(x, fmin=60, fmax=600, sr=16000)
    loud = librosa.feature.rms(y=x, frame_length=2048, hop_length=512)[0]
    return np.median(f0[loud > 0.4 * loud.max()])


def by_emotion(corpora, measure, side="src"):
    """Return the mean of a measure over each emotion, relative to the speaker's own mean."""
    X, y, speaker = (corpora[f"{key}_{side}"] for key in ("X", "y", "speaker"))
    values = np.array([measure(x) for x in X])
    for name in np.unique(speaker):
        values[speaker == name] -= values[speaker == name].mean()
    return {emotion: values[y == emotion].mean() for emotion in np.unique(y)}


def long_term_spectrum(X):
    return np.mean([log_mel(x).mean(axis=1) for x in X], axis=0)


def test_waveforms_are_finite_float32_of_the_given_length_within_full_scale(corpora):
    for X in (corpora.X_src, corpora.X_tgt):
        assert isinstance(X, list) and len(X) == 300
        assert {(x.shape, x.dtype) for x in X} == {((32000,), np.dtype("float32"))}
        assert all(np.isfinite(x).all() and np.abs(x).max() <= 1 and x.std() > 1e-4 for x in X)


def test_almost_no_sample_is_clipped(corpora):
    clipped = np.abs(np.concatenate(corpora.X_src + corpora.X_tgt)) >= 1
    assert clipped.mean() < 5e-4


def test_classes_are_balanced_and_every_speaker_has_every_class(corpora):
    for side in SIDES:
        y, speaker = corpora[f"y_{side}"], corpora[f"speaker_{side}"]
        classes, counts = np.unique(y, return_counts=True)
        assert classes.tolist() == corpora.classes.tolist() and set(counts) == {60}
        for name in np.unique(speaker):
            assert set(y[speaker == name]) == set(classes)
        assert len(set(y[:60])) > 1, "rows must not be sorted by class"


def test_class_sizes_differ_by_at_most_one():
    corpora = make_speech_corpora(13, 7, random_state=0, duration=0.5)
    for side, n in (("src", 13), ("tgt", 7)):
        _, counts = np.unique(corpora[f"y_{side}"], return_counts=True)
        assert counts.sum() == n and counts.max() - counts.min() == 1


def test_no_speaker_is_in_both_corpora(corpora):
    assert len(set(corpora.speaker_src)) == 10 and len(set(corpora.speaker_tgt)) == 6
    assert not set(corpora.speaker_src) & set(corpora.speaker_tgt)


def test_random_state_determines_every_sample_and_leaves_the_global_stream_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global stream is what is tested
    one = make_speech_corpora(5, 5, random_state=3)
    two = make_speech_corpora(5, 5, random_state=np.random.RandomState(3))
    other = make_speech_corpora(5, 5, random_state=4)
    for side in SIDES:
        np.testing.assert_array_equal(one[f"X_{side}"], two[f"X_{side}"])
        np.testing.assert_array_equal(one[f"y_{side}"], two[f"y_{side}"])
        assert not np.array_equal(one[f"X_{side}"], other[f"X_{side}"])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_order_of_emotions_does_not_matter():
    one = make_speech_corpora(4, 2, emotions=("sadness", "anger"), random_state=0)
    two = make_speech_corpora(4, 2, emotions=["anger", "sadness"], random_state=0)
    np.testing.assert_array_equal(one.X_src, two.X_src)
    np.testing.assert_array_equal(one.y_src, two.y_src)
    assert one.classes.tolist() == ["anger", "sadness"]


def test_settings_of_the_target_do_not_change_the_source():
    one = make_speech_corpora(5, 5, random_state=0)
    other = make_speech_corpora(5, 3, n_speakers_target=2, shift=0.3, random_state=0)
    np.testing.assert_array_equal(other.X_src, one.X_src)
    assert not np.array_equal(other.X_tgt, one.X_tgt[:3])


def test_other_rates_and_durations():
    for sample_rate in (8000, 11025, 48000):
        corpora = make_speech_corpora(3, 3, sample_rate=sample_rate, duration=0.73, random_state=0)
        for x in corpora.X_src + corpora.X_tgt:
            assert x.shape == (round(0.73 * sample_rate),) and np.isfinite(x).all()
        assert corpora.sample_rate == sample_rate


def test_syllables_modulate_the_envelope_as_in_speech(corpora):
    """Most of the modulation lies between 2 and 8 Hz, as in EmoDB (0.56) and CASIA (0.49)."""
    envelopes = np.array(
        [librosa.feature.rms(y=x, frame_length=512, hop_length=160)[0] for x in corpora.X_src[:100]]
    )
    envelopes -= envelopes.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(envelopes, axis=1)) ** 2 / np.sum(envelopes**2, axis=1)[:, None]
    rate = np.fft.rfftfreq(envelopes.shape[1], 0.01)
    octaves = [
        power[:, (rate > 0.99 * low) & (rate < 1.99 * low)].sum() for low in (0.5, 1, 2, 4, 8, 16)
    ]
    assert np.argmax(octaves) in (2, 3)
    assert 0.45 < sum(octaves[2:4]) / sum(octaves) < 0.75


def test_women_speak_about_an_octave_above_men(corpora):
    neutral = corpora.y_src == "neutral"
    f0 = {
        sex: np.median(
            [
                median_f0(corpora.X_src[i])
                for i in np.flatnonzero(neutral)
                if int(corpora.speaker_src[i][-2:]) % 2 == parity
            ]
        )
        for sex, parity in (("woman", 0), ("man", 1))
    }
    assert 90 < f0["man"] < 150 and 170 < f0["woman"] < 260


def test_pitch_rises_in_aroused_emotions(corpora):
    semitones = by_emotion(corpora, lambda x: 12 * np.log2(median_f0(x)))
    assert min(semitones[e] for e in ("anger", "fear", "happiness")) > semitones["neutral"] + 1
    assert semitones["neutral"] > semitones["sadness"]


def test_energy_and_brightness_rise_in_anger_and_fall_in_sadness(corpora):
    level = by_emotion(corpora, lambda x: 20 * np.log10(x.std()))
    assert level["anger"] > level["neutral"] + 4 and level["sadness"] < level["neutral"] - 4

    def balance(x):  # dB, 1.5 to 4 kHz against what lies below
        power = np.abs(np.fft.rfft(x)) ** 2
        return 10 * np.log10(power[3000:8000].sum() / power[200:3000].sum())

    tilt = by_emotion(corpora, balance)
    assert tilt["anger"] > tilt["neutral"] + 2 and tilt["sadness"] < tilt["neutral"] - 1


def test_emotions_overlap(corpora):
    """Loudness alone does not separate anger from neutral speech."""
    neutral, anger = (
        [20 * np.log10(corpora.X_src[i].std()) for i in np.flatnonzero(corpora.y_src == emotion)]
        for emotion in ("neutral", "anger")
    )
    assert np.min(anger) < np.max(neutral)


def test_target_is_softer_noisier_less_steady_and_has_another_channel(corpora, twins):
    def level(X):
        return np.array([20 * np.log10(x.std()) for x in X])

    def dynamics(X):  # dB between loud and quiet frames
        frames = [librosa.power_to_db(librosa.feature.rms(y=x)[0] ** 2, top_db=None) for x in X]
        return np.mean([np.subtract(*np.percentile(f, [90, 2])) for f in frames])

    assert np.median(level(corpora.X_src)) > np.median(level(corpora.X_tgt)) + 4
    assert dynamics(corpora.X_src[:60]) > dynamics(corpora.X_tgt[:60]) + 4
    assert level(corpora.X_tgt).std() > level(corpora.X_src).std() + 1

    def change(pair):
        difference = long_term_spectrum(pair.X_tgt[:60]) - long_term_spectrum(pair.X_src[:60])
        return np.std(difference)

    assert change(corpora) > 2 * change(twins)


def test_channels_vary_between_recordings_as_told():
    """Record white noise: the gains of two bands differ with twice the variance of one gain."""
    rng = np.random.default_rng(0)
    speech = rng.standard_normal(4000)
    frequency = np.fft.rfftfreq(len(speech), 1 / 16_000)[1:]
    bands = [abs(np.log2(frequency / centre)) < 0.1 for centre in (250, 2000)]
    uneven = SOURCE._replace(variability=2.0)
    takes = [_record(rng, uneven, Cues(), speech, 16_000) for _ in range(400)]
    power = np.abs(np.fft.rfft(takes)[:, 1:]) ** 2
    low, high = (10 * np.log10(power[:, band].mean(axis=1)) for band in bands)
    assert np.var(low - high) == pytest.approx(2 * (2 * 3.0) ** 2, rel=0.2)


def test_noise_varies_between_recordings_as_told():
    """Record a tone: its power over that of its neighbours varies as the signal-to-noise ratio."""
    rng, tone_bin = np.random.default_rng(0), 250
    tone = np.sin(2 * np.pi * 1000 * np.arange(4000) / 16_000)
    uneven = SOURCE._replace(variability=2.0)
    takes = [_record(rng, uneven, Cues(), tone, 16_000) for _ in range(400)]
    power = np.abs(np.fft.rfft(takes)) ** 2
    near = [*range(tone_bin - 20, tone_bin), *range(tone_bin + 1, tone_bin + 21)]
    snr = 10 * np.log10(power[:, tone_bin] / power[:, near].mean(axis=1))
    assert np.std(snr) == pytest.approx(2 * 4.0, rel=0.15)


def test_variability_changes_both_corpora():
    even, uneven = (
        make_speech_corpora(4, 4, duration=0.5, variability=v, random_state=0) for v in (0.0, 1.0)
    )
    for side in SIDES:
        assert not np.array_equal(even[f"X_{side}"][0], uneven[f"X_{side}"][0])


def test_zero_shift_gives_one_population(twins):
    """A classifier trained on the source is as good on the target as one trained on the target."""
    X_src, X_tgt = features(twins.X_src), features(twins.X_tgt)
    source_only = linear_svm().fit(standardise(X_src), twins.y_src).predict(standardise(X_tgt))
    folds = GroupKFold(6)
    oracle = cross_val_predict(
        linear_svm(), standardise(X_tgt), twins.y_tgt, cv=folds, groups=twins.speaker_tgt
    )
    assert uar(twins.y_tgt, source_only) > uar(twins.y_tgt, oracle) - 0.05
    assert uar(twins.y_tgt, source_only) > 0.7


def test_source_only_lands_well_below_the_oracle_and_well_above_chance(corpora):
    """Recall on the target: chance 0.2 < source only < scaled per corpus < oracle < 1."""
    X_src, X_tgt = features(corpora.X_src), features(corpora.X_tgt)
    scaler = StandardScaler().fit(X_src)
    raw = linear_svm().fit(scaler.transform(X_src), corpora.y_src).predict(scaler.transform(X_tgt))
    scaled = linear_svm().fit(standardise(X_src), corpora.y_src).predict(standardise(X_tgt))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    oracle = cross_val_predict(linear_svm(), standardise(X_tgt), corpora.y_tgt, cv=folds)
    assert 0.25 < uar(corpora.y_tgt, raw) < 0.52
    assert 0.47 < uar(corpora.y_tgt, scaled) < 0.67
    assert 0.76 < uar(corpora.y_tgt, oracle) < 0.95
    assert uar(corpora.y_tgt, scaled) > uar(corpora.y_tgt, raw) + 0.04


def test_every_emotion_has_its_dialect_and_can_be_made():
    assert set(EXPRESSIONS) == set(DIALECT)
    corpora = make_speech_corpora(len(EXPRESSIONS), 1, emotions=EXPRESSIONS, random_state=0)
    assert sorted(corpora.y_src) == sorted(EXPRESSIONS)


def test_rosenberg_pulse_is_its_formula():
    phase = np.arange(512) / 512
    p1, p2 = 0.68 * 0.6, 0.32 * 0.6
    expected = [
        0.5 * (1 - np.cos(np.pi * p / p1))
        if p < p1
        else np.cos(0.5 * np.pi * (p - p1) / p2)
        if p < p1 + p2
        else 0.0
        for p in phase
    ]
    np.testing.assert_allclose(synthesis._rosenberg_pulse(phase, 0.6), expected, atol=5e-3)


def test_a_steady_vowel_has_the_formants_of_its_table():
    vowel = np.array([500.0, 1500.0, 2500.0])
    knots = np.array([(t, 1.0, 0.0, 0.0, *vowel) for t in (0.0, 1.0)])
    gestures = synthesis.Gestures(knots, np.zeros(1), np.ones((1, 2)), np.empty((0, 2)), knots)
    speaker = synthesis.Speaker("x", 100.0, 1.0, 4.8, 0.0, np.zeros(8))
    poles = synthesis._vocal_tract(gestures, synthesis.Cues(), speaker, np.zeros(1), 16000)[0]
    roots = np.roots(poles)
    frequencies = np.sort(np.angle(roots[roots.imag > 0])) * 16000 / (2 * np.pi)
    np.testing.assert_allclose(frequencies[:3], vowel, rtol=1e-6)
    assert poles.sum() == pytest.approx(1.0), "unit gain at 0 Hz"


def test_gestures_follow_one_another_in_time():
    for seed, tempo, duration in itertools.product(range(5), (-1.0, 0.0, 1.0), (0.5, 2.0)):
        rng, cues = np.random.default_rng(seed), synthesis.Cues(tempo=tempo)
        speaker = synthesis.Speaker("x", 100.0, 1.0, 4.8, 0.0, np.zeros(8))
        gestures = synthesis._articulate(rng, speaker, cues, duration)
        assert (np.diff(gestures.knots[:, 0]) >= -1e-9).all()
        assert gestures.knots[-1, 0] < duration


def test_parameters_out_of_range():
    for parameters, message in (
        ({"n_source": 0}, r"n_source must be a whole number of at least 1; got 0"),
        ({"n_target": 2.5}, r"n_target must be a whole number of at least 1; got 2.5"),
        ({"n_speakers_source": True}, r"n_speakers_source must be a whole number .*; got True"),
        ({"n_speakers_target": -1}, r"n_speakers_target must be a whole number .*; got -1"),
        ({"duration": 0.1}, "duration must be from 0.5 to 3600 s; got 0.1"),
        ({"duration": np.inf}, "duration must be from 0.5 to 3600 s; got inf"),
        ({"duration": 1e9}, "duration must be from 0.5 to 3600 s; got 1000000000.0"),
        ({"sample_rate": 4000}, r"sample_rate must be a whole number from 8000 to 48000; got 4000"),
        ({"shift": 3}, r"shift must be a number from 0 to 2; got 3"),
        ({"variability": -1}, r"variability must be a number from 0 to 2; got -1"),
        ({"shift": np.nan}, r"shift must be a number from 0 to 2; got nan"),
        ({"emotions": ("anger", "glee")}, r"emotions must be among \['anger'.*got \['glee'\]"),
        ({"emotions": ("anger", "anger")}, r"each once; got \['anger', 'anger'\]"),
        ({"emotions": ()}, r"at least one emotion, each once; got \[\]"),
    ):
        with pytest.raises(ValueError, match=message):
            make_speech_corpora(**parameters)
