"""Translate the spectrograms of the source towards the target, before any classifier."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from torch import Tensor

from skdidan.domains import Domains
from skdidan.estimators import DomainTransformer
from skdidan.neural.batches import PairedBatches
from skdidan.neural.networks import frame_mask
from skdidan.neural.patches import (
    Discriminator,
    Generator,
    PatchContrast,
    crop,
    masked_mean,
)
from skdidan.padding import pad_alike
from skdidan.parameters import (
    check_count,
    check_not_negative,
    check_positive,
    check_share,
    check_whole,
)
from skdidan.penalties.discrepancies import MMD
from skdidan.reporting import warn_caller
from skdidan.torch_state import draw_from, find_device, new_generators, plain_mode
from skdidan.validation import check_rows

__all__ = ["SpectrogramTranslator"]

_BLOCK = 64  # recordings translated at once


class SpectrogramTranslator(DomainTransformer):
    r"""Translate source spectrograms towards the target by an adversarial network with contrast.

    A generator :math:`G(x) = x + r(x)`, with a small convolutional network `r`, changes the
    spectrograms of the source until a discriminator `D` of patches takes them for the target. It
    minimises, in turns with the least-squares loss of the discriminator [2]_,

    .. math::
        \lambda\, \mathrm E_s \bigl(D(G(s)) - 1\bigr)^2
        + \alpha\, \mathrm{NCE}\bigl(G(s), s\bigr) + \beta\, \mathrm E_t |G(t) - t|

    Patch-wise contrast keeps the content [1]_: among all places of a recording, the maps of the
    generator find for each place of :math:`G(s)` the same place of `s`. Identity, the last term,
    leaves the target as it is [3]_. Source rows are translated, and target rows do not change.
    Frames of NaN, which pad spectrograms of different lengths, stay NaN and change nothing.

    The generator starts as the identity. After each epoch, held-out recordings of both domains are
    summarised by the mean, the standard deviation and the root mean squared step of each bin;
    the weights with the smallest `MMD` between these rows are kept. If no epoch is better than the
    identity, the source does not change. No labels are used.

    This is the translation of [1]_ with small networks and the identity of [3]_. A paper of
    Interspeech 2024 on cross-corpus speech emotion recognition with a CycleGAN and contrastive
    learning was not at hand; this is a reading of its title.

    Parameters
    ----------
    trade_off : float >= 0, default=1.0
        Weight :math:`\lambda` of the adversarial term; 0 leaves the source as it is.
    contrast_weight, identity_weight : float >= 0, default=1.0, 1.0
        Weights :math:`\alpha` and :math:`\beta` of the contrast and of the identity.
    temperature : float > 0, default=0.07
        Temperature of the contrast: smaller ones ask for a clearer distinction of places.
    n_patches : int > 0, default=64
        Number of places of a recording that are compared.
    n_frames : int > 0, default=32
        Frames of the windows to train on; one is drawn out of each recording and epoch.
    channels : int > 0, default=16
        Number of maps of the first convolution of both networks; the second has twice as many.
    lr : float > 0, default=1e-3
        Learning rate of both networks.
    max_epochs : int >= 0, default=20
        Passes over the larger domain; 0 leaves the source as it is.
    batch_size : int > 0, default=32
        Rows of each domain in a batch.
    validation_fraction : float between 0 and 1, default=0.2
        Share of each domain that is held out. If this is less than one row of a domain, the
        networks are trained on all of its rows, and judged on them.
    patience : int > 0, optional
        Number of epochs without a smaller discrepancy before a stop; None trains all epochs.
    device : str, default="auto"
        Device to train on, such as "cpu" or "cuda"; "auto" takes a GPU if there is one.
    random_state : int, RandomState or None, default=None
        Seed of weights, held-out rows, batches, windows and places.

    Attributes
    ----------
    weights_ : dict of str to ndarray
        Weights of the generator.
    mean_, scale_ : float
        Mean and standard deviation of all entries of both domains, which the networks see as 0
        and 1.
    history_ : list of dict
        For each epoch the means of the ``discriminator``, ``adversarial``, ``contrast`` and
        ``identity`` losses, without their weights, and the ``discrepancy`` of the held-out rows;
        first of these before the training, as epoch 0.
    best_epoch_ : int
        Epoch of the kept weights; 0 is the identity.
    n_features_in_ : int
        Number of frequency bins.

    Warns
    -----
    ConvergenceWarning
        If a loss is not finite. The training ends, and the best weights so far are kept.

    Notes
    -----
    Rows are spectrograms (n_samples, n_bins, n_frames), best after `CorpusScaler`. Several source
    corpora are pooled, and so are several target corpora. Without a target the source does not
    change. ``transform`` translates rows that `sample_domain` marks as source.

    References
    ----------
    .. [1] Park, Efros, Zhang, Zhu (2020). Contrastive learning for unpaired image-to-image
       translation. ECCV, arXiv:2007.15651.
    .. [2] Mao, Li, Xie, Lau, Wang, Smolley (2017). Least squares generative adversarial networks.
       ICCV, arXiv:1611.04076.
    .. [3] Zhu, Park, Isola, Efros (2017). Unpaired image-to-image translation using
       cycle-consistent adversarial networks. ICCV, arXiv:1703.10593.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import SpectrogramTranslator
    >>> S_src = np.random.default_rng(0).normal(size=(20, 16, 40))
    >>> S_tgt = S_src[:, ::-1] + np.linspace(0, 2, 16)[:, np.newaxis]
    >>> translator = SpectrogramTranslator(max_epochs=3, random_state=0)
    >>> translator.fit_transform(S_src, X_tgt=S_tgt).shape
    (20, 16, 40)
    >>> bool((translator.transform(S_tgt) == S_tgt).all())
    True
    """

    _checks: ClassVar = {"allow_nd": True, "dtype": (np.float64, np.float32), "padding": True}

    def __init__(
        self,
        trade_off: float = 1.0,
        *,
        contrast_weight: float = 1.0,
        identity_weight: float = 1.0,
        temperature: float = 0.07,
        n_patches: int = 64,
        n_frames: int = 32,
        channels: int = 16,
        lr: float = 1e-3,
        max_epochs: int = 20,
        batch_size: int = 32,
        validation_fraction: float = 0.2,
        patience: int | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.trade_off = trade_off
        self.contrast_weight = contrast_weight
        self.identity_weight = identity_weight
        self.temperature = temperature
        self.n_patches = n_patches
        self.n_frames = n_frames
        self.channels = channels
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.random_state = random_state

    @plain_mode()
    def _fit(self, domains: Domains) -> None:
        X_src, _, X_tgt = domains
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=2)
        rng, device = np.random.default_rng(seeds[0]), find_device(self.device)
        rivals = _Rivals(self, int(seeds[1]), device)
        self.mean_, self.scale_ = _standard([X_src] if X_tgt is None else [X_src, X_tgt])
        self.best_epoch_, self.weights_ = 0, rivals.weights()
        self.history_: list[dict[str, float]] = []
        if X_tgt is None or not self.trade_off or not self.max_epochs:
            return
        rows = [self._standardise(X).to(device) for X in pad_alike([X_src, X_tgt])]
        parts = [_hold_out(X, self.validation_fraction, rng) for X in rows]
        (source, held_src), (target, held_tgt) = parts
        labels = torch.zeros(len(source), dtype=torch.long, device=device)
        batches = PairedBatches(source, target, labels, self.batch_size, rng)
        judge = partial(_discrepancy, rivals.generator, held_src, held_tgt)
        self._train(rivals, batches, judge, rng)

    def _train(self, rivals: _Rivals, batches: PairedBatches, judge: Any, rng: Any) -> None:
        """Train for some epochs, and keep the weights of the smallest discrepancy."""
        best = judge()
        self.history_.append({"epoch": 0, "discrepancy": best})
        for epoch in range(1, self.max_epochs + 1):
            steps = [rivals.step(batch.source, batch.target, rng) for batch in batches]
            means = torch.stack(steps).mean(dim=0).tolist()
            losses = dict(zip(_LOSSES, means, strict=True)) | {"discrepancy": judge()}
            if not np.isfinite(list(losses.values())).all():
                warn_caller(
                    f"SpectrogramTranslator diverged in epoch {epoch}: {losses}. The weights of "
                    f"epoch {self.best_epoch_} are kept. Lower lr={self.lr}.",
                    ConvergenceWarning,
                )
                return
            self.history_.append({"epoch": epoch, **losses})
            if losses["discrepancy"] < best:
                best, self.best_epoch_ = losses["discrepancy"], epoch
                self.weights_ = rivals.weights()
            if epoch - self.best_epoch_ >= (self.patience or self.max_epochs):
                return

    def _transform(self, X: NDArray[Any], is_source: NDArray[np.bool_]) -> NDArray[Any]:
        if not is_source.any():
            return X
        Z = X.copy()
        Z[is_source] = self._translate(X[is_source])
        return Z

    def _translate(self, X: NDArray[Any]) -> NDArray[Any]:
        with plain_mode(), torch.no_grad():
            weights = {name: torch.tensor(values) for name, values in self.weights_.items()}
            with torch.device("meta"):  # draws no weights
                generator = Generator(len(weights["rise.weight"]))
            generator.load_state_dict(weights, assign=True)
            generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # as in CNN
            Z = np.empty_like(X)
            for start in range(0, len(X), _BLOCK):
                part = slice(start, start + _BLOCK)
                added = _residual(generator, self._standardise(X[part]))
                Z[part] = X[part] + self.scale_ * added.double().numpy()
        Z[np.isnan(Z) & ~np.isnan(X)] = np.inf  # overflow, which the caller reports
        return Z

    def _standardise(self, X: NDArray[Any]) -> Tensor:
        return torch.tensor((X - self.mean_) / self.scale_, dtype=torch.float32)

    def _check_domains(self, domains: Domains) -> Domains:
        domains = super()._check_domains(domains)
        if domains.X_src.ndim != 3:
            raise ValueError(
                "SpectrogramTranslator needs spectrograms of shape (n_samples, n_bins, n_frames); "
                f"got {domains.X_src.shape}. Use CorrelationAlignment or OptimalTransport for "
                "features."
            )
        return domains

    def _check_new(self, X: Any) -> NDArray[Any]:
        return check_rows(self, X, ndim=3, **self._checks)

    def _check_parameters(self) -> None:
        check_not_negative("trade_off", self.trade_off, single=True)
        check_not_negative("contrast_weight", self.contrast_weight, single=True)
        check_not_negative("identity_weight", self.identity_weight, single=True)
        check_positive("temperature", self.temperature, single=True)
        for name in ("n_patches", "n_frames", "channels", "batch_size"):
            check_count(name, getattr(self, name))
        check_positive("lr", self.lr, single=True)
        if check_whole("max_epochs", self.max_epochs, "a whole number of at least 0") < 0:
            raise ValueError(
                f"max_epochs must be a whole number of at least 0; got {self.max_epochs!r}."
            )
        check_share("validation_fraction", self.validation_fraction)
        if self.patience is not None:
            check_count("patience", self.patience)
        find_device(self.device)


_LOSSES = "discriminator", "adversarial", "contrast", "identity"


class _Rivals:
    """A generator, its discriminator and their optimisers."""

    def __init__(self, params: SpectrogramTranslator, seed: int, device: torch.device) -> None:
        self.params = params
        with draw_from(new_generators(seed)["cpu"]):
            self.generator = Generator(params.channels)
            self.discriminator = Discriminator(params.channels)
            self.contrast = PatchContrast(params.channels, params.n_patches, params.temperature)
        for part in (self.generator, self.discriminator, self.contrast):
            part.to(device)
        makers = [*self.generator.parameters(), *self.contrast.parameters()]
        adam = partial(torch.optim.Adam, lr=params.lr, betas=(0.5, 0.999))  # as in CUT
        self.optimizers = adam(self.discriminator.parameters()), adam(makers)

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return copies of the weights of the generator."""
        state = self.generator.state_dict()
        return {name: part.cpu().numpy().copy() for name, part in state.items()}

    def step(self, source: Tensor, target: Tensor, rng: np.random.Generator) -> Tensor:
        """Improve the discriminator, then the generator; return the losses in this order."""
        params = self.params
        source, of_source = crop(source, params.n_frames, rng)
        target, of_target = crop(target, params.n_frames, rng)
        translated = source + self.generator(source, of_source)
        discriminator = 0.5 * (
            self._distance(target, of_target, 1) + self._distance(translated.detach(), of_source, 0)
        )
        self._minimise(discriminator, self.optimizers[0])
        adversarial = self._distance(translated, of_source, 1)
        encode = self.generator.encoder
        levels = encode(translated, of_source)[1:], encode(source, of_source)[1:]
        contrast = self.contrast(*levels, rng)
        identity = masked_mean(self.generator(target, of_target).abs(), of_target)
        loss = params.trade_off * adversarial + params.contrast_weight * contrast
        self._minimise(loss + params.identity_weight * identity, self.optimizers[1])
        return torch.stack([discriminator, adversarial, contrast, identity]).detach()

    def _distance(self, X: Tensor, mask: Tensor, value: float) -> Tensor:
        """Mean squared difference between the scores of patches and a value."""
        scores, mask = self.discriminator(X, mask)
        return masked_mean((scores - value).square(), mask)

    def _minimise(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _standard(parts: list[NDArray[Any]]) -> tuple[float, float]:
    """Return mean and standard deviation of all entries but padding; of constants, 1."""
    peak = max(float(np.nanmax(np.abs(part))) for part in parts) or 1.0
    values = np.concatenate([part[~np.isnan(part)] / peak for part in parts], dtype=np.float64)
    return float(values.mean() * peak), float(values.std() * peak) or 1.0


def _hold_out(X: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return the rows to train on, and those to judge by: the same ones if there are too few."""
    n_held = int(share * len(X))
    order = torch.from_numpy(rng.permutation(len(X))).to(X.device)
    return X[order[n_held:]], X[order[: n_held or None]]


def _residual(generator: Generator, X: Tensor) -> Tensor:
    mask = frame_mask(X)
    return generator(X.masked_fill(~mask.unsqueeze(1), 0.0), mask)


@torch.no_grad()
def _discrepancy(generator: Generator, source: Tensor, target: Tensor) -> float:
    """MMD between summaries of translated source and of target recordings."""
    parts = [part + _residual(generator, part) for part in source.split(_BLOCK)]
    rows, others = _summaries(torch.cat(parts)), _summaries(target)
    spread = others.std(dim=0, correction=0).clamp_min(1e-3)
    return float(MMD()(rows / spread, others / spread))


def _summaries(X: Tensor) -> Tensor:
    """Mean, deviation and root mean squared step over the frames of each bin, side by side."""
    mask = frame_mask(X).unsqueeze(1)
    X, n_frames = X.masked_fill(~mask, 0.0), mask.sum(dim=2)
    mean = X.sum(dim=2) / n_frames
    variance = ((X - mean.unsqueeze(2)) * mask).square().sum(dim=2) / n_frames
    steps = (X.diff(dim=2) * mask[:, :, 1:]).square().sum(dim=2) / n_frames
    return torch.cat([mean, variance.sqrt(), steps.sqrt()], dim=1)
