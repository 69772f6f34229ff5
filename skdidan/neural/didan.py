"""DIDAN and LIDAN: networks whose target features are made of source features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from torch import nn

from skdidan import PenaltyTerm
from skdidan.emotions import EMOTIONS
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.parameters import check_not_negative, check_option, check_positive
from skdidan.penalties.distances import MeanDistance
from skdidan.penalties.reconstruction import IDA

__all__ = ["EMOTION_GROUPS", "DIDANClassifier", "LIDANClassifier"]


class DIDANClassifier(AdaptationClassifier):
    r"""Deep implicit distribution alignment network: a target made of the source.

    A network regresses the source's emotions, while the features of the target are rebuilt as
    sparse combinations of those of the source, and its predictions as the same combinations of the
    source's labels. The objective is

    .. math::
        J(G_s, Y_s) + \lambda(t) \bigl( R(F'_s, F'_t) + \gamma D(F_s, F_t)
        + \delta L(G_t) \bigr)

    with the classification loss :math:`J` of the outputs :math:`G_s`; the reconstruction :math:`R`
    of the target features of a batch from its source features and the error :math:`L` of the
    target's outputs against the rebuilt labels, both defined in `IDA`, where the labels are rebuilt
    at two levels, rough groups of emotions and the emotions; and the distance :math:`D`
    of the mean features, `MeanDistance`. :math:`\lambda(t)` is `trade_off` under the ramp of
    `skdidan.neural.ramp`. The prime says that in a convolutional network the gradient of the
    reconstruction moves the fully connected layers only.

    The full text of the paper [1]_ was not at hand. This is a reading of its abstract (a deep
    regression network on spectrums; a regularisation by sample reconstruction in place of MMD), not
    a reproduction; centring, scaling, the means, the rebuilt labels and the stopped gradient are
    this package's own, chosen by experiments that :doc:`/research/ida` reports.

    Parameters
    ----------
    network : {"auto", "cnn", "vgg11", "mlp"}, Module subclass or factory, default="auto"
        What to train. "auto" takes the `CNN` for spectrograms and the `MLP` for 2-D features. A
        class or function of your own is called as ``network(input_shape, n_classes,
        **network_params)``; its module maps a batch to `Outputs` or to a tuple (logits, features).
    network_params : dict, optional
        More arguments of the network.
    align_on : str or sequence of str, default="features"
        Layers of the network on which the domains are aligned: "features", the inputs of its
        output layer, or "fc1", "fc2", ... and, of convolutional networks, "pooled", which lies
        below the fully connected layers. The penalties of several layers are averaged.
    trade_off : float >= 0, default=1.0
        Weight :math:`\lambda` of the penalties at the end of training. With 0 they do nothing.
    sparsity : float > 0, default=0.1
        Price of the codes in `IDA`: the higher, the fewer source rows rebuild a target row. Rows
        are of length one, so that from 1 on none does; 0.03 to 0.3 is a range to search.
    mean_weight : float >= 0, default=3.0
        Weight :math:`\gamma` of the distance of the means; 0 leaves it out.
    label_weight : float >= 0, default=1.0
        Weight :math:`\delta` of the rebuilt labels; 0 leaves them out.
    groups : {"arousal", "valence"}, dict or None, default="arousal"
        Rough groups of the classes, whose labels are rebuilt beside those of the classes: a table
        of ``skdidan.neural.EMOTION_GROUPS``, whose emotions may go by any name that
        ``skdidan.corpora.EMOTIONS`` knows, or a dict of each class to the name of its group. A
        class that stands in no group forms one of its own. Groups that tell no classes apart, or
        all of them, as a table does that knows none of the labels, add nothing and are left out,
        as are all with None.
    loss : {"squared_error", "log_loss"}, default="squared_error"
        Classification loss :math:`J`: the squared error of a regression onto one-hot labels, or
        the cross-entropy of the softmax.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the source classes in the loss, as in scikit-learn.
    lr : float > 0, default=1e-3
        Learning rate of AdamW; it falls linearly in the last 30 % of the epochs.
    weight_decay : float >= 0, default=1e-4
        Weight decay of AdamW.
    max_epochs : int > 0, default=60
        Passes over the larger domain.
    validation_fraction : float between 0 and 1, optional
        Share of the source that is held out from training for `monitor`: of its groups, such as
        speakers, where `fit` is given any, else of the rows of each class. To be given where the
        monitor is or has the factor "source", and not otherwise. A search hands groups to its
        splitter alone, unless metadata routing is on and ``set_fit_request(groups=True)``, of the
        classifier or of the `AdaptationPipeline` around it, asks for them.
    monitor : str, optional
        What decides which epoch was best: "source" for the UAR on the held-out source, a criterion
        of ``skdidan.criteria.TARGET_CRITERIA`` on the target ("balance", "clusters", "density",
        "entropy", "information", "mano", "nuclear_norm", "silhouette"), or a product, such as
        "source*information". The weights of the best epoch are restored at the end. By
        default the last epoch counts.
    patience : int > 0, optional
        Epochs without a better value of `monitor` after which the training ends; by default it goes
        on to `max_epochs`.
    batch_size : int > 0, default=64
        Most rows of each domain in a batch.
    device : str, default="auto"
        Where to train: "cpu", "cuda", ...; "auto" takes a GPU where there is one.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batches and dropout. The global generators are left untouched.
    callbacks : list of skorch callbacks, optional
        Further callbacks of the training. The names "epoch_scores" and "best_epoch" are taken.
    verbose : int, default=0
        1 prints a line per epoch.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The source's classes.
    net_ : AdaptationNet
        The trained skorch net; ``net_.module_`` is the network.
    history_ : list of dict
        Per epoch: ``epoch``, ``dur`` (seconds), ``train_loss`` (the sum), ``classification_loss``,
        ``ida_features``, ``ida_labels``, ``mean_distance``, ``trade_off``, ``lr``; with several
        layers to align on, a column for each penalty and layer, such as ``ida_fc1_features``.
        With `monitor`, its value is ``monitor``, and that of each factor ``monitor_<name>``.
        ``ida_labels`` holds :math:`\delta L`, ``mean_distance`` :math:`D` without its weight.
        ``pandas.DataFrame(history_)`` is a table of it.
    best_epoch_ : int
        With `monitor`, the epoch whose weights were kept, counted from 1 as in the history.
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

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        align_on: str | Sequence[str] = "features",
        trade_off: float = 1.0,
        sparsity: float = 0.1,
        mean_weight: float = 3.0,
        label_weight: float = 1.0,
        groups: str | Mapping[Any, Any] | None = "arousal",
        loss: str = "squared_error",
        class_weight: str | Mapping[Any, float] | None = "balanced",
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        max_epochs: int = 60,
        validation_fraction: float | None = None,
        monitor: str | None = None,
        patience: int | None = None,
        batch_size: int = 64,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        callbacks: list[Any] | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            network,
            network_params=network_params,
            align_on=align_on,
            trade_off=trade_off,
            loss=loss,
            class_weight=class_weight,
            lr=lr,
            weight_decay=weight_decay,
            max_epochs=max_epochs,
            validation_fraction=validation_fraction,
            monitor=monitor,
            patience=patience,
            batch_size=batch_size,
            device=device,
            random_state=random_state,
            callbacks=callbacks,
            verbose=verbose,
        )
        self.sparsity = sparsity
        self.mean_weight = mean_weight
        self.label_weight = label_weight
        self.groups = groups

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_positive("sparsity", self.sparsity)
        check_not_negative("mean_weight", self.mean_weight)
        check_not_negative("label_weight", self.label_weight)
        if self.groups is not None and not isinstance(self.groups, Mapping):
            check_option("groups", self.groups, EMOTION_GROUPS)

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        levels = [*self._rough_levels(classes), list(range(len(classes)))]
        ida = IDA(self.sparsity, mean_weight=0, label_weight=self.label_weight, levels=levels)
        return self._on_layers("ida", ida, local=True) | self._mean_terms()

    def _mean_terms(self) -> dict[str, PenaltyTerm]:
        if not self.mean_weight:
            return {}
        return self._on_layers("mean_distance", MeanDistance(), weight=self.mean_weight)

    def _rough_levels(self, classes: NDArray[Any]) -> list[list[int]]:
        """Return the level of the groups, if it says anything that the classes do not."""
        if self.groups is None:
            return []
        groups = self.groups if isinstance(self.groups, Mapping) else EMOTION_GROUPS[self.groups]
        labels = classes.tolist()
        if isinstance(self.groups, Mapping) and not any(label in groups for label in labels):
            raise ValueError(f"groups names none of the classes {labels}; got {dict(groups)}.")
        if not isinstance(self.groups, Mapping):
            labels = [EMOTIONS.get(str(label).lower(), label) for label in labels]
        # A tuple is no name of a group, so that a class without one stands alone.
        numbers: dict[Any, int] = {}
        level = [numbers.setdefault(groups.get(label, (label,)), len(numbers)) for label in labels]
        return [level] if 1 < len(set(level)) < len(level) else []

    def reconstruction_codes(self, X_src: ArrayLike, X_tgt: ArrayLike) -> csr_array:
        """Say which source rows each target row is made of, in the inputs of the output layer.

        Both domains have to come as they did in `fit`, each scaled by its own statistics: take the
        source from the ``fit_transform`` of the steps before, for their ``transform`` would treat
        it as rows of the target.

        Parameters
        ----------
        X_src : array-like, shape (n_source, ...), n_source > 1
            Rows of the source, all of it or a sample: its centre is their mean.
        X_tgt : array-like, shape (n_target, ...), n_target > 1
            Rows of the target, all of it or a sample: its centre is their mean.

        Returns
        -------
        codes : csr_array, shape (n_target, n_source)
            Row `i` holds the weights of the source rows that rebuild the (centred, normalised)
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
                    f"{name} needs at least 2 rows, for each domain is centred on their mean; got "
                    f"{len(features)}. Pass the whole corpus and take rows of the result."
                )
        ida = IDA(self.sparsity, tol=1e-4)
        return csr_array(ida.codes(torch.from_numpy(source), torch.from_numpy(target)).numpy())


class LIDANClassifier(DIDANClassifier):
    r"""Layer-adapted implicit distribution alignment network: labels of growing detail.

    `DIDANClassifier` with three reconstruction terms on three successive fully connected layers,
    as [1]_ has it: the first rebuilds no labels, the second the rough group of emotions that
    a target row belongs to, the third its group and its emotion. The objective is

    .. math::
        J(G_s, Y_s) + \lambda(t) \Bigl( \tfrac13 \sum_{\ell=1}^{3} \bigl(
        R_\ell(F'_{s\ell}, F'_{t\ell}) + \gamma D(F_{s\ell}, F_{t\ell}) \bigr)
        + \tfrac{\delta}{2} \bigl( L_2(G_t) + L_3(G_t) \bigr) \Bigr)

    where :math:`L_2` is the error of the target's outputs, added up within each group, against the
    groups rebuilt by the codes of the second layer, and :math:`L_3` the mean of two errors under
    the codes of the third, that of the groups and that of the emotions; see the levels of `IDA`.
    The labels of the target are never known: what the codes make of the source's stands for them,
    weighted by how far their evidence agrees. Without groups the second layer, too, rebuilds the
    emotions.

    The full text of the paper was not at hand: this is a reading of its abstract, not a
    reproduction.

    Parameters
    ----------
    network, trade_off, sparsity, mean_weight, label_weight, groups, loss, class_weight
        As in `DIDANClassifier`.
    lr, weight_decay, max_epochs, validation_fraction, monitor, patience, batch_size
        As in `DIDANClassifier`.
    device, random_state, callbacks, verbose
        As in `DIDANClassifier`.
    network_params : dict, optional
        More arguments of the network. If `network` is a name, and no ``hidden`` layers are given
        here, it gets three fully connected ones of 128 units each.
    align_on : sequence of three str, default=("fc1", "fc2", "fc3")
        The layers, from the input to the output.

    Attributes
    ----------
    classes_, net_, history_, n_features_in_
        As in `DIDANClassifier`; the history has a column for each penalty and layer, of which
        ``ida_fc2_labels`` and ``ida_fc3_labels`` hold :math:`\tfrac32 \delta L`: a third of each
        column goes into the sum.

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

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        align_on: Sequence[str] = ("fc1", "fc2", "fc3"),
        trade_off: float = 1.0,
        sparsity: float = 0.1,
        mean_weight: float = 3.0,
        label_weight: float = 1.0,
        groups: str | Mapping[Any, Any] | None = "arousal",
        loss: str = "squared_error",
        class_weight: str | Mapping[Any, float] | None = "balanced",
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        max_epochs: int = 60,
        validation_fraction: float | None = None,
        monitor: str | None = None,
        patience: int | None = None,
        batch_size: int = 64,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        callbacks: list[Any] | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            network,
            network_params=network_params,
            align_on=align_on,
            trade_off=trade_off,
            sparsity=sparsity,
            mean_weight=mean_weight,
            label_weight=label_weight,
            groups=groups,
            loss=loss,
            class_weight=class_weight,
            lr=lr,
            weight_decay=weight_decay,
            max_epochs=max_epochs,
            validation_fraction=validation_fraction,
            monitor=monitor,
            patience=patience,
            batch_size=batch_size,
            device=device,
            random_state=random_state,
            callbacks=callbacks,
            verbose=verbose,
        )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if isinstance(self.align_on, str) or len(self.align_on) != 3:
            raise ValueError(f"align_on must name three different layers; got {self.align_on!r}.")

    def _network_defaults(self) -> dict[str, Any]:
        return {"hidden": (128, 128, 128)}

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        classes_alone = [list(range(len(classes)))]
        rough = self._rough_levels(classes)
        levels_of_layers = None, rough or classes_alone, rough + classes_alone
        weight = 1 / len(self.align_on)
        terms = {}
        for layer, levels in zip(self.align_on, levels_of_layers, strict=True):
            label_weight = self.label_weight / 2 / weight if levels else 0
            ida = IDA(self.sparsity, mean_weight=0, label_weight=label_weight, levels=levels)
            terms[f"ida_{layer}"] = PenaltyTerm(ida, weight, on=layer, local=True)
        return terms | self._mean_terms()


#: Rough groups of the emotions by the names of the parameter `groups`, after Schuller, Vlasenko,
#: Eyben, Wöllmer, Stuhlsatz, Wendemuth, Rigoll (2010). Cross-corpus acoustic emotion recognition:
#: variances and strategies. IEEE Transactions on Affective Computing 1(2). The group of "calm" is
#: this package's own addition.
EMOTION_GROUPS: dict[str, dict[Any, str]] = {
    "arousal": {
        "anger": "high",
        "boredom": "low",
        "calm": "low",
        "disgust": "low",
        "fear": "high",
        "happiness": "high",
        "neutral": "low",
        "sadness": "low",
        "surprise": "high",
    },
    "valence": {
        "anger": "negative",
        "boredom": "negative",
        "calm": "positive",
        "disgust": "negative",
        "fear": "negative",
        "happiness": "positive",
        "neutral": "positive",
        "sadness": "negative",
        "surprise": "positive",
    },
}
