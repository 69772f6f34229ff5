"""DJDA: several sources, each aligned with the target under a dynamic balance."""

from __future__ import annotations

from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.penalties.balance import BalancedMMD

__all__ = ["DJDAClassifier"]


class DJDAClassifier(AdaptationClassifier):
    r"""Dynamic joint distribution adaptation (DJDA), for several source corpora (Lu et al., 2024).

    The marginal and the class-conditional distributions of each source are aligned with those of
    the target, under a balance that follows the features. The objective is

    .. math::
        J + 0.2 \, \lambda(t) \frac1V \sum_{v=1}^{V} \bigl( (1 - \mu) \, \mathrm{MMD}^2(F_v, F_t)
        + \mu \, \mathrm{LMMD}(F_v, F_t) \bigr)

    with the classification loss :math:`J`, the features :math:`F_v` of source corpus :math:`v`, and
    `trade_off` as :math:`\lambda`, see `skdidan.BalancedMMD`. The balance :math:`\mu` is set at the
    beginning of each epoch, from how well a linear classifier tells the domains apart
    (`skdidan.a_distance`), as wholes and class by class. This takes one more pass of all rows
    through the network without a gradient, and for each class the solution for as many weights as
    features. The factor 0.2 is that of `DSANClassifier`: the estimates of the terms are large for
    few rows, of one source or one class, and at a much larger weight the features collapse.

    The full text of [1]_ was not at hand. Its abstract says that several source domains, which are
    speakers there, are aligned by their marginal and conditional distributions, under a dynamic
    balance factor based on the A-distance. The balance is that of [2]_; the MMD, the mean over
    sources, the linear classifier and the limits of :math:`\mu` are a reading of this package. To
    align speakers, number them in `sample_domain`.

    Several sources are told apart: each is aligned with the target by itself, and batches hold as
    many rows of one as of another. An epoch has as many batches as with pooled sources, so that it
    leaves out rows of a large corpus and repeats those of a small one.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params, penalty_params : dict, optional
        Further arguments of the network, and arguments of `BalancedMMD`: ``widths``, those of the
        Gaussian kernels as shares of the mean squared distance; ``balance``, a number in [0, 1] for
        one that stays; and ``between_sources``, whether the sources are aligned with each other.
    align_on : str or sequence of str, default="auto"
        Layers whose outputs are aligned: "features" (the inputs of the output layer), which "auto"
        stands for, "fc1", "fc2", ..., or "pooled". The penalties of several layers are averaged.
    trade_off : float >= 0, default=1.0
        Weight of the penalty at the end of training; 0 switches it off.
    target_prior : {"uniform", "source"}, dict, array-like or None, default=None
        Expected shares of the classes in the target. With them, ten times the squared distance
        between the mean prediction for the target and the shares joins the penalties, so that no
        class is given up.
    loss : {"auto", "squared_error", "log_loss"}, default="auto"
        Classification loss: squared error to the one-hot labels ("auto"), or cross-entropy.
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
        For each epoch of `net_`: losses, trade-off and learning rate, the balance :math:`\mu` as
        ``balance``, and the terms of the penalty as ``balanced_mmd_marginal`` and
        ``balanced_mmd_conditional``, each times its share, :math:`1 - \mu` or :math:`\mu`. With
        several layers in `align_on` each has its own balance, such as ``balance_fc1``.

    References
    ----------
    .. [1] Lu, Zong, Lian, Zhao, Schuller, Zheng (2024). Improving speaker-independent speech
       emotion recognition using dynamic joint distribution adaptation. ICASSP, arXiv:2401.09752.
    .. [2] Wang, Chen, Feng, Yu, Huang, Yang (2020). Transfer learning with dynamic distribution
       adaptation. ACM Transactions on Intelligent Systems and Technology 11(1), arXiv:1909.08531.

    Examples
    --------
    Two source corpora, numbered 0 and 1, and a target.

    >>> import numpy as np
    >>> from skdidan import DJDAClassifier
    >>> X = np.random.default_rng(0).normal(size=(90, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> sample_domain = np.repeat([0, 1, -1], 30)
    >>> X += sample_domain[:, np.newaxis]
    >>> classifier = DJDAClassifier(random_state=0).fit(X, y, sample_domain=sample_domain)
    >>> [name for name in classifier.history_[-1] if "balance" in name]
    ['balance', 'balanced_mmd_marginal', 'balanced_mmd_conditional']
    """

    penalty = BalancedMMD
    penalty_name = "balanced_mmd"
    penalty_weight = 0.2
    even_sources = True
