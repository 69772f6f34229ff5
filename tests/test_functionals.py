"""Functionals: closed forms for tones and noise, odd clips, and openSMILE behind its extra."""

import importlib
import locale
import sys
import warnings

import librosa
import numpy as np
import pytest
import soundfile
from sklearn.base import clone

from skdidan import Functionals, Target
from skdidan.audio.functionals import _LIGHT_NAMES, OPENSMILE_SETS
from skdidan.audio.recordings import AudioWarning

RATE = 16_000


def tone(frequency, seconds=1.0, amplitude=0.1, rate=RATE):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def noise(seconds=1.0, scale=0.1, seed=0):
    return np.random.default_rng(seed).normal(scale=scale, size=round(seconds * RATE))


def describe(*clips, **parameters):
    """Return the light functionals of some clips by name."""
    functionals = Functionals(**parameters)
    X = functionals.fit_transform(list(clips))
    return dict(zip(functionals.get_feature_names_out(), X.T, strict=True))


def test_names_are_unique_and_match_the_columns():
    functionals = Functionals()
    names = functionals.get_feature_names_out()
    X = functionals.transform([noise()])
    assert X.shape == (1, len(names)) == (1, 129)
    assert X.dtype == np.float32
    assert len(set(names)) == len(names)
    assert functionals.get_feature_names_out(["x0"]).tolist() == names.tolist()


@pytest.mark.parametrize("frequency", [82.5, 110, 220, 440])
def test_pitch_of_a_tone(frequency):
    values = describe(tone(frequency))
    semitones = 12 * np.log2(frequency / 27.5)
    for statistic in ("mean", "p10", "p50", "p90"):
        assert values[f"f0_semitone_{statistic}"] == pytest.approx(semitones, abs=0.25)
    assert values["f0_semitone_std"] < 0.1
    assert values["voiced_fraction"] > 0.95
    assert values["voiced_segments_per_s"] == pytest.approx(1, abs=0.05)


def test_pitch_follows_a_glide_as_librosa_hears_it():
    f0 = np.geomspace(110, 220, RATE)
    values = describe(0.1 * np.sin(2 * np.pi * np.cumsum(f0) / RATE))
    assert values["f0_semitone_mean"] == pytest.approx(30, abs=0.3)
    assert values["f0_semitone_p90"] - values["f0_semitone_p10"] == pytest.approx(9.6, abs=0.4)
    # Twelve semitones in a hundred frames.
    assert values["f0_semitone_absolute_delta_mean"] == pytest.approx(0.12, abs=0.03)


def test_rhythm_of_bursts():
    burst, pause = tone(220, 0.15), noise(0.1, scale=1e-3)
    clip = np.concatenate([np.concatenate([burst, pause])] * 4)
    values = describe(clip)
    assert values["voiced_segments_per_s"] == pytest.approx(4, abs=0.2)
    assert values["voiced_segment_s_mean"] == pytest.approx(0.15, abs=0.03)
    assert values["voiced_fraction"] == pytest.approx(0.6, abs=0.1)


def test_spectrum_of_a_tone():
    values = describe(tone(1000, amplitude=0.1))
    # Mean square of a sine is half of its squared amplitude; it crosses zero twice a period.
    assert values["energy_db_p50"] == pytest.approx(10 * np.log10(0.005), abs=0.05)
    assert values["zero_crossing_rate_p50"] == pytest.approx(2 * 1000 / RATE, abs=0.003)
    assert values["centroid_hz_p50"] == pytest.approx(1000, abs=15)


def test_spectrum_of_white_noise():
    values = describe(noise(2.0))
    assert values["energy_db_p50"] == pytest.approx(-20, abs=0.3)
    assert values["zero_crossing_rate_mean"] == pytest.approx(0.5, abs=0.02)
    assert values["centroid_hz_mean"] == pytest.approx(4000, abs=150)
    assert values["slope_db_per_octave_mean"] == pytest.approx(0, abs=0.6)


def test_slope_of_integrated_noise_falls_by_six_decibels_per_octave():
    spectrum = np.fft.rfft(noise(2.0))
    frequencies = np.fft.rfftfreq(2 * RATE, 1 / RATE)
    red = np.fft.irfft(spectrum * 100 / np.maximum(frequencies, 50))
    slope = describe(red)["slope_db_per_octave_mean"]
    assert slope == pytest.approx(-20 * np.log10(2), abs=0.7)


def test_cepstrum_equals_librosa():
    clip = noise()
    clip = (clip - clip.mean()).astype(np.float32)
    mfcc = librosa.feature.mfcc(
        y=clip, sr=RATE, n_mfcc=13, n_mels=26, n_fft=512, win_length=400, hop_length=160
    )[1:]
    values = describe(clip)
    for i, coefficients in enumerate(mfcc, start=1):
        assert values[f"mfcc{i}_mean"] == pytest.approx(coefficients.mean(), abs=1e-3)
        assert values[f"mfcc{i}_std"] == pytest.approx(coefficients.std(), abs=1e-3)
        percentiles = np.percentile(coefficients, (10, 50, 90))
        for name, expected in zip(("p10", "p50", "p90"), percentiles, strict=True):
            assert values[f"mfcc{i}_{name}"] == pytest.approx(expected, abs=1e-3)
        deltas = np.diff(coefficients)
        assert values[f"mfcc{i}_delta_std"] == pytest.approx(deltas.std(), abs=1e-3)
        ninetieth = np.percentile(np.abs(deltas), 90)
        assert values[f"mfcc{i}_absolute_delta_p90"] == pytest.approx(ninetieth, abs=1e-3)


def test_gain_changes_the_energy_alone():
    clip = tone(150) + noise(scale=0.01)
    loud, quiet = describe(clip), describe(0.1 * clip)
    for name in _LIGHT_NAMES:
        is_level = name.startswith("energy_db") and "delta" not in name and "std" not in name
        shift = 20 if is_level else 0
        difference = float((loud[name] - quiet[name])[0])
        tolerance = 2e-3 * max(1.0, abs(float(loud[name][0])))
        assert difference == pytest.approx(shift, abs=tolerance), name


@pytest.mark.parametrize("offset", [0.01, -0.2])
def test_an_offset_changes_nothing(offset):
    clip = np.concatenate([tone(150), noise(scale=0.01), 0.02 * noise(scale=0.01), tone(300)])
    clip = clip - clip.mean()
    plain, shifted = describe(clip), describe(clip + offset)
    for name in _LIGHT_NAMES:  # but for the rounding of the samples to single precision
        assert shifted[name] == pytest.approx(plain[name], rel=1e-4, abs=1e-3), name


def test_the_caller_s_waveform_keeps_its_offset():
    for dtype in (np.float32, np.float64):
        clip = (0.2 + noise()).astype(dtype)
        before = clip.copy()
        describe(clip)
        np.testing.assert_array_equal(clip, before)


def test_voice_and_pitch_are_those_of_the_loud_frames_at_any_level():
    clip = np.concatenate([tone(150), noise(scale=0.003), tone(220)])
    loud, quiet = describe(clip), describe(1e-3 * clip)
    for name in ("voiced_fraction", "voiced_segments_per_s", "f0_semitone_p50"):
        assert loud[name][0] > 0
        assert quiet[name] == pytest.approx(loud[name], rel=1e-5), name


def test_trailing_digital_silence_changes_little():
    clip = tone(150) + noise(scale=0.01)
    alone, padded = describe(clip), describe(np.pad(clip, (0, RATE)))
    for name in ("energy_db_p50", "mfcc1_p50", "f0_semitone_mean", "voiced_segments_per_s"):
        assert padded[name] == pytest.approx(alone[name], rel=0.02, abs=0.05), name


ODD_CLIPS = {
    "20 ms": noise(0.02),
    "one sample": np.array([0.1]),
    "click": np.eye(1, 400)[0],
    "nearly constant": np.where(np.arange(RATE) == 99, 0.21, 0.2),
    "constant tone": tone(220),
    "whisper of a float": noise(scale=1e-12),
    "beyond full scale": noise(scale=1.5),
    "long pause": np.concatenate([noise(0.1), np.zeros(RATE), noise(0.1)]),
    "alternating": np.tile([0.1, -0.1], 8000),
}


@pytest.mark.parametrize("kind", ODD_CLIPS)
def test_odd_clips_stay_finite(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X = Functionals().transform([ODD_CLIPS[kind]])
    assert np.isfinite(X).all()


def test_silence_stands_for_a_bad_row():
    with pytest.warns(AudioWarning, match=r"1 of 2 rows .* row 1 is silent"):
        values = describe(noise(), np.zeros(100), on_error="warn")
    assert all(np.isfinite(column).all() for column in values.values())
    assert values["energy_db_mean"][1] == -100
    assert values["voiced_fraction"][1] == values["f0_semitone_mean"][1] == 0
    with pytest.raises(ValueError, match="row 1 is silent"):
        describe(noise(), np.zeros(100))


def test_unvoiced_noise_has_no_pitch():
    values = describe(np.diff(noise()))
    assert values["voiced_fraction"] < 0.05


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 22_050, 44_100])
def test_every_rate(sample_rate):
    values = describe(tone(220, rate=sample_rate), sample_rate=sample_rate)
    assert values["f0_semitone_p50"] == pytest.approx(36, abs=0.2)
    assert values["energy_db_p50"] == pytest.approx(-23, abs=0.2)


def test_file_and_array_agree_for_any_number_of_jobs(tmp_path):
    clips = [noise(0.3 + 0.05 * n, seed=n).astype(np.float32) for n in range(5)]
    paths = [tmp_path / f"{n}.wav" for n in range(5)]
    for path, clip in zip(paths, clips, strict=True):
        soundfile.write(path, clip, RATE, subtype="FLOAT")
    expected = Functionals().transform(clips)
    for X in (paths, Target(paths), [clip.astype(float) for clip in clips]):
        np.testing.assert_array_equal(Functionals(n_jobs=2).transform(X), expected)
    order = [3, 1, 4, 0, 2]
    shuffled = Functionals().transform([clips[row] for row in order])
    np.testing.assert_array_equal(shuffled, expected[order])


def test_set_output_gives_named_columns():
    functionals = Functionals().set_output(transform="pandas")
    frame = functionals.fit_transform([noise(), tone(220)])
    assert frame.columns.tolist() == list(_LIGHT_NAMES)
    assert frame.shape == (2, 129)


def test_scikit_learn_manners():
    functionals = Functionals("light", sample_rate=8_000, on_error="warn", n_jobs=2)
    assert clone(functionals).get_params() == functionals.get_params()
    assert not functionals.__sklearn_tags__().requires_fit


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_parameters_are_checked(method):
    with pytest.raises(
        ValueError, match=r"feature_set must be one of \['ComParE', .*'light'\]; got 'lite'"
    ):
        getattr(Functionals("lite"), method)([noise()])
    with pytest.raises(ValueError, match="sample_rate must be at least 8000; got 4000"):
        getattr(Functionals(sample_rate=4000), method)([noise()])
    with pytest.raises(ValueError, match="on_error must be one of"):
        getattr(Functionals(on_error=None), method)([noise()])


# openSMILE


def test_missing_opensmile_names_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    functionals = Functionals("eGeMAPSv02")
    with pytest.raises(ImportError, match=r"pip install skdidan\[opensmile\]"):
        functionals.transform([noise()])
    with pytest.raises(ImportError, match=r"feature_set='eGeMAPSv02' needs the opensmile package"):
        functionals.get_feature_names_out()


def test_a_locale_with_decimal_commas_is_refused(monkeypatch):
    """A crash otherwise: openSMILE reads its settings by the locale."""
    pytest.importorskip("opensmile", reason="an extra")
    monkeypatch.setattr(locale, "localeconv", lambda: {"decimal_point": ","})
    with pytest.raises(ValueError, match=r"which has ',': call locale\.setlocale\(locale\.LC_NUM"):
        Functionals("eGeMAPSv02").transform([noise()])
    Functionals().transform([noise()])


def test_light_set_does_not_import_opensmile(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    assert Functionals().transform([noise()]).shape == (1, 129)
    with pytest.raises(ImportError):
        importlib.import_module("opensmile")


@pytest.mark.parametrize(
    ("short", "full", "size"),
    [
        ("eGeMAPS", "eGeMAPSv02", 88),
        ("GeMAPS", "GeMAPSv01b", 62),
        ("ComParE", "ComParE_2016", 6373),
    ],
)
def test_short_names_of_opensmile_sets(short, full, size):
    pytest.importorskip("opensmile")
    noise = [np.random.default_rng(0).normal(scale=0.1, size=8000).astype(np.float32)]
    X = Functionals(short).fit_transform(noise)
    assert X.shape == (1, size)
    np.testing.assert_array_equal(X, Functionals(full).fit_transform(noise))


def test_number_of_features_of_the_challenges():
    pytest.importorskip("opensmile")
    sizes = {"IS09": 384, "IS10": 1582, "IS11": 4368, "IS12": 6125, "IS13": 6373}
    for name, size in sizes.items():
        assert len(Functionals(name).get_feature_names_out()) == size


@pytest.mark.parametrize("feature_set", sorted(set(OPENSMILE_SETS.values())))
def test_opensmile_sets_are_finite_and_named(feature_set):
    pytest.importorskip("opensmile")
    functionals = Functionals(feature_set, on_error="warn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", AudioWarning)
        X = functionals.transform([noise(0.5), noise(0.02), np.zeros(100), np.array([0.1])])
    assert X.shape == (4, len(functionals.get_feature_names_out()))
    assert X.dtype == np.float32 and np.isfinite(X).all()


def test_opensmile_values_are_opensmile_s_own():
    opensmile = pytest.importorskip("opensmile")
    clips = [(tone(150) + noise(seed=n)).astype(np.float32) for n in range(4)]
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    expected = np.concatenate([smile.process_signal(clip, RATE).to_numpy() for clip in clips])
    for n_jobs in (1, 2):
        functionals = Functionals("eGeMAPSv02", n_jobs=n_jobs)
        np.testing.assert_array_equal(functionals.transform(clips), expected)
    assert functionals.get_feature_names_out().tolist() == smile.feature_names
