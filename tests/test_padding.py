"""Padding: spectrograms of different lengths in one array, and NaN that is no padding."""

import numpy as np
import pytest

from skdidan import padding
from skdidan.padding import count_frames, is_padded, join_rows, pad_alike

CLIPS = [
    np.random.default_rng(n).normal(size=(1, 3, n_frames)) for n, n_frames in enumerate((4, 7, 2))
]


def test_joined_clips_keep_their_frames():
    X = join_rows(CLIPS)
    assert X.shape == (3, 3, 7) and is_padded(X)
    assert count_frames(X).tolist() == [4, 7, 2]
    for row, clip in zip(X, CLIPS, strict=True):
        np.testing.assert_array_equal(row[:, : clip.shape[2]], clip[0])
        assert np.isnan(row[:, clip.shape[2] :]).all()
    assert join_rows([clip.astype(np.float32) for clip in CLIPS]).dtype == np.float32


def test_arrays_without_padding_are_unchanged():
    X = np.ones((2, 3, 5), dtype=np.float32)
    assert not is_padded(X) and count_frames(X).tolist() == [5, 5]
    assert all(part is X for part in pad_alike([X, X]))
    flat = [np.ones((2, 3)), np.zeros((1, 3))]
    np.testing.assert_array_equal(join_rows(flat), [[1, 1, 1], [1, 1, 1], [0, 0, 0]])
    assert not is_padded(flat[0]) and not is_padded(None)


def test_overflow_is_not_mistaken_for_padding():
    X = np.full((2, 3, 5), np.finfo(np.float32).max, dtype=np.float32)
    X[1] *= -1
    assert count_frames(X).tolist() == [5, 5]


def test_too_much_padding_is_refused(monkeypatch):
    frame = CLIPS[0][:, :, :1].nbytes
    monkeypatch.setattr(padding, "_MAX_PADDING", (7 - 4 + 7 - 2) * frame)
    X = join_rows(CLIPS)
    with pytest.raises(ValueError, match=r"pads 4 rows to the 7 frames of row 1, .* Give a durat"):
        join_rows([*CLIPS, np.ones((1, 3, 6))])
    # In an array that is padded already, the longest row is named.
    with pytest.raises(ValueError, match=r"pads 6 rows to the 7 frames of row 4, .* Give a durat"):
        join_rows([np.ones((3, 3, 4)), X])
    assert join_rows([np.ones((2, 3, 4)), X]).shape == (5, 3, 7)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((1, slice(None), 3), "first in row 1, bin 0, frame 3: that row has 7 frames"),
        ((0, 2, 1), "first in row 0, bin 2, frame 1: that row has 4 frames"),
        ((1, 1, 6), "first in row 1, bin 1, frame 6: that row has 7 frames"),
        (2, "nothing but NaN in 1 of 3 rows, the first of them row 2"),
    ],
)
def test_nan_within_a_recording_is_refused(place, message):
    X = join_rows(CLIPS)
    X[place] = np.nan
    with pytest.raises(ValueError, match=message):
        count_frames(X)
