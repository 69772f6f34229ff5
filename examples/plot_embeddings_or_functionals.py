"""
Embeddings or functionals
=========================

All methods of the package on six real tasks, with three kinds of features: which of the two choices
matters more, that of the features or that of the method?
"""

# %%
# Stored scores
# -------------
#
# The audio cannot be part of the package, so the scores are read from a file. They are those of
# ``compare_transfer_baselines.py --tasks all --methods all --seeds 5 --networks 1 --epochs 30``,
# with ``--features`` functionals, egemaps and embeddings (layer 2 of Whisper tiny), between EmoDB,
# CASIA and nEMO.

import matplotlib.pyplot as plt
import pandas as pd

runs = pd.read_csv("scores.csv")
scores = 100 * runs.groupby(["features", "method", "task"])["uar"].mean()
averages = scores.groupby(["features", "method"]).mean().unstack("features")
averages = averages[["functionals", "eGeMAPS", "Whisper tiny"]]
order = averages.mean(axis=1).sort_values().index
print(averages.loc[order[::-1]].round(1).to_string())

# %%
# The share of each choice
# ------------------------
#
# Of the variance of the averages, how much lies between the features, and how much between the
# methods?

variance = averages.stack().var(ddof=0)
print(f"between features: {averages.mean(axis=0).var(ddof=0) / variance:.0%}")
print(f"between methods:  {averages.mean(axis=1).var(ddof=0) / variance:.0%}")

# %%
# The encoder decides first
# -------------------------
#
# Every method gains from the rows of a speech encoder, even of a tiny one that was trained for
# transcription.

figure, ax = plt.subplots(figsize=(7, 8), layout="constrained")
markers = {"functionals": "o", "eGeMAPS": "s", "Whisper tiny": "D"}
colours = {"functionals": "#999999", "eGeMAPS": "#0072b2", "Whisper tiny": "#d55e00"}
ax.hlines(
    order, averages.loc[order].min(axis=1), averages.loc[order].max(axis=1), color="0.8", zorder=0
)
for name, column in averages.loc[order].items():
    ax.plot(column, order, markers[name], color=colours[name], label=name)
ax.set(xlabel="UAR on the target (%), mean of six tasks", title="Features first, then the method")
ax.grid(axis="x", alpha=0.3)
ax.legend(loc="upper left")
plt.show()
