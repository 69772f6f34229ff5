"""SHOT: source hypothesis transfer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skdidan.neural.outputs import Outputs
from skdidan.neural.source_free import SourceFreeClassifier
from skdidan.neural.target_losses import TargetBank, diversity, mean_entropy
from skdidan.neural.target_training import TargetObjective
from skdidan.parameters import check_not_negative

__all__ = ["SHOTClassifier", "SHOTObjective", "centroid_labels"]


def centroid_labels(features: Tensor, probabilities: Tensor) -> Tensor:
    r"""Return the class of the nearest centroid for each row of the target.

    With :math:`\tilde f_i = [f_i, 1] / \|[f_i, 1]\|`, the centroids are first weighted by the
    probabilities and then, once more, by the labels :math:`\hat y` that these gave:

    .. math:: c_k = \frac{\sum_i p_{ik} \tilde f_i}{\sum_i p_{ik}}, \qquad
              \hat y_i = \arg\max_k \cos(\tilde f_i, c_k)

    A class that was predicted for no row before a round cannot be chosen in it.

    Parameters
    ----------
    features : Tensor, shape (n_target, n_features)
        Features of the whole target.
    probabilities : Tensor, shape (n_target, n_classes)
        Predicted probabilities :math:`p`.

    Returns
    -------
    labels : Tensor of int64, shape (n_target,)
        The pseudo-labels.

    Examples
    --------
    The third row has the features of the first two, and follows them against its prediction.

    >>> features = torch.tensor([[3.0, 0.0], [3.0, 0.0], [2.9, 0.0], [0.0, 3.0], [0.0, 3.0]])
    >>> p = torch.tensor([0.9, 0.9, 0.4, 0.1, 0.1])
    >>> centroid_labels(features, torch.stack([p, 1 - p], dim=1)).tolist()
    [0, 0, 0, 1, 1]
    """
    rows = nn.functional.normalize(nn.functional.pad(features, (0, 1), value=1.0), dim=1)
    n_classes = probabilities.shape[1]
    weights, labels = probabilities, probabilities.argmax(dim=1)
    for _ in range(2):
        is_empty = labels.bincount(minlength=n_classes) == 0
        # Their lengths do not count, so the sums need not be divided.
        centroids = nn.functional.normalize(weights.T @ rows, dim=1)
        similarities = (rows @ centroids.T).masked_fill(is_empty, -torch.inf)
        labels = similarities.argmax(dim=1)
        weights = nn.functional.one_hot(labels, n_classes).to(rows.dtype)
    return labels


class SHOTObjective(TargetObjective):
    """Information maximisation, and cross-entropy to pseudo-labels of centroids.

    Parameters
    ----------
    pseudo_label_weight : float >= 0, default=0.3
        Weight of the cross-entropy.
    """

    def __init__(self, pseudo_label_weight: float = 0.3) -> None:
        check_not_negative("pseudo_label_weight", pseudo_label_weight, single=True)
        self.weights = {"entropy": 1.0, "diversity": 1.0, "pseudo_label": pseudo_label_weight}

    def begin_epoch(self, bank: TargetBank) -> None:
        """Find the pseudo-labels of the epoch."""
        self.labels = centroid_labels(bank.features, bank.probabilities)

    def terms(self, outputs: Outputs, rows: Tensor, bank: TargetBank) -> dict[str, Tensor]:
        """Return the three terms for a batch."""
        logits = outputs.logits.float()
        return {
            "entropy": mean_entropy(logits),
            "diversity": diversity(logits, bank.shares),
            "pseudo_label": nn.functional.cross_entropy(logits, self.labels[rows]),
        }


class SHOTClassifier(SourceFreeClassifier):
    r"""SHOT: adapt a trained network to a target without its source (Liang et al., 2020).

    `fit` trains the network on the source alone, with smoothed labels. `adapt` keeps the output
    layer, bit for bit, and trains the layers below on the target, to minimise

    .. math:: \underbrace{-\frac1n \sum_i \sum_k p_{ik} \log p_{ik}}_{\text{entropy}}
              + \underbrace{\sum_k \bar p_k \log \frac{\bar p_k}{\pi_k}}_{\text{diversity}}
              - \beta\, \underbrace{\frac1n \sum_i \log p_{i \hat y_i}}_{\text{pseudo-labels}}

    over batches of :math:`n` rows with predicted probabilities :math:`p`, their mean
    :math:`\bar p`, and expected shares :math:`\pi`: predictions become certain, and stay spread
    over the classes. With equal shares the second term is the diversity of [1]_ up to a constant.
    The pseudo-label :math:`\hat y_i` is the class of the nearest centroid of the features, by the
    cosine. Once an epoch, centroids of the whole target are weighted by the predictions, and then
    once more by the labels that these gave.

    The terms, the weights 1, 1 and 0.3, 15 epochs and the centroids are those of the public code
    of [1]_. There a pretrained network learns ten times more slowly than the layer above it. Here
    no layer is pretrained, and all learn alike; optimizer, learning rate and ``target_prior`` are
    this package's own. Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params : dict, optional
        Further arguments of the network.
    objective_params : dict, optional
        Arguments of `SHOTObjective`: ``pseudo_label_weight``, the weight :math:`\beta`, 0.3 by
        default.
    label_smoothing : float in [0, 1), default=0.1
        Share of the label of a source row that is spread evenly over all classes.
    adaptation_epochs, adaptation_lr : int, float, default=15, 3e-4
        Passes over the target, and learning rate of the adaptation.
    target_prior : {"uniform", "source"}, dict or array-like, default="uniform"
        Expected shares of the classes in the target.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the source classes in the loss, as in scikit-learn.
    lr, weight_decay : float, default=1e-3, 1e-4
        Learning rate of the training on the source, and weight decay of both trainings.
    optimizer, optimizer_params : str or class, dict, default="AdamW", None
        Optimizer, by its name in ``torch.optim`` or as a class, and its further arguments.
    schedule : "cooldown" or None, default="cooldown"
        The learning rate falls linearly over the last 30 % of the epochs, or stays with None.
    initial_weights : dict, str or path-like, optional
        Pretrained weights of the network by name, as in ``module.state_dict()``, or a file that
        ``torch.save`` has written with them. Weights without an entry are drawn.
    augmentation : callable, optional
        Changes the rows of each training batch, on the source and on the target, for instance by
        noise or masks. It maps a tensor of rows to one of the same shape; spectrograms may be
        padded with NaN.
    precision : {"float32", "bf16"}, default="float32"
        Numbers that the network computes with in training. "bf16" is faster on processors and GPUs
        with units for bfloat16; weights, losses, penalties and predictions stay in float32.
    compile : bool, default=False
        Whether ``torch.compile`` compiles the network for training. See "GPU and half precision" in
        the docs for what it costs.
    max_epochs, batch_size : int, default=60, 64
        Passes over the source, and rows in a batch.
    n_networks : int > 0, default=1
        Number of networks, trained from different initial weights. Their outputs are averaged.
    validation_fraction, monitor, patience : float, {"source"}, int, optional
        Held-out share of the source, score that selects the best epoch of the training on the
        source, and epochs without a better score before a stop.
    device, random_state, verbose : str, int, int, default="auto", None, 0
        Device to train on, seed of weights, batches and dropout, and 1 for a line per epoch.
    checkpoint : str or path-like, optional
        File that keeps the state of the training on the source after each epoch. The same call of
        `fit`, after a kill, goes on from there: see "Long trainings" in the docs.
    warm_start : bool, default=False
        Whether `fit` begins at the weights of the fit before, and `adapt` at those of the
        adaptation before, as for new recordings.
    on_interrupt : {"raise", "keep"}, default="raise"
        What Ctrl-C does: raise ``KeyboardInterrupt``, or end the fit and keep the finished epochs.
    calibration : {"temperature"}, optional
        "temperature" divides the outputs by `temperature_` before the softmax of `predict_proba`.
        It is fitted to held-out rows of the source before the adaptation (Guo et al., 2017): set
        `validation_fraction`.
    callbacks : list of skorch callbacks, optional
        Further callbacks of the training on the source, but none that scores: use `monitor`.

    Attributes
    ----------
    classes_, n_features_in_ : ndarray, int
        Classes of the source, and number of features, or of bins of a spectrogram.
    nets_, net_ : list of AdaptationNet, AdaptationNet
        The skorch nets that predict, and the first of them: adapted to the last target, if there
        was one.
    source_nets_, source_shares_ : list of AdaptationNet, ndarray of float, shape (n_classes,)
        The nets as trained on the source, at which `adapt` starts, and the shares of its classes.
    adapted_ : bool
        Whether `nets_` are adapted to a target.
    best_epoch_, temperature_ : int, float
        With `monitor`, the epoch of the training on the source that `net_` has kept; with
        `calibration`, the temperature of the softmax in `predict_proba`.
    history_, adaptation_history_ : list of dict
        For each epoch of `net_` on the source its loss and learning rate, and for each epoch of its
        last adaptation these and the terms ``entropy``, ``diversity`` and ``pseudo_label``.

    See Also
    --------
    ECANClassifier : The same routine with contrastive losses.

    References
    ----------
    .. [1] Liang, Hu, Feng (2020). Do we really need to access the source data? Source hypothesis
       transfer for unsupervised domain adaptation. ICML, arXiv:2002.08546.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import SHOTClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = SHOTClassifier(random_state=0).fit(X, y)  # may be saved, and loaded elsewhere
    >>> classifier.adapted_, classifier.adapt(X + 1).adapted_
    (False, True)
    >>> sorted(classifier.adaptation_history_[-1])
    ['diversity', 'dur', 'entropy', 'epoch', 'lr', 'pseudo_label', 'train_loss']
    """

    objective = SHOTObjective
