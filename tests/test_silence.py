"""SilenceWatch: what is noted, by whom, and under which numbers."""

import numpy as np
import pytest

from skdidan.audio.recordings import AudioWarning, map_waveforms
from skdidan.audio.silence import SilenceWatch

ROWS = [np.eye(5)[0], np.zeros(5), np.eye(5)[0]]


def test_rows_of_a_part_have_the_numbers_of_the_whole():
    with SilenceWatch([4, 7, 9], 12) as watch, pytest.warns(AudioWarning) as warned:
        list(map_waveforms(len, ROWS, sample_rate=8, on_error="warn"))
        list(map_waveforms(len, ROWS[:2], sample_rate=8, on_error="warn"))
    assert str(warned[0].message).startswith("1 of 12 rows cannot be used and stand as silence. ")
    assert "The waveform in row 7 is silent" in str(warned[0].message)
    # Of another number of rows the numbers are not known.
    assert "1 of 2 rows" in str(warned[1].message) and "in row 1" in str(warned[1].message)
    assert watch.silent == [1, 1] and watch.runs == [3, 2]


def test_errors_tell_the_numbers_of_the_whole():
    with SilenceWatch([4, 7, 9], 12), pytest.raises(ValueError, match="in row 7 is silent"):
        list(map_waveforms(len, ROWS, sample_rate=8))


def test_an_outer_watch_sees_what_an_inner_one_saw():
    with SilenceWatch() as outer:
        with SilenceWatch() as inner, pytest.warns(AudioWarning):
            list(map_waveforms(len, ROWS, sample_rate=8, on_error="warn"))
        assert inner.silent == outer.silent == [1] and inner.runs == outer.runs == [3]
    list(map_waveforms(len, ROWS[:1], sample_rate=8))
    assert outer.runs == [3]
