"""Deep baselines of DIDAN under maximum mean discrepancies (DAN, DSAN, JAN)."""

from __future__ import annotations

from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.penalties.discrepancies import JMMD, LMMD, MMD

__all__ = ["DANClassifier", "DSANClassifier", "JANClassifier"]


class DANClassifier(AdaptationClassifier):
    """Deep adaptation network: multi-kernel MMD on the features (Long et al., 2015).

    The objective is ``loss + trade_off * MMD(features_src, features_tgt)``, see `skdidan.MMD`.

    Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params, penalty_params : dict, optional
        Further arguments of the network, and arguments of `MMD`: ``widths``, those of the Gaussian
        kernels as shares of the mean squared distance.
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
        For each epoch of `net_`: losses, trade-off and learning rate, and the penalty as ``mmd``.

    References
    ----------
    .. [1] Long, Cao, Wang, Jordan (2015). Learning transferable features with deep adaptation
       networks. ICML, arXiv:1502.02791.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import DANClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = DANClassifier(random_state=0).fit(X, y, X + 1)
    >>> sorted(classifier.history_[-1])
    ['classification_loss', 'dur', 'epoch', 'lr', 'mmd', 'trade_off', 'train_loss']
    """

    penalty = MMD
    penalty_name = "mmd"


class DSANClassifier(AdaptationClassifier):
    """Deep subdomain adaptation network: MMD of each class by itself (Zhu et al., 2020).

    The objective is ``loss + trade_off * 0.2 * LMMD(features_src, features_tgt)``, see
    `skdidan.LMMD`; the network's predictions stand for the labels of the target. The factor brings
    the penalty to the scale of the others: with few rows per class the biased estimate is large.

    Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params, penalty_params : dict, optional
        Further arguments of the network, and arguments of `LMMD`: ``widths``, those of the Gaussian
        kernels as shares of the mean squared distance, and ``threshold``, "adaptive" to leave out
        predictions of the target below a threshold that rises with their confidence; lower
        `trade_off` then, to 0.3, say.
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
        For each epoch of `net_`: losses, trade-off and learning rate, and the penalty as ``lmmd``.

    References
    ----------
    .. [1] Zhu, Zhuang, Wang, Ke, Chen, Bian, Xiong, He (2020). Deep subdomain adaptation network
       for image classification. IEEE Transactions on Neural Networks and Learning Systems 32(4),
       arXiv:2106.09388.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import DSANClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = DSANClassifier(random_state=0).fit(X, y, X + 1)
    >>> sorted(classifier.history_[-1])
    ['classification_loss', 'dur', 'epoch', 'lmmd', 'lr', 'trade_off', 'train_loss']
    """

    penalty = LMMD
    penalty_name = "lmmd"
    penalty_weight = 0.2


class JANClassifier(AdaptationClassifier):
    """Joint adaptation network: MMD of features and predictions together (Long et al., 2017).

    The objective is ``loss + trade_off * JMMD``, see `skdidan.JMMD`, on the features and the
    predictions of both domains. With several layers in `align_on` the penalties are averaged; the
    paper multiplies the kernels.

    Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params, penalty_params : dict, optional
        Further arguments of the network, and arguments of `JMMD`: ``widths`` of the kernels of the
        features, and ``prediction_width``.
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
        For each epoch of `net_`: losses, trade-off and learning rate, and the penalty as ``jmmd``.

    References
    ----------
    .. [1] Long, Zhu, Wang, Jordan (2017). Deep transfer learning with joint adaptation networks.
       ICML, arXiv:1605.06636.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import JANClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = JANClassifier(random_state=0).fit(X, y, X + 1)
    >>> sorted(classifier.history_[-1])
    ['classification_loss', 'dur', 'epoch', 'jmmd', 'lr', 'trade_off', 'train_loss']
    """

    penalty = JMMD
    penalty_name = "jmmd"
