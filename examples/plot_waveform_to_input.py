"""
From waveform to spectrogram to input
=====================================

Steps from a recording to what a network gets: the waveform, its log-mel spectrogram, and the same
spectrogram scaled by the statistics of its corpus. The scaling removes the channel and the
loudness, which tell the corpora apart.
"""

# %%
# One sentence in two corpora
# ---------------------------
#
# The corpora are synthetic, and ``shift=2`` puts them far apart.

import matplotlib.pyplot as plt
import numpy as np

from skdidan import CorpusScaler, LogMelSpectrogram, make_speech_corpora

corpora = make_speech_corpora(40, 40, shift=2.0, random_state=0)
spectrogram = LogMelSpectrogram()
S_src = spectrogram.fit_transform(corpora.X_src)
S_tgt = spectrogram.transform(corpora.X_tgt)
print(f"Each recording has {S_src.shape[1]} bands and {S_src.shape[2]} frames.")

# %%
# `CorpusScaler` standardises each band of each corpus.

scaler = CorpusScaler()
Z_src, Z_tgt = scaler.fit_transform(S_src, X_tgt=S_tgt), scaler.transform(S_tgt)

# %%
# The three stages
# ----------------
#
# Each column is an angry recording, of median loudness for its corpus. The colours of a row have
# one scale, so the upper spectrograms differ in loudness and channel, and the lower ones less.


def typical(S, y):
    """Return the angry recording of median loudness."""
    angry = np.flatnonzero(y == "anger")
    loudness = S[angry].mean(axis=(1, 2))
    return angry[np.argsort(loudness)[len(angry) // 2]]


rows = typical(S_src, corpora.y_src), typical(S_tgt, corpora.y_tgt)
figure, axes = plt.subplots(3, 2, figsize=(9, 6.5), sharex=True, sharey="row", layout="constrained")
waveforms = corpora.X_src[rows[0]], corpora.X_tgt[rows[1]]
stages = (S_src[rows[0]], S_tgt[rows[1]]), (Z_src[rows[0]], Z_tgt[rows[1]])
for ax, waveform, name in zip(axes[0], waveforms, ("source", "target"), strict=True):
    ax.plot(np.arange(len(waveform)) / corpora.sample_rate, waveform, color="0.3", linewidth=0.5)
    ax.set_title(f"Anger in the {name}")
axes[0, 0].set_ylabel("amplitude")
units = (-80, 10, "log-mel spectrogram (dB)"), (-2.5, 2.5, "scaled by corpus")
for row, pair, (low, high, label) in zip(axes[1:], stages, units, strict=True):
    for ax, S in zip(row, pair, strict=True):
        extent = (0, 2, 0, len(S))
        image = ax.imshow(
            S, origin="lower", aspect="auto", extent=extent, vmin=low, vmax=high, cmap="viridis"
        )
    row[0].set_ylabel("mel band")
    figure.colorbar(image, ax=row, label=label, shrink=0.9)
for ax in axes[-1]:
    ax.set_xlabel("time (s)")
plt.show()
