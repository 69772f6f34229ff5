"""Options that were measured and are not in the package.

`target_structure.py` takes them as methods. docs/research/papers.rst has the numbers of those of
the connected papers, docs/research/ida.rst those of the others.
"""

import numpy as np
import torch
from torch import nn

from skdidan import EMOTION_GROUPS, IDA, JDAR, DIDANClassifier, SourceOnlyClassifier
from skdidan.neural.losses import SquaredError
from skdidan.penalties.base import normalise_rows
from skdidan.penalties.reconstruction import _sharpened_error
from skdidan.shallow.jda import conditional_contrasts
from skdidan.shallow.subspaces import marginal_contrast


class MDAR(JDAR):
    """JDAR that also aligns the means of rough groups of emotions."""

    def __init__(self, groups="arousal"):
        super().__init__()
        self.groups = groups

    def _labels(self, source, y_idx, P, prior, labels):
        """Return the labels that the next regression has to meet."""
        return labels

    def _contrasts(self, y_src, y_tgt):
        """Return the columns whose products with the rows are differences of means."""
        groups = [EMOTION_GROUPS[self.groups][label] for label in self.classes_.tolist()]
        rough = np.unique(groups, return_inverse=True)[1]
        levels = (y_src, y_tgt), (rough[y_src], rough[y_tgt])
        return np.hstack([conditional_contrasts(*level) for level in levels])

    def _map(self, source, y_idx, target, prior, regression, sparsity):
        rows, root = np.concatenate([source, target]), len(source) ** 0.5
        marginal = contrasts = marginal_contrast(len(source), len(target))
        P, y_idx_tgt = np.zeros((source.shape[1], len(prior))), None
        labels = one_hot = np.eye(len(prior))[y_idx]
        for iteration in range(1, self.max_iter + 1):
            self.n_iter_ = iteration
            differences = self.trade_off**0.5 * contrasts.T @ rows
            A = np.concatenate([regression[0], differences])
            B = np.concatenate([(labels - prior) / root, np.zeros((len(differences), len(prior)))])
            P = sparsity.regress(A, B, P, self.tol)
            previous, y_idx_tgt = y_idx_tgt, (target @ P + prior).argmax(axis=1)
            if previous is not None and np.array_equal(previous, y_idx_tgt):
                break
            contrasts = np.hstack([marginal, self._contrasts(y_idx, y_idx_tgt)])
            labels = self._labels(source, y_idx, P, prior, one_hot)
        return P


class RelaxedJDAR(MDAR):
    """JDAR whose right scores above 1, and wrong ones below 0, cost nothing."""

    def _labels(self, source, y_idx, P, prior, labels):
        excess = source @ P + prior - labels
        return labels + np.where(labels > 0, np.maximum(excess, 0), np.minimum(excess, 0))

    def _contrasts(self, y_src, y_tgt):
        return conditional_contrasts(y_src, y_tgt)


class RelaxedError(SquaredError):
    """Squared error in which right outputs above 1, and wrong ones below 0, cost nothing."""

    def forward(self, logits, y_idx):
        """Return the loss of outputs (n_samples, n_classes) for class indices (n_samples,)."""
        one_hot = nn.functional.one_hot(y_idx, logits.shape[1]).to(logits.dtype)
        errors = torch.where(one_hot > 0, (1 - logits).clamp_min(0), logits.clamp_min(0))
        weight = self.weight[y_idx]
        return (weight * errors.square().sum(dim=1)).sum() / weight.sum()


class RelaxedSourceOnly(SourceOnlyClassifier):
    """Source only with relaxed labels."""

    def _make_loss(self, weights):
        return RelaxedError(weights)


class RelaxedDIDAN(DIDANClassifier):
    """DIDAN with relaxed labels."""

    def _make_loss(self, weights):
        return RelaxedError(weights)


class FewRowsIDA(IDA):
    r"""IDA whose codes use few source rows for all targets.

    The penalty on the codes is :math:`\tau \sqrt{n_t} \sum_j \|W_{:,j}\|`, solved by ADMM.
    """

    def _solve(self, atoms, rows, n_iter=25, rho=2.0):
        gram, correlation = atoms @ atoms.T, rows @ atoms.T
        matrix = torch.linalg.inv(gram + rho * torch.eye(len(gram)))
        constant, matrix = correlation @ matrix, rho * matrix
        threshold = self.sparsity * len(rows) ** 0.5 / rho

        def dual(state):
            return state * (threshold / state.norm(dim=0).clamp_min(1e-12)).clamp_max(1)

        state = torch.zeros_like(correlation)
        for _ in range(n_iter):
            scaled = dual(state)
            ridge = torch.addmm(constant, state - 2 * scaled, matrix)
            state = torch.lerp(state, ridge + scaled, 1.6)
        return state - dual(state)

    def _size(self, codes):
        return self.sparsity * len(codes) ** 0.5 * codes.norm(dim=0).sum()


class FewRowsDIDAN(DIDANClassifier):
    """DIDAN with few source rows for all targets."""

    def _make_ida(self, label_weight, levels):
        weights = {"feature_weight": self.feature_weight, "label_weight": label_weight}
        return FewRowsIDA(self.sparsity, mean_weight=0, levels=levels, **weights)


def balance(evidence, n_iter=20):
    """Scale evidence (n_rows, n_levels, n_groups) so that the groups of a batch get equal mass."""
    for _ in range(n_iter):
        mass = evidence.sum(dim=0)
        n_groups = (mass > 0).sum(dim=-1, keepdim=True)
        evidence = normalise_rows(evidence * (len(evidence) / n_groups / mass.clamp_min(1e-12)))
    return evidence


class BalancedLabelsIDA(IDA):
    """IDA whose rebuilt labels give each class of a batch equal mass, by Sinkhorn's scaling."""

    def terms(self, source, target, labels=None, predictions=None):
        """Balance the evidence of the codes before it is sharpened."""
        terms = super().terms(source, target, labels, predictions)
        if "labels" in terms:
            merged = self._at_levels(labels)
            shares = merged / merged.sum(dim=0).clamp_min(1)
            evidence = self.codes(source, target) @ shares.flatten(1)
            evidence = balance(evidence.unflatten(1, merged.shape[1:]).clamp_min(0))
            error = _sharpened_error(evidence, self._at_levels(predictions))
            terms["labels"] = self.label_weight * error
        return terms


class BalancedLabelsDIDAN(DIDANClassifier):
    """DIDAN with balanced labels."""

    def _make_ida(self, label_weight, levels):
        weights = {"feature_weight": self.feature_weight, "label_weight": label_weight}
        return BalancedLabelsIDA(self.sparsity, mean_weight=0, levels=levels, **weights)
