"""Deep baselines of DIDAN under maximum mean discrepancies (DAN, DSAN, JAN)."""

from __future__ import annotations

from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.penalties.discrepancies import JMMD, LMMD, MMD

__all__ = ["DANClassifier", "DSANClassifier", "JANClassifier"]


class DANClassifier(AdaptationClassifier):
    """Deep adaptation network: multi-kernel MMD on the features (Long et al., 2015).

    The objective is ``loss + trade_off * MMD(features_src, features_tgt)``, see `skdidan.MMD`.

    Parameters
    ----------
    network : {"auto", "cnn", "vgg11", "mlp"}, Module subclass or factory, default="auto"
        Network to train. "auto" takes the `CNN` for spectrograms and the `MLP` for 2-D features.
    network_params : dict, optional
        Further arguments of the network.
    penalty_params : dict, optional
        Arguments of `MMD`: ``widths``, those of the Gaussian kernels as shares of the mean squared
        distance.
    align_on : str or sequence of str, default="auto"
        Layers whose outputs are aligned: "features" (the inputs of the output layer), which "auto"
        stands for, "fc1", "fc2", ..., or "pooled". The penalties of several layers are averaged.
    trade_off : float >= 0, default=1.0
        Weight of the penalty at the end of training; 0 switches it off.
    loss : {"auto", "squared_error", "log_loss"}, default="auto"
        Classification loss: squared error to the one-hot labels, which "auto" stands for, or
        cross-entropy.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the source classes in the loss, as in scikit-learn.
    lr : float > 0, default=1e-3
        Learning rate of AdamW; it falls linearly over the last 30 % of the epochs.
    weight_decay : float >= 0, default=1e-4
        Weight decay of AdamW.
    max_epochs : int > 0, default=60
        Number of passes over the larger domain.
    validation_fraction : float between 0 and 1, optional
        Share of the source that is held out for ``monitor="source"``.
    monitor : str, optional
        Score that selects the best epoch: "source", a key of
        ``skdidan.criteria.TARGET_CRITERIA``, or a product of these, such as "source*information".
    patience : int > 0, optional
        Number of epochs without a better score after which training stops.
    batch_size : int > 0, default=64
        Largest number of rows of each domain in a batch.
    device : str, default="auto"
        Device to train on; "auto" takes a GPU if there is one.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batches and dropout.
    callbacks : list of skorch callbacks, optional
        Further callbacks of the training.
    verbose : int, default=0
        1 prints a line per epoch.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Classes of the source.
    net_ : AdaptationNet
        Trained skorch net; ``net_.module_`` is the network.
    history_ : list of dict
        For each epoch: losses, trade-off and learning rate, and the penalty as ``mmd``.
    best_epoch_ : int
        Epoch whose weights were kept, counted from 1; only with `monitor`.
    n_features_in_ : int
        Number of features, or of frequency bins of spectrograms.

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

    Parameters
    ----------
    network : {"auto", "cnn", "vgg11", "mlp"}, Module subclass or factory, default="auto"
        Network to train. "auto" takes the `CNN` for spectrograms and the `MLP` for 2-D features.
    network_params : dict, optional
        Further arguments of the network.
    penalty_params : dict, optional
        Arguments of `LMMD`: ``widths``, those of the Gaussian kernels as shares of the mean squared
        distance.
    align_on : str or sequence of str, default="auto"
        Layers whose outputs are aligned: "features" (the inputs of the output layer), which "auto"
        stands for, "fc1", "fc2", ..., or "pooled". The penalties of several layers are averaged.
    trade_off : float >= 0, default=1.0
        Weight of the penalty at the end of training; 0 switches it off.
    loss : {"auto", "squared_error", "log_loss"}, default="auto"
        Classification loss: squared error to the one-hot labels, which "auto" stands for, or
        cross-entropy.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the source classes in the loss, as in scikit-learn.
    lr : float > 0, default=1e-3
        Learning rate of AdamW; it falls linearly over the last 30 % of the epochs.
    weight_decay : float >= 0, default=1e-4
        Weight decay of AdamW.
    max_epochs : int > 0, default=60
        Number of passes over the larger domain.
    validation_fraction : float between 0 and 1, optional
        Share of the source that is held out for ``monitor="source"``.
    monitor : str, optional
        Score that selects the best epoch: "source", a key of
        ``skdidan.criteria.TARGET_CRITERIA``, or a product of these, such as "source*information".
    patience : int > 0, optional
        Number of epochs without a better score after which training stops.
    batch_size : int > 0, default=64
        Largest number of rows of each domain in a batch.
    device : str, default="auto"
        Device to train on; "auto" takes a GPU if there is one.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batches and dropout.
    callbacks : list of skorch callbacks, optional
        Further callbacks of the training.
    verbose : int, default=0
        1 prints a line per epoch.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Classes of the source.
    net_ : AdaptationNet
        Trained skorch net; ``net_.module_`` is the network.
    history_ : list of dict
        For each epoch: losses, trade-off and learning rate, and the penalty as ``lmmd``.
    best_epoch_ : int
        Epoch whose weights were kept, counted from 1; only with `monitor`.
    n_features_in_ : int
        Number of features, or of frequency bins of spectrograms.

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

    Parameters
    ----------
    network : {"auto", "cnn", "vgg11", "mlp"}, Module subclass or factory, default="auto"
        Network to train. "auto" takes the `CNN` for spectrograms and the `MLP` for 2-D features.
    network_params : dict, optional
        Further arguments of the network.
    penalty_params : dict, optional
        Arguments of `JMMD`: ``widths`` of the kernels of the features, and
        ``prediction_width``.
    align_on : str or sequence of str, default="auto"
        Layers whose outputs are aligned: "features" (the inputs of the output layer), which "auto"
        stands for, "fc1", "fc2", ..., or "pooled". The penalties of several layers are averaged.
    trade_off : float >= 0, default=1.0
        Weight of the penalty at the end of training; 0 switches it off.
    loss : {"auto", "squared_error", "log_loss"}, default="auto"
        Classification loss: squared error to the one-hot labels, which "auto" stands for, or
        cross-entropy.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the source classes in the loss, as in scikit-learn.
    lr : float > 0, default=1e-3
        Learning rate of AdamW; it falls linearly over the last 30 % of the epochs.
    weight_decay : float >= 0, default=1e-4
        Weight decay of AdamW.
    max_epochs : int > 0, default=60
        Number of passes over the larger domain.
    validation_fraction : float between 0 and 1, optional
        Share of the source that is held out for ``monitor="source"``.
    monitor : str, optional
        Score that selects the best epoch: "source", a key of
        ``skdidan.criteria.TARGET_CRITERIA``, or a product of these, such as "source*information".
    patience : int > 0, optional
        Number of epochs without a better score after which training stops.
    batch_size : int > 0, default=64
        Largest number of rows of each domain in a batch.
    device : str, default="auto"
        Device to train on; "auto" takes a GPU if there is one.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batches and dropout.
    callbacks : list of skorch callbacks, optional
        Further callbacks of the training.
    verbose : int, default=0
        1 prints a line per epoch.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Classes of the source.
    net_ : AdaptationNet
        Trained skorch net; ``net_.module_`` is the network.
    history_ : list of dict
        For each epoch: losses, trade-off and learning rate, and the penalty as ``jmmd``.
    best_epoch_ : int
        Epoch whose weights were kept, counted from 1; only with `monitor`.
    n_features_in_ : int
        Number of features, or of frequency bins of spectrograms.

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
