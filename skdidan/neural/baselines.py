"""Deep baselines of DIDAN: source only, DAN, DSAN, JAN, MCC and Deep CORAL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from skdidan import PenaltyTerm
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.parameters import check_positive
from skdidan.penalties.confusion import MCC
from skdidan.penalties.discrepancies import JMMD, LMMD, MMD
from skdidan.penalties.distances import CORAL

__all__ = [
    "DANClassifier",
    "DSANClassifier",
    "DeepCORALClassifier",
    "JANClassifier",
    "MCCClassifier",
    "SourceOnlyClassifier",
]


class SourceOnlyClassifier(AdaptationClassifier):
    """The network trained on the source alone: what adaptation has to beat.

    Parameters
    ----------
    network, network_params, loss, class_weight, lr, weight_decay, max_epochs, \
validation_fraction, monitor, patience, batch_size, device, random_state, callbacks, verbose
        As in `DIDANClassifier`.
    use_target : bool, default=False
        Whether target rows pass through the network in training, without any penalty, so that
        batch normalisation sees both domains and the batches are those of the other classifiers.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import SourceOnlyClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = SourceOnlyClassifier(random_state=0).fit(X, y, X + 1)
    >>> classifier.predict(X[:1]).shape
    (1,)
    """

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        use_target: bool = False,
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
            trade_off=0.0,
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
        self.use_target = use_target

    def _wants_target(self) -> bool:
        return self.use_target

    def _fit(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        X_tgt: NDArray[Any] | None,
        groups: NDArray[Any] | None,
    ) -> Self:
        return super()._fit(X, y, X_tgt if self.use_target else None, groups)

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        return {}


class DANClassifier(AdaptationClassifier):
    """Deep adaptation network: multi-kernel MMD on the features (Long et al., 2015).

    The objective is ``loss + trade_off * MMD(features_src, features_tgt)``, see
    `skdidan.MMD`.

    Parameters
    ----------
    network, network_params, align_on, trade_off, loss, class_weight, lr, weight_decay, \
max_epochs, validation_fraction, monitor, patience, batch_size, device, random_state, \
callbacks, verbose
        As in `DIDANClassifier`.

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

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        return self._on_layers("mmd", MMD())


class DSANClassifier(AdaptationClassifier):
    """Deep subdomain adaptation network: MMD of each class by itself (Zhu et al., 2020).

    The objective is ``loss + trade_off * 0.2 * LMMD(features_src, features_tgt)``, see
    `skdidan.LMMD`; the network's outputs stand for the labels of the target. The factor brings it
    to the scale of the other penalties: of a few rows for each class the biased estimate is large.

    Parameters
    ----------
    network, network_params, align_on, trade_off, loss, class_weight, lr, weight_decay, \
max_epochs, validation_fraction, monitor, patience, batch_size, device, random_state, \
callbacks, verbose
        As in `DIDANClassifier`.

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

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        return self._on_layers("lmmd", LMMD(), weight=0.2)


class JANClassifier(AdaptationClassifier):
    """Joint adaptation network: MMD of features and predictions together (Long et al., 2017).

    The objective is ``loss + trade_off * JMMD``, see `skdidan.JMMD`, on the features and the
    outputs (under the log loss: their softmax) of both domains. Of several layers in ``align_on``
    the penalties are averaged; the paper multiplies the kernels.

    Parameters
    ----------
    network, network_params, align_on, trade_off, loss, class_weight, lr, weight_decay, \
max_epochs, validation_fraction, monitor, patience, batch_size, device, random_state, \
callbacks, verbose
        As in `DIDANClassifier`.

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

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        return self._on_layers("jmmd", JMMD())


class MCCClassifier(AdaptationClassifier):
    """Minimum class confusion on the target (Jin et al., 2020): no distance of the domains at all.

    The objective is ``loss + trade_off * MCC(logits_tgt)``, see `skdidan.MCC`. It is defined by the
    softmax of the logits, so that the log loss is the default here.

    Parameters
    ----------
    network, network_params, trade_off, class_weight, lr, weight_decay, max_epochs, \
validation_fraction, monitor, patience, batch_size, device, random_state, callbacks, verbose
        As in `DIDANClassifier`.
    temperature : float > 0, default=2.5
        Temperature of the softmax. With ``loss="squared_error"``, whose outputs differ by about 1,
        take a small one, such as 0.2.
    loss : {"log_loss", "squared_error"}, default="log_loss"
        Classification loss.

    References
    ----------
    .. [1] Jin, Wang, Long, Wang (2020). Minimum class confusion for versatile domain adaptation.
       ECCV, arXiv:1912.03699.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import MCCClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = MCCClassifier(random_state=0).fit(X, y, X + 1)
    >>> sorted(classifier.history_[-1])
    ['classification_loss', 'dur', 'epoch', 'lr', 'mcc', 'trade_off', 'train_loss']
    """

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        trade_off: float = 1.0,
        temperature: float = 2.5,
        loss: str = "log_loss",
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
        self.temperature = temperature

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_positive("temperature", self.temperature)

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        return {"mcc": PenaltyTerm(MCC(self.temperature), on="logits")}


class DeepCORALClassifier(AdaptationClassifier):
    """Deep CORAL: equal covariances of the features (Sun and Saenko, 2016).

    The objective is ``loss + trade_off * 100 * CORAL(features_src, features_tgt)``, see
    `skdidan.CORAL`; the factor brings it to the scale of the other penalties.

    Parameters
    ----------
    network, network_params, align_on, trade_off, loss, class_weight, lr, weight_decay, \
max_epochs, validation_fraction, monitor, patience, batch_size, device, random_state, \
callbacks, verbose
        As in `DIDANClassifier`.

    References
    ----------
    .. [1] Sun, Saenko (2016). Deep CORAL: correlation alignment for deep domain adaptation. ECCV
       workshops, arXiv:1607.01719.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import DeepCORALClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = DeepCORALClassifier(random_state=0).fit(X, y, X + 1)
    >>> classifier.predict_proba(X).shape
    (60, 2)
    """

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        return self._on_layers("coral", CORAL(), weight=100.0)
