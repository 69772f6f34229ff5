"""Contrastive decoupling of emotion features from corpus features, and their alignment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.nn.parameter import is_lazy

from skdidan.parameters import check_not_negative, check_positive
from skdidan.penalties.base import at_least_single, draw_weights, unit_rows
from skdidan.penalties.contrast import supervised_contrast
from skdidan.penalties.discrepancies import MMD
from skdidan.penalties.thresholds import AdaptiveThreshold
from skdidan.torch_state import Generators, plain_mode

__all__ = ["ContrastiveDecoupling"]


class ContrastiveDecoupling(MMD):
    r"""Decouple emotion features from corpus features, and align them at two levels.

    A network returns two feature vectors of each row: :math:`e_i`, from which it predicts emotions,
    and :math:`c_i`, its ``corpus_features``. With the rows scaled to length one, :math:`\hat e_i`
    and :math:`\hat c_i`, the penalty is a weighted sum of four terms.

    **Corpora.** A linear classifier, trained with the network, tells the source corpora and the
    target apart from :math:`c`. The term is its cross-entropy, in which each corpus has the same
    weight.

    **Contrast.** Labelled rows :math:`I` are those of the source, and the target rows that are
    predicted with confidence. Rows :math:`A_i` of the same label attract each other; other labelled
    rows and all corpus features are negatives. It is the supervised contrastive loss [2]_ at the
    temperature :math:`\theta`, averaged over the rows with a partner:

    .. math::
        -\frac{1}{|A_i|} \sum_{a \in A_i} \log \frac{e^{\hat e_i \cdot \hat e_a / \theta}}
        {\sum_{m \in I, m \ne i} e^{\hat e_i \cdot \hat e_m / \theta}
        + \sum_j e^{\hat e_i \cdot \hat c_j / \theta}}

    **Classes.** :math:`\sum_k \|\bar e_s^k - \bar e_t^k\|^2`, with the means of :math:`\hat e` over
    the source rows and the confident target rows of a class, over the classes with both.

    **Marginal.** The `MMD` of :math:`e`.

    A target row is confident if its largest probability is at least the threshold of that class,

    .. math:: \tau_k = T \, \tilde p_k / \max_l \tilde p_l

    in which :math:`T` averages the largest probabilities over batches, and :math:`\tilde p` the
    mean predictions, with a decay of 0.99 [3]_. In evaluation mode thresholds stay as they are.

    The full text of [1]_ was not at hand. Its abstract names contrastive decoupling of emotion from
    corpus features, adaptive thresholds of pseudo-labels for the alignment of classes, and the
    alignment of corpora. The formulas are this package's reading.

    Without labels and predictions there are no contrast and no classes, and without
    `corpus_features` no corpora. The corpus classifier draws its weights in the first call, which
    must hold rows of every source corpus.

    Parameters
    ----------
    corpus_weight : float >= 0, default=1.0
        Weight of the cross-entropy of the corpora.
    contrast_weight : float >= 0, default=0.1
        Weight of the contrast.
    class_weight : float >= 0, default=0.1
        Weight of the distances of the class means.
    marginal_weight : float >= 0, default=1.0
        Weight of the MMD.
    temperature : float > 0, default=0.1
        Temperature :math:`\theta` of the contrast.
    widths : sequence of float > 0, default=(0.25, 0.5, 1.0, 2.0, 4.0)
        Multiples of the mean squared distance in the kernels of the MMD.

    Raises
    ------
    ValueError
        If a weight is negative or all are 0, `temperature` or `widths` is not positive, or a later
        call holds a source corpus with a higher number than the first.

    References
    ----------
    .. [1] Ye, Wei, Wen, Ma, Huang, Liu, Shan (2023). Emo-DNA: emotion decoupling and alignment
       learning for cross-corpus speech emotion recognition. ACM Multimedia, arXiv:2308.02190.
    .. [2] Khosla, Teterwak, Wang, Sarna, Tian, Isola, Maschinot, Liu, Krishnan (2020). Supervised
       contrastive learning. NeurIPS, arXiv:2004.11362.
    .. [3] Wang, Chen, Heng, Hou, Fan, Wu, Wang, Savvides, Shinozaki, Raj, Schiele, Xie (2023).
       FreeMatch: self-adaptive thresholding for semi-supervised learning. ICLR, arXiv:2205.07246.

    Examples
    --------
    Two rows of one class in the source, and one in the target, which all point the same way. Each
    is as near to its two partners as to the corpus features of the three rows.

    >>> import torch
    >>> from skdidan import ContrastiveDecoupling
    >>> rows, one = torch.ones(3, 2), torch.ones(3, 1)
    >>> penalty = ContrastiveDecoupling(contrast_weight=1)
    >>> terms = penalty.terms(rows[:2], rows[:1], one[:2], one[:1], corpus_features=rows)
    >>> bool(torch.isclose(terms["contrast"], torch.tensor(5.0).log()))
    True
    """

    uses = ("labels", "predictions", "source_domains", "corpus_features")
    generators: Generators | None = None  # of a fit

    def __init__(
        self,
        *,
        corpus_weight: float = 1.0,
        contrast_weight: float = 0.1,
        class_weight: float = 0.1,
        marginal_weight: float = 1.0,
        temperature: float = 0.1,
        widths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
    ) -> None:
        super().__init__(widths)
        self.corpus_weight = check_not_negative("corpus_weight", corpus_weight, single=True)
        self.contrast_weight = check_not_negative("contrast_weight", contrast_weight, single=True)
        self.class_weight = check_not_negative("class_weight", class_weight, single=True)
        self.marginal_weight = check_not_negative("marginal_weight", marginal_weight, single=True)
        self.temperature = check_positive("temperature", temperature, single=True)
        if not self.parts:
            raise ValueError(
                "corpus_weight, contrast_weight, class_weight and marginal_weight must not all "
                "be 0."
            )
        self.threshold = AdaptiveThreshold()
        with plain_mode():
            self.corpus_output = nn.LazyLinear(1)  # of as many outputs as there are corpora

    @property
    def parts(self) -> list[str]:
        """Names of the terms with a positive weight."""
        return [name for name, weight in self._weights().items() if weight]

    def _weights(self) -> dict[str, float]:
        return {
            "corpora": self.corpus_weight,
            "contrast": self.contrast_weight,
            "classes": self.class_weight,
            "marginal": self.marginal_weight,
        }

    def terms(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor | None = None,
        predictions: Tensor | None = None,
        source_domains: Tensor | None = None,
        corpus_features: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the weighted terms of the penalty.

        Parameters
        ----------
        source, target, labels, predictions, source_domains, corpus_features : Tensor
            As in ``forward``.

        Returns
        -------
        terms : dict of str to Tensor
            "corpora", "contrast", "classes" and "marginal", scalars of at least 0. Terms of weight
            0, and those whose inputs are not given, are left out.
        """
        known = self._check(
            source,
            target,
            labels=labels,
            predictions=predictions,
            source_domains=source_domains,
            corpus_features=corpus_features,
        )
        with torch.autocast(source.device.type, enabled=False):
            source, target = at_least_single(source), at_least_single(target)
            terms = self._unweighted(source, target, **known)
        return {
            name: weight * terms[name] for name, weight in self._weights().items() if name in terms
        }

    def _unweighted(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor | None = None,
        predictions: Tensor | None = None,
        source_domains: Tensor | None = None,
        corpus_features: Tensor | None = None,
    ) -> dict[str, Tensor]:
        terms = {}
        if self.corpus_weight and corpus_features is not None:
            terms["corpora"] = self._tell_corpora(corpus_features, len(source), source_domains)
        if labels is not None and predictions is not None:
            members = torch.cat([labels, self._confident(predictions)])
            units = unit_rows(torch.cat([source, target]))
            if self.contrast_weight:
                aside = units[:0] if corpus_features is None else unit_rows(corpus_features)
                terms["contrast"] = supervised_contrast(units, aside, members, self.temperature)
            if self.class_weight:
                terms["classes"] = _class_distances(units, members, len(source))
        if self.marginal_weight:
            terms["marginal"] = super()._penalise(source, target)
        return terms

    def _penalise(self, source: Tensor, target: Tensor, **known: Tensor) -> Tensor:
        terms = self.terms(source, target, **known)
        return torch.stack(list(terms.values())).sum() if terms else source.new_zeros(())

    def _confident(self, predictions: Tensor) -> Tensor:
        """Return one-hot predictions of the confident rows, and zeros for the others."""
        probable = predictions.detach().clamp_min(0)
        largest, predicted = probable.max(dim=1)
        is_confident = largest >= self.threshold(probable)[predicted]
        return one_hot(predicted, probable.shape[1]) * is_confident.unsqueeze(1).to(probable)

    def _tell_corpora(self, rows: Tensor, n_source: int, domains: Tensor | None) -> Tensor:
        """Return the cross-entropy of the corpora, of which the target has the number 0."""
        numbers = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
        numbers[:n_source] = 1 if domains is None else 1 + domains
        n_corpora = int(numbers.max()) + 1
        if is_lazy(self.corpus_output.weight):
            self.corpus_output.out_features = n_corpora
            draw_weights(self.corpus_output, rows, self.generators)
        weight = cast(Tensor, self.corpus_output.weight)
        if n_corpora > len(weight):
            raise ValueError(
                f"The first call had source corpora 0 to {len(weight) - 2}; got the number "
                f"{n_corpora - 2}. Let it hold rows of each, as PairedBatches with is_even=True."
            )
        losses = cross_entropy(self.corpus_output(rows.to(weight.dtype)), numbers, reduction="none")
        weights = 1 / numbers.bincount()[numbers]
        return (weights * losses).sum() / weights.sum()


def _class_distances(rows: Tensor, members: Tensor, n_source: int) -> Tensor:
    """Return the sum over classes of the squared distances between the means of the domains."""
    means, totals = [], []
    for part, its in zip(
        rows.tensor_split([n_source]), members.tensor_split([n_source]), strict=True
    ):
        totals.append(its.sum(dim=0))
        means.append(its.T @ part / totals[-1].clamp_min(1).unsqueeze(1))
    shared = (totals[0] > 0) & (totals[1] > 0)
    return (shared * (means[0] - means[1]).square().sum(dim=1)).sum()
