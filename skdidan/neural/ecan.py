"""ECAN: emotion-aware contrastive adaptation without source."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import one_hot

from skdidan.neural.outputs import Outputs
from skdidan.neural.source_free import SourceFreeClassifier
from skdidan.neural.target_losses import TargetBank, diversity, neighbour_contrast
from skdidan.neural.target_training import TargetObjective
from skdidan.parameters import check_count, check_not_negative, check_positive
from skdidan.penalties.base import unit_rows
from skdidan.penalties.contrast import supervised_contrast

__all__ = ["ECANClassifier", "ECANObjective"]


class ECANObjective(TargetObjective):
    """Diversity, contrast with nearest neighbours, and contrast with rows of one pseudo-label.

    Parameters
    ----------
    neighbour_weight, label_weight : float >= 0, default=1.0, 1.0
        Weights of the two contrasts.
    n_neighbours : int > 0, default=5
        Number of nearest neighbours in the target.
    temperature : float > 0, default=0.1
        Temperature of both contrasts.
    """

    freezes_output = False

    def __init__(
        self,
        neighbour_weight: float = 1.0,
        label_weight: float = 1.0,
        n_neighbours: int = 5,
        temperature: float = 0.1,
    ) -> None:
        check_not_negative("neighbour_weight", neighbour_weight, single=True)
        check_not_negative("label_weight", label_weight, single=True)
        self.n_neighbours = check_count("n_neighbours", n_neighbours)
        self.temperature = check_positive("temperature", temperature, single=True)
        self.weights = {
            "diversity": 1.0,
            "neighbour_contrast": neighbour_weight,
            "label_contrast": label_weight,
        }

    def terms(self, outputs: Outputs, rows: Tensor, bank: TargetBank) -> dict[str, Tensor]:
        """Return the three terms for a batch."""
        features, predictions = outputs.features, bank.probabilities[rows]
        directions = unit_rows(features.float())
        members = one_hot(predictions.argmax(dim=1), predictions.shape[1]).to(directions)
        return {
            "diversity": diversity(outputs.logits, bank.shares),
            "neighbour_contrast": neighbour_contrast(
                features, rows, bank.directions, self.n_neighbours, self.temperature
            ),
            "label_contrast": supervised_contrast(
                directions, directions[:0], members, self.temperature
            ),
        }


class ECANClassifier(SourceFreeClassifier):
    r"""ECAN: contrastive adaptation of a trained network without its source.

    The method follows [1]_. `fit` trains the network on the source alone, with smoothed labels.
    `adapt` trains all its layers on the target, to minimise

    .. math:: \underbrace{\sum_k \bar p_k \log \frac{\bar p_k}{\pi_k}}_{\text{diversity}}
              - \frac{\lambda}{n} \sum_i \frac1K \sum_{j \in N(i)} \log
              \frac{e^{f_i \cdot F_j / \tau}}{\sum_{m \ne i} e^{f_i \cdot F_m / \tau}}
              - \frac{\beta}{n} \sum_i \frac{1}{|A_i|} \sum_{a \in A_i} \log
              \frac{e^{f_i \cdot f_a / \tau}}{\sum_{b \ne i} e^{f_i \cdot f_b / \tau}}

    over batches of :math:`n` rows with features :math:`f` of length one, the mean :math:`\bar p`
    of their predictions, and expected shares :math:`\pi`. A bank holds the features :math:`F` and
    the predictions of the whole target: it is filled before each epoch, and each step replaces its
    rows. :math:`N(i)` are the :math:`K` nearest neighbours of a row in the bank. :math:`A_i` are
    the other rows of its batch for which the bank predicts the same class.

    This is a reading of [1]_; the full text was not at hand. The abstract names the contrast with
    nearest neighbours and the supervised contrast; a public summary names the banks and the sum of
    three terms. Their formulas, all weights and numbers, the smoothing of labels and the choice to
    train all layers are this package's reading. Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params : dict, optional
        Further arguments of the network.
    objective_params : dict, optional
        Arguments of `ECANObjective`: the weights ``neighbour_weight`` (:math:`\lambda`) and
        ``label_weight`` (:math:`\beta`), 1 by default; ``n_neighbours`` (:math:`K`), 5; and
        ``temperature`` (:math:`\tau`), 0.1.
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
        last adaptation these and the terms ``diversity``,
        ``neighbour_contrast`` and ``label_contrast``.

    See Also
    --------
    SHOTClassifier : The same routine with information maximisation.

    References
    ----------
    .. [1] Zhao, Wang, Lu, Li, Schuller, Zong, Zheng (2024). Emotion-aware contrastive adaptation
       network for source-free cross-corpus speech emotion recognition. arXiv:2401.12925.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import ECANClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = ECANClassifier(random_state=0).fit(X, y).adapt(X + 1)
    >>> sorted(classifier.adaptation_history_[-1])
    ['diversity', 'dur', 'epoch', 'label_contrast', 'lr', 'neighbour_contrast', 'train_loss']
    """

    objective = ECANObjective
