"""The page that follows a recording names functions that exist, in the order of their calls."""

import inspect
import re
import sys
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import numpy as np
import soundfile

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    LogMelSpectrogram,
    find_audio,
    make_adaptation_pipeline,
)

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "follow_a_recording.rst"


def named():
    """Map the names of the page, in its order, to what they name."""
    names = dict.fromkeys(re.findall(r"``([a-z_.]+):([A-Za-z_.]+)``", PAGE.read_text()))
    return {
        f"{module}:{name}": attrgetter(name)(import_module(f"skdidan.{module}"))
        for module, name in names
    }


def test_all_names_exist_and_no_page_is_left_out():
    assert len(named()) > 20
    assert "follow_a_recording" in (PAGE.parent / "architecture.rst").read_text()
    assert "follow_a_recording" in (PAGE.parent / "index.rst").read_text()


def test_functions_are_called_in_the_order_of_the_page(tmp_path):
    """Those of the page that a run calls are first called in that order."""
    codes = {
        inspect.unwrap(function).__code__: name
        for name, function in named().items()
        if inspect.isroutine(function)
    }
    called = {}

    def note(frame, event, argument):
        if event == "call" and frame.f_code in codes:
            called.setdefault(codes[frame.f_code])

    (tmp_path / "audio").mkdir()
    rng = np.random.default_rng(0)
    for n in range(8):
        soundfile.write(tmp_path / f"audio/{n}.wav", rng.normal(scale=0.1, size=800), 8000)
    pipeline = make_adaptation_pipeline(
        LogMelSpectrogram(duration=0.1, n_mels=8),
        CorpusScaler(),
        DIDANClassifier("mlp", max_epochs=1, random_state=0),
        memory=tmp_path / "kept",
    )
    sys.setprofile(note)
    try:
        files = find_audio(tmp_path / "audio")
        pipeline.fit(files[:4], ["anger", "fear"] * 2, files[4:]).predict(files[4:])
    finally:
        sys.setprofile(None)
    in_order = [name for name in codes.values() if name in called]
    assert list(called) == in_order
    left_out = set(codes.values()) - set(called)
    assert left_out == {
        "audio.files:find_sound",
        "corpora.known:load_corpus",
        "pipeline.windows:WindowedClassifier._fit",
    }
