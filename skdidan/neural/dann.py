"""Domain-adversarial classifiers: what tells the domains apart is unlearnt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from skdidan import PenaltyTerm
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.parameters import check_boolean, check_counts
from skdidan.penalties.adversaries import ConditionalDomainAdversary, DomainAdversary

__all__ = ["CDANClassifier", "DANNClassifier"]


class DANNClassifier(AdaptationClassifier):
    """Domain-adversarial neural network (Ganin et al., 2016).

    The objective is ``loss + trade_off * D(features_src, features_tgt)``, in which ``D`` is the
    loss of a domain discriminator, see `skdidan.DomainAdversary`: its weights descend on the
    objective, while its gradient is reversed at the features. ``trade_off`` rises as in [1]_, but
    multiplies what the discriminator descends on, too: its steps hardly depend on it, as AdamW
    scales each by its past, but without any it does not learn.

    Parameters
    ----------
    network, network_params, align_on, trade_off, loss, class_weight, lr, weight_decay, \
max_epochs, validation_fraction, monitor, patience, batch_size, device, random_state, \
callbacks, verbose
        As in `DIDANClassifier`.
    discriminator_hidden : sequence of int, default=(100,)
        Units of each hidden layer of the discriminator.

    References
    ----------
    .. [1] Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky (2016).
       Domain-adversarial training of neural networks. Journal of Machine Learning Research 17,
       arXiv:1505.07818.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import DANNClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = DANNClassifier(random_state=0).fit(X, y, X + 1)
    >>> sorted(classifier.history_[-1])
    ['classification_loss', 'domain_adversary', 'dur', 'epoch', 'lr', 'trade_off', 'train_loss']
    """

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        align_on: str | Sequence[str] = "features",
        trade_off: float = 1.0,
        discriminator_hidden: Sequence[int] = (100,),
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
        self.discriminator_hidden = discriminator_hidden

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_counts("discriminator_hidden", self.discriminator_hidden)

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        adversary = DomainAdversary(self.discriminator_hidden)
        return self._on_layers("domain_adversary", adversary)


class CDANClassifier(DANNClassifier):
    """Conditional adversarial network: the discriminator sees the predictions, too (Long, 2018).

    As `DANNClassifier`, with a discriminator of the outer product of the features and the class
    probabilities, see `skdidan.ConditionalDomainAdversary`. Under the squared error the outputs,
    clipped at 0 and scaled to a sum of 1, stand for these.

    Parameters
    ----------
    network, network_params, align_on, trade_off, loss, class_weight, lr, weight_decay, \
max_epochs, validation_fraction, monitor, patience, batch_size, device, random_state, \
callbacks, verbose
        As in `DIDANClassifier`.
    discriminator_hidden : sequence of int, default=(100,)
        Units of each hidden layer of the discriminator.
    entropy_conditioning : bool, default=True
        Whether rows count the more, the surer their prediction ("CDAN+E"), or all alike ("CDAN").

    References
    ----------
    .. [1] Long, Cao, Wang, Jordan (2018). Conditional adversarial domain adaptation. NeurIPS,
       arXiv:1705.10667.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import CDANClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = CDANClassifier(random_state=0).fit(X, y, X + 1)
    >>> sorted(classifier.history_[-1])
    ['classification_loss', 'conditional_domain_adversary', 'dur', 'epoch', 'lr', ...]
    """

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        align_on: str | Sequence[str] = "features",
        trade_off: float = 1.0,
        discriminator_hidden: Sequence[int] = (100,),
        entropy_conditioning: bool = True,
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
            discriminator_hidden=discriminator_hidden,
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
        self.entropy_conditioning = entropy_conditioning

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_boolean("entropy_conditioning", self.entropy_conditioning)

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        adversary = ConditionalDomainAdversary(
            self.discriminator_hidden, entropy_conditioning=self.entropy_conditioning
        )
        return self._on_layers("conditional_domain_adversary", adversary)
