"""Measure the length and the level of a recording while it is read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skdidan.audio.cropping import Blocks

__all__ = ["Gauge"]

_SHORTEST = 0.1  # seconds, less than most syllables
_FAINTEST = -80.0  # dB; rounding to 16 bits alone makes noise of about -100 dB


@dataclass
class Gauge:
    """Number, energy and largest value of the samples of one recording, whose full scale is 1."""

    rate: int = 0
    n_samples: int = 0
    energy: float = 0.0
    peak: float = 0.0

    def measure(self, blocks: Blocks) -> Blocks:
        """Pass on all blocks."""
        for block in blocks:
            if block.size:
                self.n_samples += block.size
                self.energy += float(np.vdot(block, block))
                self.peak = max(self.peak, -float(block.min()), float(block.max()))
            yield block

    @property
    def duration(self) -> float:
        """Duration [s]; NaN if the rate is unknown."""
        return self.n_samples / self.rate if self.rate else math.nan

    @property
    def level(self) -> float:
        """Root mean square of the samples [dB], that of a full-scale square wave being 0."""
        power = self.energy / self.n_samples if self.n_samples else 0.0
        return 10 * math.log10(power) if power > 0 else -math.inf

    def doubt(self) -> str | None:
        """Say why a recording that can be read is hardly one of speech, or return None."""
        if self.duration < _SHORTEST:
            return f"lasts {self.duration:.2g} s, less than {_SHORTEST:g} s"
        if self.level < _FAINTEST:
            return f"has a level of {self.level:.0f} dB, below {_FAINTEST:.0f} dB"
        return None
