"""HDA: discrepancies on the levels of a nested Transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from numpy.typing import NDArray
from torch import nn

from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.neural.factory import NETWORKS
from skdidan.neural.terms import PenaltyTerm
from skdidan.neural.transformers import NestedTransformer
from skdidan.parameters import check_boolean, check_not_negative
from skdidan.penalties.discrepancies import LMMD, MMD

__all__ = ["HDAClassifier"]

_LEVELS = ["frame", "segment", "utterance"]
_CLASS_WISE_WEIGHT = 0.2  # of LMMD, as in DSANClassifier


class LevelDistances(nn.Module):
    """The distance of one layer, and the weights of all."""

    def __init__(
        self,
        *,
        widths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
        class_wise: bool = False,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.distance = LMMD(widths) if check_boolean("class_wise", class_wise) else MMD(widths)
        self.scale = _CLASS_WISE_WEIGHT if class_wise else 1.0
        if weights is not None and not isinstance(weights, Mapping):
            raise ValueError(f"weights must be a dict of weights by layer; got {weights!r}.")
        self.weights = {
            layer: check_not_negative(f"weights[{layer!r}]", weight, single=True)
            for layer, weight in (weights or {}).items()
        }

    def of_layers(self, layers: list[str]) -> dict[str, float]:
        """Return the weight of each layer in the sum of penalties; their mean is 1 by default."""
        if odd := [layer for layer in self.weights if layer not in layers]:
            raise ValueError(
                f"weights of penalty_params must name layers that are aligned, {layers}; got {odd}."
            )
        return {layer: self.scale * self.weights.get(layer, 1) / len(layers) for layer in layers}


class HDAClassifier(AdaptationClassifier):
    r"""Hierarchical distribution adaptation (HDA): frames, segments and utterances are aligned.

    A `NestedTransformer` maps a spectrogram to features of three levels. The objective is that of
    `DANClassifier` on each of them,

    .. math::
        J(G_s, Y_s) + \lambda(t)\, \tfrac13 \sum_{\ell} w_\ell\,
        \mathrm{MMD}^2(F_{s\ell}, F_{t\ell}), \qquad
        \ell \in \{\text{frame}, \text{segment}, \text{utterance}\}

    with the classification loss :math:`J` and the `MMD` of each batch, or the class-wise `LMMD`. A
    feature of the levels of frames and segments is the mean over a recording.

    The abstract of [1]_ names nested Transformers and an adaptation on each of the three levels;
    the full text was not at hand. The distances, their weights, the means over a recording and the
    sizes of the network are a reading of it, not a reproduction.

    On 2-D features there are no frames: the network is then the `MLP`, and its features alone are
    aligned.

    Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "nested_transformer", "cnn", "vgg11", "mlp"}, Module subclass or factory
        Network to train. "auto", the default, takes the `NestedTransformer` for spectrograms and
        the `MLP` for 2-D features.
    network_params, penalty_params : dict, optional
        Further arguments of the network, and of the distances: ``weights``, a dict of the weights
        :math:`w` by layer, each 1 by default; ``class_wise``, whether 0.2 times the `LMMD` stands
        for the `MMD`; ``widths`` of the kernels as shares of the mean squared distance.
    align_on : str or sequence of str, default="auto"
        Layers whose outputs are aligned; their penalties are averaged with the weights. "auto"
        takes "frame", "segment" and "utterance" of a `NestedTransformer`, and the "features" (the
        inputs of the output layer) of any other network.
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
        For each epoch of `net_`: losses, trade-off and learning rate, and the penalty of each layer
        as ``mmd_frame``, ``mmd_segment`` and ``mmd_utterance``, without its weight; of a single
        layer as ``mmd``. ``lmmd`` stands for ``mmd`` if the distances are class-wise.

    References
    ----------
    .. [1] Lu, Zong, Zhao, Lian, Qi, Schuller, Zheng (2024). Hierarchical distribution adaptation
       for unsupervised cross-corpus speech emotion recognition. Interspeech, 3739-3743.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import HDAClassifier
    >>> X = np.random.default_rng(0).normal(size=(30, 16, 40))  # spectrograms
    >>> y = np.where(X[:, :8].mean(axis=(1, 2)) > 0, "anger", "neutral")
    >>> classifier = HDAClassifier(max_epochs=2, random_state=0).fit(X, y, X + 1)
    >>> [name for name in classifier.history_[0] if name.startswith("mmd")]
    ['mmd_frame', 'mmd_segment', 'mmd_utterance']
    """

    penalty = LevelDistances

    def _make_recipe(
        self, input_shape: tuple[int, ...], n_classes: int, has_lengths: bool
    ) -> dict[str, Any]:
        recipe = super()._make_recipe(input_shape, n_classes, has_lengths)
        is_auto = isinstance(recipe["network"], str) and recipe["network"] == "auto"
        if is_auto and len(input_shape) > 1:
            recipe["network"] = "nested_transformer"
        return recipe

    def _layers(self) -> list[str]:
        network = vars(self).get("_recipe", {}).get("network")
        made = NETWORKS.get(network) if isinstance(network, str) else network
        made = getattr(made, "func", made)  # of functools.partial
        is_nested = isinstance(made, type) and issubclass(made, NestedTransformer)
        return list(_LEVELS) if self.align_on == "auto" and is_nested else super()._layers()

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        distances = LevelDistances(**(self.penalty_params or {}))
        weights = distances.of_layers(self._layers())
        stem = "lmmd" if isinstance(distances.distance, LMMD) else "mmd"
        names = [stem] if len(weights) == 1 else [f"{stem}_{layer}" for layer in weights]
        return {
            name: PenaltyTerm(deepcopy(distances.distance), weight, on=layer)
            for name, (layer, weight) in zip(names, weights.items(), strict=True)
        }
