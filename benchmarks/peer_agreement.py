"""Describe how well the results of two libraries agree, for the tables of `peers.py`.

Each ``compare_*`` takes the results of skdidan and of a peer, one per seed, and the data.
"""

import numpy as np
from scipy.linalg import subspace_angles
from sklearn.metrics.pairwise import rbf_kernel


def relative_difference(A, B):
    """Return the norm of A - B over the norm of B."""
    return np.linalg.norm(A - B) / np.linalg.norm(B)


def tca_objective(K, e, W, mu):
    """Return ``tr(W' K L K W) + mu tr(W' W)``, with W scaled so that ``W' K H K W = n I``."""
    KW, n = K @ W, len(K)
    spread = KW.T @ (KW - KW.mean(axis=0))
    cost = np.outer(e @ KW, e @ KW) + mu * W.T @ W
    return n * np.trace(np.linalg.solve(spread, cost))


def compare_components(ours, theirs, data, mu, gamma):
    """Give the largest angle between the embeddings, and the objective over ours."""
    angle = np.rad2deg(subspace_angles(ours[0]["Z"], theirs[0]["Z"]).max())
    if "W" not in theirs[0]:
        return f"angle {angle:.2g}°"
    sizes = len(data["X_src"]), len(data["X_tgt"])
    e = np.repeat([1 / sizes[0], -1 / sizes[1]], sizes)
    K = rbf_kernel(np.concatenate([data["X_src"], data["X_tgt"]]), gamma=gamma)
    ratio = np.divide(*(tca_objective(K, e, run[0]["W"], mu) for run in (theirs, ours)))
    return f"angle {angle:.2g}°, objective times {ratio:.6f}"


def compare_up_to_sign(ours, theirs, data):
    """Give the relative difference of the rows, after aligning the signs of the columns."""
    Z, reference = theirs[0]["Z"], ours[0]["Z"]
    signs = np.sign(np.sum(Z * reference, axis=0))
    return f"difference {relative_difference(Z * signs, reference):.1g}"


def compare_places(ours, theirs, data):
    """Give the relative difference of the source rows, relative to the mean of the target."""
    n = len(data["X_src"])
    places = (run[0]["Z"][:n] - run[0]["Z"][n:].mean(axis=0) for run in (theirs, ours))
    return f"difference {relative_difference(*places):.1g}"


def kmm_objective(weights, data, gamma):
    """Return ``w' K w / 2 - kappa' w`` over half the squared norm of the target's kernel mean."""
    source, target, n = data["X_src"], data["X_tgt"], len(data["X_src"])
    fit = weights @ rbf_kernel(source, gamma=gamma) @ weights / 2
    match = n * weights @ rbf_kernel(source, target, gamma=gamma).mean(axis=1)
    return (fit - match) / (n**2 / 2 * rbf_kernel(target, gamma=gamma).mean())


def compare_weights(ours, theirs, data, gamma):
    """Give the objective minus ours, the correlation with ours, and the largest weight."""
    weights, reference = theirs[0]["weights"], ours[0]["weights"]
    excess = np.subtract(*(kmm_objective(w, data, gamma) for w in (weights, reference)))
    correlation = np.corrcoef(weights, reference)[0, 1]
    return f"objective {excess:+.1e}, correlation {correlation:.4f}, largest {weights.max():.4g}"


def compare_values(ours, theirs, data):
    """Give the value and its relative difference to ours."""
    value, reference = float(theirs[0]["value"]), float(ours[0]["value"])
    return f"value {value:.6f}, difference {abs(value / reference - 1):.1g}"


def compare_accuracies(ours, theirs, data):
    """Give mean ± deviation of the target accuracy over seeds, and the encoder's change."""
    scores = [100 * np.mean(run["predicted"] == data["y_tgt"]) for run in theirs]
    moved = [float(run["moved"]) for run in theirs if "moved" in run]
    text = f"accuracy {np.mean(scores):.1f} ± {np.std(scores, ddof=len(scores) > 1):.1f} %"
    return text + (f", encoder moved by {max(moved):.2g}" if moved else "")
