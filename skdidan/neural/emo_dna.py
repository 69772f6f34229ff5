"""Emo-DNA: emotion features are decoupled from corpus features, and aligned."""

from __future__ import annotations

from typing import ClassVar

from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.penalties.decoupling import ContrastiveDecoupling

__all__ = ["EmoDNAClassifier"]


class EmoDNAClassifier(AdaptationClassifier):
    r"""Emotion decoupling and alignment learning (Emo-DNA; Ye et al., 2023).

    The network has two heads on one trunk. The features of one head predict emotions, and are
    aligned. Those of the other tell the corpora apart, and serve the first as negatives of a
    contrast, so that emotion features keep away from corpus features. The objective is

    .. math::
        J + \lambda(t) \bigl( w_1 L_\text{corpora} + w_2 L_\text{contrast} + w_3 L_\text{classes}
        + w_4 \, \mathrm{MMD}^2 \bigr)

    with the classification loss :math:`J`, `trade_off` as :math:`\lambda`, and the terms of
    `skdidan.ContrastiveDecoupling`. Contrast and classes use target rows that are predicted with
    confidence, by thresholds that rise with the confidence of the network. In a built-in network
    the heads are two fully connected layers on the same inputs: the last hidden layer, and the
    `corpus_head` beside it, which no prediction needs. It begins at the weights of the former, with
    its units turned round.

    The full text of [1]_ was not at hand. Its abstract names contrastive decoupling, adaptive
    thresholds of pseudo-labels for class-level alignment, and corpus-level alignment; the formulas
    and the weights are a reading of this package.

    Several sources are told apart: the corpus features tell each of them from the others and from
    the target, and batches hold as many rows of one as of another. The emotion features are aligned
    with those of all sources together.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto" takes the `CNN` for spectrograms and the `MLP` for 2-D features. A
        class or function of your own must make a module that returns `Outputs` with
        ``corpus_features``, of as many columns as the aligned layer.
    network_params, penalty_params : dict, optional
        Further arguments of the network, and arguments of `ContrastiveDecoupling`: the weights
        ``corpus_weight``, ``contrast_weight``, ``class_weight`` and ``marginal_weight``, the
        ``temperature`` of the contrast, and ``widths`` of the kernels.
    align_on : str or sequence of str, default="auto"
        Layers whose outputs are aligned: "features" (the inputs of the output layer), which "auto"
        stands for, "fc1", "fc2", ..., or "pooled". The penalties of several layers are averaged.
        They must have as many units as the corpus head, which has those of the last one.
    trade_off : float >= 0, default=1.0
        Weight of the penalty at the end of training; 0 switches it off.
    target_prior : {"uniform", "source"}, dict, array-like or None, default=None
        Expected shares of the classes in the target. With them, ten times the squared distance
        between the mean prediction for the target and the shares joins the penalties, so that no
        class is given up.
    loss : {"auto", "squared_error", "log_loss"}, default="auto"
        Classification loss: cross-entropy ("auto"), or squared error to the one-hot labels.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the source classes in the loss, as in scikit-learn.
    lr, weight_decay : float, default=1e-3, 1e-4
        Learning rate and weight decay of the optimizer.
    optimizer, optimizer_params : str or class, dict, default="AdamW", None
        Optimizer, by its name in ``torch.optim`` or as a class, and its further arguments.
    schedule : "cooldown" or None, default="cooldown"
        The learning rate falls linearly over the last 30 % of the epochs, or stays with None. An
        ``LRScheduler`` among the callbacks replaces it.
    initial_weights : dict, str or path-like, optional
        Pretrained weights of the network by name, as in ``module.state_dict()``, or a file that
        ``torch.save`` has written with them. Weights without an entry are drawn.
    augmentation : callable, optional
        Changes the rows of both domains in each training batch, for instance by noise or masks. It
        maps a tensor of rows to one of the same shape; spectrograms may be padded with NaN.
    precision : {"float32", "bf16"}, default="float32"
        Numbers that the network computes with in training. "bf16" is faster on processors and GPUs
        with units for bfloat16; weights, losses, penalties and predictions stay in float32.
    compile : bool, default=False
        Whether ``torch.compile`` compiles the network for training. See "GPU and half precision" in
        the docs for what it costs.
    max_epochs, batch_size : int, default=60, 64
        Passes over the larger domain, and rows of each domain in a batch.
    n_networks : int > 0, default=1
        Number of networks, trained from different initial weights. Their outputs are averaged.
    validation_fraction, monitor, patience : float, str, int, optional
        Held-out share of the source, score that selects the best epoch ("source", or a key of
        ``skdidan.criteria.TARGET_CRITERIA``), and epochs without a better score before a stop.
    device, random_state, verbose : str, int, int, default="auto", None, 0
        Device to train on, seed of weights, batches and dropout, and 1 for a line per epoch.
    checkpoint : str or path-like, optional
        File that keeps the state of the training after each epoch. The same call of `fit`, after a
        kill, goes on from there and ends with the same weights: see "Long trainings" in the docs.
    warm_start : bool, default=False
        Whether `fit` begins at the weights of the fit before, as for new recordings.
    on_interrupt : {"raise", "keep"}, default="raise"
        What Ctrl-C does: raise ``KeyboardInterrupt``, or end the fit and keep the finished epochs.
    calibration : {"temperature"}, optional
        "temperature" divides the outputs by `temperature_` before the softmax of `predict_proba`.
        It is fitted to held-out rows of the source (Guo et al., 2017): set `validation_fraction`.
    callbacks : list of skorch callbacks, optional
        Further callbacks of the training, but none that scores: use `monitor`.

    Attributes
    ----------
    classes_, n_features_in_ : ndarray, int
        Classes of the source, and number of features, or of bins of a spectrogram.
    nets_, net_, best_epoch_ : list of AdaptationNet, AdaptationNet, int
        Trained skorch nets, the first of them, and, with `monitor`, the epoch that this one kept.
    temperature_ : float
        Temperature of the softmax in `predict_proba`; set if `calibration` is.
    history_ : list of dict
        For each epoch of `net_`: losses, trade-off and learning rate, and the weighted terms of the
        penalty as ``decoupling_corpora``, ``decoupling_contrast``, ``decoupling_classes`` and
        ``decoupling_marginal``.

    References
    ----------
    .. [1] Ye, Wei, Wen, Ma, Huang, Liu, Shan (2023). Emo-DNA: emotion decoupling and alignment
       learning for cross-corpus speech emotion recognition. ACM Multimedia, arXiv:2308.02190.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import EmoDNAClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = EmoDNAClassifier(max_epochs=10, random_state=0).fit(X, y, X + 1)
    >>> [name.removeprefix("decoupling_") for name in classifier.history_[-1]][-5:]
    ['corpora', 'contrast', 'classes', 'marginal', 'trade_off']
    """

    penalty = ContrastiveDecoupling
    penalty_name = "decoupling"
    default_loss = "log_loss"
    default_network_params: ClassVar = {"corpus_head": True}
    even_sources = True
