"""How well the answers of two libraries agree, in the words of `peers.py`.

Each ``compare_*`` takes the answers of all runs of skdidan and of a peer, one for each seed, and
the data.
"""

import numpy as np
from scipy.linalg import subspace_angles
from sklearn.metrics.pairwise import rbf_kernel


def relative_difference(A, B):
    """Length of A - B over that of B."""
    return np.linalg.norm(A - B) / np.linalg.norm(B)


def tca_objective(K, e, W, mu):
    """``tr(W' K L K W) + mu tr(W' W)`` of these directions, scaled so that ``W' K H K W = n I``."""
    KW, n = K @ W, len(K)
    spread = KW.T @ (KW - KW.mean(axis=0))
    cost = np.outer(e @ KW, e @ KW) + mu * W.T @ W
    return n * np.trace(np.linalg.solve(spread, cost))


def compare_components(ours, theirs, data, mu, gamma):
    """Largest angle between the embeddings, and the objective over ours."""
    angle = np.rad2deg(subspace_angles(ours[0]["Z"], theirs[0]["Z"]).max())
    if "W" not in theirs[0]:
        return f"angle {angle:.2g}°"
    sizes = len(data["X_src"]), len(data["X_tgt"])
    e = np.repeat([1 / sizes[0], -1 / sizes[1]], sizes)
    K = rbf_kernel(np.concatenate([data["X_src"], data["X_tgt"]]), gamma=gamma)
    ratio = np.divide(*(tca_objective(K, e, run[0]["W"], mu) for run in (theirs, ours)))
    return f"angle {angle:.2g}°, objective times {ratio:.6f}"


def compare_up_to_sign(ours, theirs, data):
    """Relative difference of the rows, after the columns are turned the same way round."""
    Z, reference = theirs[0]["Z"], ours[0]["Z"]
    signs = np.sign(np.sum(Z * reference, axis=0))
    return f"difference {relative_difference(Z * signs, reference):.1g}"


def compare_places(ours, theirs, data):
    """Relative difference of the source rows, seen from the mean of the target."""
    n = len(data["X_src"])
    places = (run[0]["Z"][:n] - run[0]["Z"][n:].mean(axis=0) for run in (theirs, ours))
    return f"difference {relative_difference(*places):.1g}"


def kmm_objective(weights, data, gamma):
    """``w' K w / 2 - kappa' w`` as a share of half the squared length of what is matched."""
    source, target, n = data["X_src"], data["X_tgt"], len(data["X_src"])
    fit = weights @ rbf_kernel(source, gamma=gamma) @ weights / 2
    match = n * weights @ rbf_kernel(source, target, gamma=gamma).mean(axis=1)
    return (fit - match) / (n**2 / 2 * rbf_kernel(target, gamma=gamma).mean())


def compare_weights(ours, theirs, data, gamma):
    """Objective less ours, correlation with ours, and the largest weight."""
    weights, reference = theirs[0]["weights"], ours[0]["weights"]
    excess = np.subtract(*(kmm_objective(w, data, gamma) for w in (weights, reference)))
    correlation = np.corrcoef(weights, reference)[0, 1]
    return f"objective {excess:+.1e}, correlation {correlation:.4f}, largest {weights.max():.4g}"


def compare_values(ours, theirs, data):
    """Give the value, and its relative difference from ours."""
    value, reference = float(theirs[0]["value"]), float(ours[0]["value"])
    return f"value {value:.6f}, difference {abs(value / reference - 1):.1g}"


def compare_accuracies(ours, theirs, data):
    """Mean and standard deviation of the target accuracy over the seeds, and the encoder's way."""
    scores = [100 * np.mean(run["predicted"] == data["y_tgt"]) for run in theirs]
    moved = [float(run["moved"]) for run in theirs if "moved" in run]
    text = f"accuracy {np.mean(scores):.1f} ± {np.std(scores, ddof=len(scores) > 1):.1f} %"
    return text + (f", encoder moved by {max(moved):.2g}" if moved else "")
