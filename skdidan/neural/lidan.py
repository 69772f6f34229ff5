"""LIDAN: reconstruction on three layers, with labels of growing detail."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import NDArray

from skdidan.neural.didan import DIDANClassifier
from skdidan.neural.terms import PenaltyTerm

__all__ = ["LIDANClassifier"]


class LIDANClassifier(DIDANClassifier):
    r"""Layer-adapted implicit distribution alignment network (LIDAN).

    `DIDANClassifier` with three reconstruction terms on three successive fully connected layers, as
    in [1]_. The first layer reconstructs no labels, the second the rough group of emotions of a
    target row, the third its group and its emotion. The objective is

    .. math::
        J(G_s, Y_s) + \lambda(t) \Bigl( \tfrac13 \sum_{\ell=1}^{3} \bigl(
        \phi R_\ell(F'_{s\ell}, F'_{t\ell}) + \gamma D(F_{s\ell}, F_{t\ell}) \bigr)
        + \tfrac{\delta}{2} \bigl( L_2(G_t) + L_3(G_t) \bigr) \Bigr)

    :math:`L_2` is the error of the target outputs, summed within each group, against the groups
    reconstructed by the codes of the second layer. :math:`L_3` is the mean of two errors under the
    codes of the third layer, that of the groups and that of the emotions; see the levels of `IDA`.
    Target labels are never known: labels reconstructed from the source stand for them, weighted by
    how far their evidence agrees. Without groups the second layer reconstructs the emotions, too.

    Only the abstract of the paper was at hand: this is a reading of it, not a reproduction.

    Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params : dict, optional
        Further arguments of the network. One of the package's own gets three fully connected layers
        of 128 units, unless ``hidden`` is given here.
    align_on : sequence of three str, default="auto"
        The layers, from the input to the output; "auto" stands for ("fc1", "fc2", "fc3").
    trade_off : float >= 0, default=0.3
        Weight :math:`\lambda` of the penalties at the end of training; 0 switches them off.
    sparsity : float > 0, default=0.1
        Penalty weight of the codes in `IDA`. Higher values use fewer source rows per target row.
    feature_weight : float >= 0, default=1.0
        Weight :math:`\phi` of the reconstructed features; 0 leaves them out.
    mean_weight : float >= 0, default=3.0
        Weight :math:`\gamma` of the distance of the means; 0 leaves it out.
    label_weight : float >= 0, default=1.0
        Weight :math:`\delta` of the reconstructed labels; 0 leaves them out.
    emotion_groups : {"arousal", "valence"}, dict or None, default="arousal"
        Rough groups of the classes: a table of ``skdidan.EMOTION_GROUPS``, or a dict from
        each class to the name of its group; None for no groups.
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
    n_networks : int > 0, default=None
        Number of networks, trained from different initial weights. Their outputs are averaged. None
        trains three, or one if `callbacks` are given.
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
        For each epoch of `net_`: losses, trade-off and learning rate, and a column for each penalty
        and layer. ``ida_fc2_labels`` and ``ida_fc3_labels`` hold :math:`\tfrac32 \delta L`; a third
        of each column goes into the sum.

    References
    ----------
    .. [1] Zhao, Zong, Wang, Lian, Lu, Zhao, Zheng (2023). Layer-adapted implicit distribution
       alignment networks for cross-corpus speech emotion recognition. arXiv:2310.03992.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import LIDANClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = LIDANClassifier(max_epochs=10, random_state=0).fit(X, y, X + 1)
    >>> [name for name in classifier.history_[0] if name.startswith("ida")]
    ['ida_fc1_features', 'ida_fc2_features', 'ida_fc2_labels', 'ida_fc3_features', 'ida_fc3_labels']
    """

    default_align_on = "fc1", "fc2", "fc3"
    default_network_params: ClassVar = {"hidden": (128, 128, 128)}

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if len(self._layers()) != 3:
            raise ValueError(f"align_on must name three different layers; got {self.align_on!r}.")

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        classes_alone = [list(range(len(classes)))]
        rough = self._rough_levels(classes)
        levels_of_layers = None, rough or classes_alone, rough + classes_alone
        layers = self._layers()
        weight = 1 / len(layers)
        terms = {}
        for layer, levels in zip(layers, levels_of_layers, strict=True):
            label_weight = self.label_weight / 2 / weight if levels else 0
            ida = self._make_ida(label_weight, levels)
            if ida is not None:
                terms[f"ida_{layer}"] = PenaltyTerm(ida, weight, on=layer, local=True)
        return terms | self._mean_terms()
