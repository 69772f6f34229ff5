"""DIDAN: a network whose target features are reconstructed from source features."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from torch import nn

from skdidan.emotions import EMOTION_GROUPS, canonical_label
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.neural.terms import PenaltyTerm
from skdidan.parameters import check_not_negative, check_option, check_positive
from skdidan.penalties.distances import MeanDistance
from skdidan.penalties.reconstruction import IDA

__all__ = ["DIDANClassifier"]


class DIDANClassifier(AdaptationClassifier):
    r"""Deep implicit distribution alignment network (DIDAN).

    A network regresses the labels of the source. At the same time the target features are
    reconstructed as sparse combinations of source features, and the target predictions as the same
    combinations of source labels. The objective is

    .. math::
        J(G_s, Y_s) + \lambda(t) \bigl( \phi R(F'_s, F'_t) + \gamma D(F_s, F_t)
        + \delta L(G_t) \bigr)

    with the classification loss :math:`J` of the outputs :math:`G_s`; the reconstruction error
    :math:`R` of the target features of a batch from its source features and the error :math:`L` of
    the target outputs against the reconstructed labels, both defined in `IDA`, where labels are
    reconstructed at two levels, rough groups of emotions and the emotions; and the distance
    :math:`D` of the mean features, `MeanDistance`. :math:`\lambda(t)` is `trade_off` under the
    schedule of `skdidan.ramp`. The prime says that in a convolutional network the gradient
    of the reconstruction moves the fully connected layers only.

    The full text of the paper [1]_ was not at hand. This class is a reading of its abstract (a deep
    regression network on spectrums; a regularisation by sample reconstruction in place of MMD), not
    a reproduction. Centring, scaling, the means, the reconstructed labels and the stopped gradient
    are this package's own, chosen by the experiments in :doc:`/research/ida`.

    Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto" takes the `CNN` for spectrograms and the `MLP` for 2-D features. A
        class or function of your own is called as ``network(input_shape, n_classes,
        **network_params)``; its module maps a batch to `Outputs` or to a tuple (logits, features).
    network_params : dict, optional
        Further arguments of the network.
    align_on : str or sequence of str, default="auto"
        Layers of the network on which the domains are aligned: "features" (the inputs of the output
        layer), which "auto" stands for, "fc1", "fc2", ..., or, in convolutional networks, "pooled",
        which lies below the fully connected layers. The penalties of several layers are averaged.
    trade_off : float >= 0, default=0.3
        Weight :math:`\lambda` of the penalties at the end of training; 0 switches them off.
    sparsity : float > 0, default=0.1
        Penalty weight of the codes in `IDA`: the higher, the fewer source rows reconstruct a target
        row. Rows have length one, so that all codes are zero from 1 on; search 0.03 to 0.3.
    feature_weight : float >= 0, default=1.0
        Weight :math:`\phi` of the reconstructed features; 0 leaves them out, which has lost nothing
        on our corpora, see :doc:`/research/ida`.
    mean_weight : float >= 0, default=3.0
        Weight :math:`\gamma` of the distance of the means; 0 leaves it out.
    label_weight : float >= 0, default=1.0
        Weight :math:`\delta` of the reconstructed labels; 0 leaves them out.
    emotion_groups : {"arousal", "valence"}, dict or None, default="arousal"
        Rough groups of the classes, whose labels are reconstructed beside those of the classes: a
        table of ``skdidan.EMOTION_GROUPS``, whose emotions may go by any spelling in
        ``skdidan.corpora.EMOTIONS``, or a dict from each class to the name of its group. A class
        without a group forms its own. Groups that separate no classes, or all of them, add nothing
        and are left out; None leaves out all.
    target_prior : {"uniform", "source"}, dict, array-like or None, default=None
        Expected shares of the classes in the target. With them, ten times the squared distance
        between the mean prediction for the target and the shares joins the penalties, so that no
        class is given up.
    loss : {"auto", "squared_error", "log_loss"}, default="auto"
        Classification loss :math:`J`: squared error to one-hot labels ("auto"), or cross-entropy.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the source classes in the loss, as in scikit-learn.
    lr : float > 0, default=1e-3
        Learning rate of the optimizer; see `schedule`.
    weight_decay : float >= 0, default=1e-4
        Weight decay of the optimizer.
    optimizer : str or subclass of torch.optim.Optimizer, default="AdamW"
        Optimizer, by its name in ``torch.optim`` or as a class. It must take ``lr`` and
        ``weight_decay``.
    optimizer_params : dict, optional
        Further arguments of the optimizer, such as ``{"momentum": 0.9}`` of "SGD".
    schedule : "cooldown" or None, default="cooldown"
        The learning rate falls linearly over the last 30 % of the epochs, or stays with None. An
        ``LRScheduler`` among the callbacks replaces it.
    initial_weights : dict, str or path-like, optional
        Pretrained weights of the network, for fine-tuning: tensors or arrays by their names in
        ``module.state_dict()``, or a file that ``torch.save`` has written with them. All networks
        begin at these. Weights without an entry, such as those of another output layer, are drawn.
        With `warm_start`, a second fit begins at the first.
    augmentation : callable, optional
        Changes the rows of both domains in each training batch, for instance by noise or masks. It
        maps a tensor of rows to one of the same shape; spectrograms may be padded with NaN.
    precision : {"float32", "bf16"}, default="float32"
        Numbers that the network computes with in training. "bf16" is faster on processors and GPUs
        with units for bfloat16; weights, losses, penalties and predictions stay in float32.
    compile : bool, default=False
        Whether ``torch.compile`` compiles the network for training. See "GPU and half precision" in
        the docs for what it costs.
    max_epochs : int > 0, default=60
        Number of passes over the larger domain.
    n_networks : int > 0, default=None
        Number of networks, trained one after the other from different initial weights. Their
        outputs are averaged. None trains three, or one if `callbacks` are given, which follow a
        single training. On embeddings three gained three points, on functionals nothing; see
        :doc:`/research/ida`.
    validation_fraction : float between 0 and 1, optional
        Share of the source that is held out from training for `monitor`: whole groups, such as
        speakers, if `fit` is given any, else rows of each class. Give it exactly when the monitor
        is, or has the factor, "source". A search passes groups to its splitter alone, unless
        metadata routing is on and ``set_fit_request(groups=True)``, of the classifier or of the
        `AdaptationPipeline` around it, asks for them.
    monitor : str, optional
        Score that selects the best epoch: "source" for the UAR on the held-out source, a criterion
        of ``skdidan.criteria.TARGET_CRITERIA`` on the target ("balance", "clusters", "density",
        "entropy", "information", "mano", "nuclear_norm", "silhouette"), or a product, such as
        "source*information". The weights of the best epoch are restored at the end. By
        default the last epoch counts.
    patience : int > 0, optional
        Training stops after this many epochs without a better score; by default it goes on.
    batch_size : int > 0, default=64
        Largest number of rows of each domain in a batch.
    device : str, default="auto"
        Device to train on: "cpu", "cuda", ...; "auto" takes a GPU if there is one.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batches and dropout; None takes one from NumPy's global generator.
        Torch's global generators are left alone, unless `network`, `augmentation` or `callbacks`
        are of your own: these draw from them, so no other thread should meanwhile. They are
        restored after `fit`.
    callbacks : list of skorch callbacks, optional
        Further callbacks of the training, such as ``GradientNormClipping``, or ``EarlyStopping``
        with a column of `history_` to monitor. Several networks share them in turn, but
        ``Checkpoint``, ``TrainEndCheckpoint`` and ``LoadInitState`` are for a single one.
        ``EpochScoring`` and other scores are refused: use `monitor`. The names "epoch_scores" and
        "best_epoch" are taken.
    verbose : int, default=0
        1 prints a line per epoch.
    checkpoint : str or path-like, optional
        File that keeps the state of the training after each epoch. If the process is killed, the
        same call of `fit` goes on from there. On a CPU it ends with the same weights, bit for bit,
        as a training that nothing has stopped. `callbacks` keep no state, so they are refused.
    warm_start : bool, default=False
        Whether `fit` begins at the weights of the fit before, as for new recordings.
    on_interrupt : {"raise", "keep"}, default="raise"
        What Ctrl-C does: raise ``KeyboardInterrupt``, or end the fit and keep the finished epochs.
    calibration : {"temperature"}, optional
        "temperature" divides the outputs by `temperature_` before the softmax of `predict_proba`.
        It is fitted to held-out rows of the source (Guo et al., 2017): set `validation_fraction`.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The source's classes.
    nets_ : list of AdaptationNet
        The trained skorch nets, each with its own ``history``.
    net_ : AdaptationNet
        The first of them; ``net_.module_`` is its network.
    history_ : list of dict
        Per epoch of `net_`: ``epoch``, ``dur`` (seconds), ``train_loss`` (the sum),
        ``classification_loss``, ``ida_features``, ``ida_labels``, ``mean_distance``, ``trade_off``,
        ``lr`` (of the first batch); with several layers to align on, a column for each penalty and
        layer, such as ``ida_fc1_features``. With `monitor`, its value is ``monitor``, and that of
        each factor ``monitor_<name>``. ``ida_labels`` holds :math:`\delta L`, ``mean_distance``
        :math:`D` without its weight. ``pandas.DataFrame(history_)`` is a table of it.
    best_epoch_ : int
        With `monitor`, the epoch whose weights the first net has kept, counted from 1.
    temperature_ : float
        Temperature of the softmax in `predict_proba`; set if `calibration` is.
    n_features_in_ : int
        Size of a row's first axis: features, or bins of a spectrogram.

    References
    ----------
    .. [1] Zhao, Wang, Zong, Zheng, Lian, Zhao (2023). Deep implicit distribution alignment
       networks for cross-corpus speech emotion recognition. ICASSP, arXiv:2302.08921.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import DIDANClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = DIDANClassifier(max_epochs=10, random_state=0).fit(X, y, X + 1)
    >>> classifier.predict(X + 1).shape
    (60,)
    >>> classifier.reconstruction_codes(X, X + 1).shape
    (60, 60)
    """

    default_n_networks = 3

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        align_on: str | Sequence[str] = "auto",
        trade_off: float = 0.3,
        target_prior: Any = None,
        sparsity: float = 0.1,
        feature_weight: float = 1.0,
        mean_weight: float = 3.0,
        label_weight: float = 1.0,
        emotion_groups: str | Mapping[Any, Any] | None = "arousal",
        loss: str = "auto",
        class_weight: str | Mapping[Any, float] | None = "balanced",
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        optimizer: str | type[torch.optim.Optimizer] = "AdamW",
        optimizer_params: Mapping[str, Any] | None = None,
        schedule: str | None = "cooldown",
        initial_weights: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        augmentation: Callable[[torch.Tensor], torch.Tensor] | None = None,
        precision: str = "float32",
        compile: bool = False,
        max_epochs: int = 60,
        n_networks: int | None = None,
        validation_fraction: float | None = None,
        monitor: str | None = None,
        patience: int | None = None,
        batch_size: int = 64,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        callbacks: list[Any] | None = None,
        verbose: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        warm_start: bool = False,
        on_interrupt: str = "raise",
        calibration: str | None = None,
    ) -> None:
        super().__init__(
            network,
            network_params=network_params,
            align_on=align_on,
            trade_off=trade_off,
            target_prior=target_prior,
            loss=loss,
            class_weight=class_weight,
            lr=lr,
            weight_decay=weight_decay,
            optimizer=optimizer,
            optimizer_params=optimizer_params,
            schedule=schedule,
            initial_weights=initial_weights,
            augmentation=augmentation,
            precision=precision,
            compile=compile,
            max_epochs=max_epochs,
            n_networks=n_networks,
            validation_fraction=validation_fraction,
            monitor=monitor,
            patience=patience,
            batch_size=batch_size,
            device=device,
            random_state=random_state,
            callbacks=callbacks,
            verbose=verbose,
            checkpoint=checkpoint,
            warm_start=warm_start,
            on_interrupt=on_interrupt,
            calibration=calibration,
        )
        self.sparsity = sparsity
        self.feature_weight = feature_weight
        self.mean_weight = mean_weight
        self.label_weight = label_weight
        self.emotion_groups = emotion_groups

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_positive("sparsity", self.sparsity, single=True)
        check_not_negative("feature_weight", self.feature_weight, single=True)
        check_not_negative("mean_weight", self.mean_weight, single=True)
        check_not_negative("label_weight", self.label_weight, single=True)
        if self.emotion_groups is not None and not isinstance(self.emotion_groups, Mapping):
            check_option("emotion_groups", self.emotion_groups, EMOTION_GROUPS)

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        levels = [*self._rough_levels(classes), list(range(len(classes)))]
        ida = self._make_ida(self.label_weight, levels)
        terms = {} if ida is None else self._on_layers("ida", ida, local=True)
        return terms | self._mean_terms()

    def _make_ida(self, label_weight: float, levels: list[list[int]] | None) -> IDA | None:
        """Return the reconstruction of features and labels; None if neither has a weight."""
        if not self.feature_weight and not label_weight:
            return None
        weights = {"feature_weight": self.feature_weight, "label_weight": label_weight}
        return IDA(self.sparsity, mean_weight=0, levels=levels, **weights)

    def _mean_terms(self) -> dict[str, PenaltyTerm]:
        if not self.mean_weight:
            return {}
        return self._on_layers("mean_distance", MeanDistance(), weight=self.mean_weight)

    def _rough_levels(self, classes: NDArray[Any]) -> list[list[int]]:
        """Return the level of the groups, unless it separates no classes, or all of them."""
        if self.emotion_groups is None:
            return []
        labels, groups = classes.tolist(), self.emotion_groups
        if isinstance(groups, str):
            groups = EMOTION_GROUPS[groups]
            labels = [canonical_label(str(label), {}) or label for label in labels]
        elif not any(label in groups for label in labels):
            raise ValueError(
                f"emotion_groups names none of the classes {labels}; got {dict(groups)}."
            )
        # A tuple is no name of a group, so that a class without a group stands alone.
        numbers: dict[Any, int] = {}
        level = [numbers.setdefault(groups.get(label, (label,)), len(numbers)) for label in labels]
        return [level] if 1 < len(set(level)) < len(level) else []

    def reconstruction_codes(self, X_src: ArrayLike, X_tgt: ArrayLike) -> csr_array:
        """Return the sparse codes that reconstruct target features from source features.

        The features are those of `embed`: the inputs of the output layer, of several networks side
        by side, so that one code serves all of them. Pass both domains as they entered `fit`,
        each scaled by its own statistics: take the source from ``fit_transform`` of the earlier
        steps, because their ``transform`` would treat it as rows of the target.

        Parameters
        ----------
        X_src : array-like, shape (n_source, ...), n_source > 1
            Rows of the source, all of it or a sample. Their mean is its centre.
        X_tgt : array-like, shape (n_target, ...), n_target > 1
            Rows of the target, all of it or a sample. Their mean is its centre.

        Returns
        -------
        codes : csr_array, shape (n_target, n_source)
            Row `i` holds the weights of the source rows that reconstruct the (centred, normalised)
            features of target row `i`.

        Raises
        ------
        ValueError
            If either domain has fewer than two rows.

        Warns
        -----
        SparseCodesWarning
            If the solver runs out of iterations.
        """
        source, target = self.embed(X_src), self.embed(X_tgt)
        for name, features in (("X_src", source), ("X_tgt", target)):
            if len(features) < 2:
                raise ValueError(
                    f"{name} needs at least 2 rows, because they are centred on their mean; got "
                    f"{len(features)}. Pass the whole corpus and take rows of the result."
                )
        ida = IDA(self.sparsity, tol=1e-4)
        return csr_array(ida.codes(torch.from_numpy(source), torch.from_numpy(target)).numpy())
