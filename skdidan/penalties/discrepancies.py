"""Maximum mean discrepancies: MMD, its class-wise form LMMD and its joint form JMMD."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from skdidan.parameters import check_positive
from skdidan.penalties.base import Penalty
from skdidan.penalties.thresholds import AdaptiveThreshold

__all__ = ["JMMD", "LMMD", "MMD", "discrepancy", "local_discrepancy"]


class MMD(Penalty):
    r"""Squared maximum mean discrepancy under a sum of Gaussian kernels.

    .. math::
        \mathrm{MMD}^2 = \frac{1}{n_s^2} \sum_{i,j} k(s_i, s_j)
        + \frac{1}{n_t^2} \sum_{i,j} k(t_i, t_j) - \frac{2}{n_s n_t} \sum_{i,j} k(s_i, t_j),
        \qquad k(a, b) = \sum_m e^{-\|a - b\|^2 / (m \beta)}

    :math:`\beta` is the mean squared distance between two different rows of the batch; no gradient
    flows through it. This biased estimate is never negative and is zero for identical samples. It
    is the alignment of deep adaptation networks [1]_, after [2]_.

    Parameters
    ----------
    widths : sequence of float > 0, default=(0.25, 0.5, 1.0, 2.0, 4.0)
        Multiples :math:`m` of the mean squared distance.

    Raises
    ------
    ValueError
        If `widths` is empty or holds a number that is not positive.

    References
    ----------
    .. [1] Long, Cao, Wang, Jordan (2015). Learning transferable features with deep adaptation
       networks. ICML, arXiv:1502.02791.
    .. [2] Gretton, Borgwardt, Rasch, Schölkopf, Smola (2012). A kernel two-sample test. Journal of
       Machine Learning Research 13.

    Examples
    --------
    One row in each domain. The mean squared distance is their own: ``2 - 2 exp(-1)``.

    >>> import torch
    >>> from skdidan import MMD
    >>> round(float(MMD(widths=[1.0])(torch.tensor([[0.0]]), torch.tensor([[3.0]]))), 4)
    1.2642
    """

    def __init__(self, widths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0)) -> None:
        super().__init__()
        if not isinstance(widths, Sequence | np.ndarray) or isinstance(widths, str | bytes):
            raise ValueError(f"widths must be a list or tuple of numbers; got {widths!r}.")
        self.widths = tuple(check_positive("widths", width, single=True) for width in widths)
        if not self.widths:
            raise ValueError("widths must hold at least one number.")

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        return discrepancy(self._kernel(torch.cat([source, target])), len(source))

    def _kernel(self, rows: Tensor) -> Tensor:
        squared = _squared_distances(rows)
        n = len(rows)
        # The mean of identical rows is zero; any positive width then gives kernel values of one.
        tiny = 1e3 * torch.finfo(rows.dtype).tiny
        mean = (squared.detach().sum() / max(n * (n - 1), 1)).clamp_min(tiny)
        return reduce(torch.add, (torch.exp(-squared / (width * mean)) for width in self.widths))


class LMMD(MMD):
    r"""Local maximum mean discrepancy: the average of the `MMD` of each class.

    .. math::
        \mathrm{LMMD} = \frac{1}{|C|} \sum_{c \in C} \Bigl\| \sum_i w^s_{ic} \phi(s_i)
        - \sum_j w^t_{jc} \phi(t_j) \Bigr\|^2, \qquad w_{ic} = y_{ic} / \textstyle\sum_k y_{kc}

    :math:`\phi` maps into the space of the kernels of `MMD`. :math:`y` holds the labels of the
    source rows and the predicted class probabilities of the target rows; no gradient flows through
    them. :math:`C` holds the classes with weight in both domains of the batch. This is the
    alignment of deep subdomain adaptation networks [1]_. Without labels and predictions the penalty
    equals `MMD`.

    With ``threshold="adaptive"``, a predicted probability :math:`y_{jc}` counts only if it is at
    least :math:`\tau_c`. The thresholds follow running means of the predictions, as in FreeMatch
    [2]_:

    .. math:: \tau_c = T \, \tilde p_c / \max_k \tilde p_k

    :math:`T` averages the largest probability of the target rows, and :math:`\tilde p` their mean
    prediction, over batches with a decay of 0.99. Both begin at one over the number of classes. In
    evaluation mode, ``lmmd.eval()``, they stay. Fewer rows count, for which this biased estimate is
    larger: give it a lower weight than without.

    Parameters
    ----------
    widths : sequence of float > 0, default=(0.25, 0.5, 1.0, 2.0, 4.0)
        Multiples :math:`m` of the mean squared distance in the kernels.
    threshold : {"adaptive"} or None, default=None
        Which predictions of the target count: those above a threshold, or all.

    Raises
    ------
    ValueError
        If `widths` is empty or holds a number that is not positive, or `threshold` is neither
        "adaptive" nor None.

    References
    ----------
    .. [1] Zhu, Zhuang, Wang, Ke, Chen, Bian, Xiong, He (2020). Deep subdomain adaptation network
       for image classification. IEEE Transactions on Neural Networks and Learning Systems 32(4),
       arXiv:2106.09388.
    .. [2] Wang, Chen, Heng, Hou, Fan, Wu, Wang, Savvides, Shinozaki, Raj, Schiele, Xie (2023).
       FreeMatch: self-adaptive thresholding for semi-supervised learning. ICLR, arXiv:2205.07246.

    Examples
    --------
    Both domains hold the same rows, but with swapped classes they are far apart.

    >>> import torch
    >>> from skdidan import LMMD
    >>> rows, labels = torch.tensor([[0.0], [3.0]]), torch.eye(2)
    >>> lmmd = LMMD()
    >>> float(lmmd(rows, rows, labels, labels)), float(lmmd(rows, rows, labels, labels.flip(0))) > 1
    (0.0, True)
    """

    uses = ("labels", "predictions")

    def __init__(
        self,
        widths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
        *,
        threshold: str | None = None,
    ) -> None:
        super().__init__(widths)
        if threshold is not None and not (isinstance(threshold, str) and threshold == "adaptive"):
            raise ValueError(f'threshold must be "adaptive" or None; got {threshold!r}.')
        self.threshold = threshold
        if threshold is not None:
            self.adaptive_threshold = AdaptiveThreshold()

    def _penalise(self, source: Tensor, target: Tensor, **memberships: Tensor) -> Tensor:
        if not memberships:
            return super()._penalise(source, target)
        if self.threshold is not None:
            predictions = memberships["predictions"].detach().clamp_min(0)
            counts = predictions >= self.adaptive_threshold(predictions)
            memberships["predictions"] = predictions * counts
        return local_discrepancy(self._kernel(torch.cat([source, target])), **memberships)


class JMMD(MMD):
    r"""Joint maximum mean discrepancy: the `MMD` of features and predictions together.

    The kernel of two rows is that of `MMD` on their features times a Gaussian kernel on their
    predictions:

    .. math:: k(a, b) \, \exp\bigl(-\|g_a - g_b\|^2 / \sigma\bigr)

    It compares the joint distributions of features and predictions, as joint adaptation networks do
    [1]_. They multiply the kernels of several layers and use an estimate in linear time; here one
    layer is aligned, by the biased estimate of `MMD`. The gradient flows through features and
    predictions. Without predictions the penalty equals `MMD`.

    Parameters
    ----------
    widths : sequence of float > 0, default=(0.25, 0.5, 1.0, 2.0, 4.0)
        Multiples :math:`m` of the mean squared distance in the kernels.
    prediction_width : float > 0, default=1.68
        Width :math:`\sigma` of the kernel on the predictions; by default that of the authors' code.

    Raises
    ------
    ValueError
        If `widths` is empty, or if it or `prediction_width` holds a number that is not positive.

    References
    ----------
    .. [1] Long, Zhu, Wang, Jordan (2017). Deep transfer learning with joint adaptation networks.
       ICML, arXiv:1605.06636.

    Examples
    --------
    Equal features with predictions of different classes: ``2 - 2 exp(-2 / 1.68)`` times their
    feature kernel, which is 1.

    >>> import torch
    >>> from skdidan import JMMD
    >>> row, one, other = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> jmmd = JMMD(widths=[1.0])
    >>> round(float(jmmd(row, row, predictions=one, source_predictions=other)), 4)
    1.3918
    """

    uses = ("predictions", "source_predictions")

    def __init__(
        self,
        widths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
        *,
        prediction_width: float = 1.68,
    ) -> None:
        super().__init__(widths)
        self.prediction_width = check_positive("prediction_width", prediction_width, single=True)

    def _penalise(self, source: Tensor, target: Tensor, **memberships: Tensor) -> Tensor:
        kernel = self._kernel(torch.cat([source, target]))
        if memberships:
            both = memberships["source_predictions"], memberships["predictions"]
            squared = _squared_distances(torch.cat(both))
            kernel = kernel * torch.exp(-squared / self.prediction_width)
        return discrepancy(kernel, len(source))


def discrepancy(kernel: Tensor, n_source: int) -> Tensor:
    """Return the squared distance between the domain means in the space of the kernel."""
    within = kernel[:n_source, :n_source].mean() + kernel[n_source:, n_source:].mean()
    # For equal domains rounding may give a negative value.
    return (within - 2 * kernel[:n_source, n_source:].mean()).clamp_min(0)


def local_discrepancy(kernel: Tensor, labels: Tensor, predictions: Tensor) -> Tensor:
    """Return the mean of the squared distances of the classes, by the memberships of the rows."""
    parts = labels, predictions.detach().clamp_min(0)
    totals = [part.sum(dim=0) for part in parts]
    tiny = torch.finfo(kernel.dtype).tiny
    shared = (totals[0] > 0) & (totals[1] > 0)
    of_source, of_target = (
        part / total.clamp_min(tiny) * shared for part, total in zip(parts, totals, strict=True)
    )
    weights = torch.cat([of_source, -of_target])
    squared = (weights * (kernel @ weights)).sum()
    return squared.clamp_min(0) / shared.sum().clamp_min(1)


def _squared_distances(rows: Tensor) -> Tensor:
    """Return the squared distances of all pairs of rows: never negative, zero on the diagonal."""
    centred = rows - rows.detach().mean(dim=0)  # the products lose digits far from the origin
    squared = centred.square().sum(dim=1)
    distances = squared.unsqueeze(1) + squared.unsqueeze(0) - 2 * centred @ centred.T
    return distances.clamp_min(0).fill_diagonal_(0)
