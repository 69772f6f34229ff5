"""Spectrograms against librosa's own functions, closed forms and invariants."""

import warnings

import librosa
import numpy as np
import pytest
import soundfile
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skdidan import (
    MFCC,
    AudioLoader,
    Functionals,
    LogMelSpectrogram,
    Spectrogram,
    Target,
    padding,
)
from skdidan.audio import stft
from skdidan.audio.recordings import AudioWarning

RATE = 16_000
ALL = [Spectrogram, LogMelSpectrogram, MFCC]
STFT = {"n_fft": 512, "win_length": 400, "hop_length": 160}
OTHER = {"n_fft": 1024, "win_length": 1000, "hop_length": 333}


@pytest.fixture
def clips():
    """Three clips of exactly one second: noise, a tone and a burst with digital silence."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    burst = np.where((time > 0.4) & (time < 0.6), np.sin(2 * np.pi * 3000 * time), 0)
    noise = rng.normal(scale=0.1, size=RATE)
    return np.stack([noise, 0.3 * np.sin(2 * np.pi * 440 * time), burst]).astype(np.float32)


# Agreement with librosa


@pytest.mark.parametrize("stft", [STFT, OTHER], ids=["default", "other"])
@pytest.mark.parametrize(("amin", "top_db"), [(1e-10, 80.0), (1e-5, None), (2.0, 60.0)])
def test_spectrogram_equals_librosa(clips, stft, amin, top_db):
    ours = Spectrogram(duration=1.0, amin=amin, top_db=top_db, **stft).transform(clips)
    for clip, values in zip(clips, ours, strict=True):
        power = np.abs(librosa.stft(clip, **stft)) ** 2
        expected = librosa.power_to_db(power, amin=amin, top_db=top_db)
        np.testing.assert_allclose(values, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("stft", [STFT, OTHER], ids=["default", "other"])
@pytest.mark.parametrize(("fmin", "fmax"), [(0.0, None), (50.0, 7000.0)])
@pytest.mark.parametrize("top_db", [80.0, None])
def test_log_mel_equals_librosa(clips, stft, fmin, fmax, top_db):
    bands = {"n_mels": 40, "fmin": fmin, "fmax": fmax}
    ours = LogMelSpectrogram(duration=1.0, top_db=top_db, **stft, **bands).transform(clips)
    for clip, values in zip(clips, ours, strict=True):
        power = librosa.feature.melspectrogram(y=clip, sr=RATE, **stft, **bands)
        expected = librosa.power_to_db(power, top_db=top_db)
        np.testing.assert_allclose(values, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("stft", [STFT, OTHER], ids=["default", "other"])
def test_mfcc_equals_librosa(clips, stft):
    ours = MFCC(duration=1.0, n_mfcc=13, n_mels=40, **stft).transform(clips)
    for clip, values in zip(clips, ours, strict=True):
        expected = librosa.feature.mfcc(y=clip, sr=RATE, n_mfcc=13, n_mels=40, **stft)
        # Orthonormal: 1e-4 dB in every one of 40 bands may add up to sqrt(40) times as much.
        np.testing.assert_allclose(values, expected, atol=1e-4 * np.sqrt(40), rtol=0)


# Closed forms


@pytest.mark.parametrize("frequency", [500, 1000, 4000])
def test_tone_lands_in_its_bin_at_its_level(frequency):
    tone = 0.5 * np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)
    (values,) = Spectrogram(duration=1.0, **{**STFT, "win_length": 512}).transform([tone])
    frame = values[:, 50]
    assert frame.argmax() == frequency * 512 / RATE
    # A Hann window of 512 samples sums to 256; half of the amplitude is at +f.
    assert frame.max() == pytest.approx(20 * np.log10(0.5 / 2 * 256), abs=1e-3)


def test_tone_lands_in_its_mel_band():
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    (values,) = LogMelSpectrogram(n_mels=30, duration=1.0).transform([tone])
    centres = librosa.mel_frequencies(n_mels=32, fmin=0, fmax=RATE / 2)[1:-1]
    assert values[:, 50].argmax() == np.abs(centres - 1000).argmin()


def test_first_coefficient_is_the_mean_level(clips):
    bands = LogMelSpectrogram(duration=1.0).transform(clips)
    coefficients = MFCC(duration=1.0).transform(clips)
    np.testing.assert_allclose(coefficients[:, 0], bands.mean(axis=1) * 8, rtol=1e-4)


@pytest.mark.parametrize("transformer", ALL)
def test_gain_adds_a_constant(clips, transformer):
    quiet, loud = (transformer(duration=1.0).transform(gain * clips[:2]) for gain in (0.1, 1.0))
    if transformer is MFCC:
        np.testing.assert_allclose((loud - quiet)[:, 0], 20 * 8, atol=1e-2)
        np.testing.assert_allclose((loud - quiet)[:, 1:], 0, atol=1e-2)
    else:
        np.testing.assert_allclose(loud - quiet, 20, atol=1e-2)


# Shape and duration


@pytest.mark.parametrize(
    ("transformer", "n_bins"),
    [(Spectrogram(), 257), (LogMelSpectrogram(), 64), (MFCC(), 20), (Spectrogram(n_fft=400), 201)],
)
def test_shape_and_type(clips, transformer, n_bins):
    X = transformer.fit(clips).transform(clips)
    assert X.shape == (3, n_bins, 201)
    assert X.dtype == np.float32 and X.flags.c_contiguous


@pytest.mark.parametrize("sample_rate", [8_000, 44_100])
def test_shape_follows_rate_duration_and_hop(clips, sample_rate):
    X = LogMelSpectrogram(sample_rate=sample_rate, duration=0.73, hop_length=111).transform(clips)
    assert X.shape == (3, 64, 1 + round(0.73 * sample_rate) // 111)


@pytest.mark.parametrize("crop", ["loudest", "center"])
@pytest.mark.parametrize("transformer", ALL)
def test_shorter_clip_is_padded_at_its_end(clips, transformer, crop):
    short = [clip[4000:9001] for clip in clips]
    padded = np.pad(clips[:, 4000:9001], [(0, 0), (0, RATE - 5001)])
    ours = [transformer(duration=1.0, crop=crop).transform(X) for X in (short, padded)]
    np.testing.assert_array_equal(*ours)


def loudest_start(clip, n_samples):
    power = clip.astype(float) ** 2
    energies = [power[start : start + n_samples].sum() for start in range(len(clip) - n_samples)]
    return int(np.argmax(energies))


def test_longer_clip_is_cropped_to_its_loudest_window():
    rng = np.random.default_rng(2)
    clip = (rng.normal(size=3000) * np.exp(-(((np.arange(3000) - 2100) / 300) ** 2))).astype("f")
    start = loudest_start(clip, 1600)
    assert 1200 < start < 1400
    options = {"duration": 0.1, "crop": "loudest"}
    ours = Spectrogram(**options).transform([clip])
    np.testing.assert_array_equal(
        ours, Spectrogram(**options).transform([clip[start : start + 1600]])
    )


@pytest.mark.parametrize("place", ["start", "end"])
def test_loudest_window_reaches_both_edges(place):
    clip = np.full(3000, 0.001, dtype=np.float32)
    loud = slice(0, 100) if place == "start" else slice(2900, 3000)
    clip[loud] = np.cos(np.pi * np.arange(100))
    kept = clip[:1600] if place == "start" else clip[-1600:]
    ours = [Spectrogram(duration=0.1).transform([samples]) for samples in (clip, kept)]
    np.testing.assert_allclose(*ours, atol=1e-4)


def test_longer_clip_is_cropped_to_its_centre(clips):
    options = {"duration": 0.5, "crop": "center"}
    ours = [Spectrogram(**options).transform(X) for X in (clips, clips[:, 4000:12_000])]
    np.testing.assert_array_equal(*ours)


# Routes, order, jobs


@pytest.fixture
def paths(tmp_path, clips):
    paths = [tmp_path / f"{n}.wav" for n in range(3)]
    for path, clip in zip(paths, clips, strict=True):
        soundfile.write(path, clip, RATE, subtype="PCM_16")
    return paths


@pytest.mark.parametrize("transformer", ALL)
def test_every_route_gives_the_same(paths, transformer):
    expected = transformer().transform(paths)
    integers = np.stack([soundfile.read(path, dtype="int16")[0] for path in paths])
    loader_first = make_pipeline(AudioLoader(), transformer())
    np.testing.assert_array_equal(loader_first.fit_transform(paths), expected)
    for X in (Target(paths), [str(path) for path in paths], integers, list(integers)):
        np.testing.assert_array_equal(transformer().transform(X), expected)
    for X in (integers / 32768, (integers / 32768).tolist()):
        np.testing.assert_array_equal(transformer().transform(X), expected)


@pytest.mark.parametrize("transformer", ALL)
def test_rows_are_independent(clips, transformer):
    order = [2, 0, 1, 0]
    X = transformer().transform(clips)
    np.testing.assert_array_equal(transformer().transform(clips[order]), X[order])
    np.testing.assert_array_equal(transformer().transform(clips[1:2]), X[1:2])


@pytest.mark.parametrize("transformer", ALL)
def test_jobs_change_nothing(paths, transformer):
    expected = transformer().transform(paths * 4)
    np.testing.assert_array_equal(transformer(n_jobs=2).transform(paths * 4), expected)


def test_input_is_left_alone(clips):
    before = clips.copy()
    clips.flags.writeable = False
    LogMelSpectrogram(duration=0.4).fit_transform(clips)
    np.testing.assert_array_equal(clips, before)


def test_progress_bar(clips, capsys):
    Spectrogram().transform(clips)
    assert capsys.readouterr().err == ""
    Spectrogram(verbose=1).transform(clips)
    assert "3/3" in capsys.readouterr().err


# Silence and bad rows


@pytest.mark.parametrize("transformer", [Spectrogram, LogMelSpectrogram])
def test_silence_stands_at_amin(clips, transformer):
    clips[1] = 0
    with pytest.warns(AudioWarning, match=r"1 of 3 rows .* row 1 is silent") as caught:
        X = transformer(on_error="warn", amin=1e-8).transform(clips)
    assert caught[0].filename == __file__
    np.testing.assert_allclose(X[1], -80, atol=1e-4)
    np.testing.assert_array_equal(X[[0, 2]], transformer(amin=1e-8).transform(clips[[0, 2]]))


def test_padding_stands_top_db_below_the_peak(clips):
    X = LogMelSpectrogram(top_db=50).transform(clips)
    peaks = X.max(axis=(1, 2))
    np.testing.assert_allclose(X[:, :, -1], np.tile((peaks - 50)[:, None], 64), atol=1e-4)


@pytest.mark.parametrize("transformer", ALL)
@pytest.mark.parametrize(
    "clip", [[1.0], [1e-30], np.linspace(0.9, 1, 40_000), np.linspace(7, 7.5, 40_000)]
)
def test_odd_clips_stay_finite(transformer, clip):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(transformer().transform([np.array(clip)])).all()


@pytest.mark.parametrize("transformer", ALL)
def test_bad_file_and_bad_row_are_named(tmp_path, clips, transformer):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.wav' does not exist"):
        transformer().transform([tmp_path / "nowhere.wav"])
    clips[2, 5] = np.nan
    with pytest.raises(ValueError, match="row 2 holds NaN or infinite samples: 1 of 16000"):
        transformer().transform(clips)
    with pytest.warns(AudioWarning, match="1 of 3 rows"):
        X = transformer(on_error="warn").transform(clips)
    assert np.isfinite(X).all()


# Parameters


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sample_rate": 0}, "sample_rate must be a whole number of at least 1; got 0"),
        ({"n_fft": 2.5}, r"n_fft must be a whole number of at least 1; got 2\.5"),
        ({"win_length": 0}, "win_length must be a whole number"),
        ({"hop_length": -1}, "hop_length must be a whole number"),
        ({"n_mels": 0}, "n_mels must be a whole number"),
        ({"n_mfcc": None}, "n_mfcc must be a whole number"),
        ({"duration": 0}, "duration must be a finite number above 0; got 0"),
        ({"amin": -1e-10}, "amin must be a finite number above 0"),
        ({"top_db": 0}, "top_db must be a finite number above 0"),
        ({"win_length": 513}, "win_length must not exceed n_fft; got 513 > 512"),
        ({"duration": 0.01}, r"duration must cover at least n_fft samples.* 160 samples < 512"),
        ({"crop": "middle"}, r"crop must be one of \['center', 'loudest'\]; got 'middle'"),
        ({"fmin": -1.0}, "fmin must be a finite number of at least 0"),
        ({"fmin": 500, "fmax": 400}, "fmin and fmax must satisfy .* fmin=500, fmax=400"),
        ({"fmax": 8001}, "fmin and fmax must satisfy .* fmax=8001"),
        ({"n_mfcc": 65}, "n_mfcc must not exceed n_mels; got 65 > 64"),
        ({"on_error": "skip"}, r"on_error must be one of \['raise', 'warn'\]; got 'skip'"),
    ],
)
def test_parameter_out_of_range(clips, parameters, message):
    for method in (MFCC(**parameters).fit, MFCC(**parameters).transform):
        with pytest.raises(ValueError, match=message):
            method(clips)


@pytest.mark.parametrize("transformer", ALL)
def test_scikit_learn_manners(clips, transformer):
    estimator = transformer(hop_length=200, duration=1.0)
    assert clone(estimator).get_params() == estimator.get_params()
    assert estimator.fit(clips) is estimator
    assert not hasattr(estimator, "set_output")
    tags = estimator.__sklearn_tags__()
    assert not tags.requires_fit and not tags.input_tags.two_d_array
    estimator.set_params(hop_length=400)
    assert estimator.transform(clips).shape[2] == 41


@pytest.mark.parametrize("n_fft", [511, 512, 513])
def test_frames_of_odd_and_even_transforms_are_those_of_librosa(n_fft):
    waveform = np.random.default_rng(0).normal(scale=0.1, size=32_000).astype(np.float32)
    for hop_length in (160, 320, 7):
        params = {"n_fft": n_fft, "win_length": 400, "hop_length": hop_length}
        expected = librosa.power_to_db(
            np.abs(librosa.stft(waveform, **params)) ** 2, amin=1e-10, top_db=80.0
        )
        (actual,) = Spectrogram(**params).transform([waveform])
        np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_both_call_shapes_are_taken():
    waveforms = np.random.default_rng(0).normal(scale=0.1, size=(3, 32_000))
    expected = Spectrogram().fit_transform(waveforms)
    for params in ({"X_tgt": waveforms[:1]}, {"sample_domain": [1, 1, -1]}):
        actual = Spectrogram().fit_transform(waveforms, ["a", "b", "c"], **params)
        np.testing.assert_array_equal(actual, expected)


# Whole recordings


@pytest.mark.parametrize("transformer", ALL)
def test_whole_recordings_are_padded_with_nan(clips, transformer):
    X = [clips[0][:7000], clips[1], clips[2][4000:12_001]]
    together = transformer(duration=None).transform(X)
    assert together.shape[2] == 101 and together.dtype == np.float32
    for waveform, row in zip(X, together, strict=True):
        alone = transformer(duration=len(waveform) / RATE).transform([waveform])
        n_frames = 1 + len(waveform) // 160
        np.testing.assert_array_equal(row[:, :n_frames], alone[0])
        assert np.isnan(row[:, n_frames:]).all()
        np.testing.assert_array_equal(transformer(duration=None).transform([waveform]), alone)


def test_whole_recordings_of_equal_length_need_no_padding(clips):
    expected = LogMelSpectrogram(duration=1.0).transform(clips)
    np.testing.assert_array_equal(LogMelSpectrogram(duration=None).transform(clips), expected)


@pytest.mark.parametrize("transformer", ALL)
def test_a_recording_of_less_than_a_transform_is_padded_to_one(transformer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X = transformer(duration=None).transform([np.eye(3)[0], np.eye(1, 1600)[0]])
    np.testing.assert_array_equal(
        X[:1, :, :4], transformer(duration=512 / RATE).transform([np.eye(3)[0]])
    )
    assert np.isnan(X[0, :, 4:]).all()


@pytest.mark.parametrize("cls", [Spectrogram, LogMelSpectrogram, MFCC, Functionals])
def test_without_a_folder_for_the_cache_of_numba_the_cure_is_named(monkeypatch, clips, cls):
    def fail(name):
        raise RuntimeError("cannot cache function '_localmax': no locator available for file")

    monkeypatch.setattr(stft.importlib, "import_module", fail)
    with pytest.raises(ImportError, match="variable NUMBA_CACHE_DIR to a folder that can be wr"):
        cls().transform(clips)


def test_padding_of_more_than_memory_is_refused(monkeypatch, clips):
    monkeypatch.setattr(padding, "_MAX_PADDING", 64 * 4 * 50)
    transformer = LogMelSpectrogram(duration=None)
    assert transformer.transform([clips[0], clips[1][:8000]]).shape == (2, 64, 101)
    with pytest.raises(ValueError, match=r"pads 2 rows to the 101 frames of row 1, .* Give a dur"):
        transformer.transform([clips[1][:7999], clips[0]])


@pytest.mark.parametrize("duration", [0.3, 2.0])
def test_silence_stands_in_at_any_duration(duration):
    X = [np.zeros(9000, dtype=np.float32), np.random.default_rng(0).normal(0, 0.1, 9000)]
    with pytest.warns(AudioWarning, match="1 of 2 rows"):
        values = LogMelSpectrogram(duration=duration, n_mels=24, on_error="warn").transform(X)
    np.testing.assert_allclose(values[0], -100, atol=1e-4)
    assert (values[1] > -90).any()
