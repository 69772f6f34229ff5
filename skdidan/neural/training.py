"""The skorch net that adds penalties between source and target to the classification loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from typing import Any, Self

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch import callbacks as ready
from skorch.exceptions import SkorchException
from torch import Tensor, nn

from skdidan.neural.batches import ArrayRows, Batch, PairedBatches
from skdidan.neural.losses import SquaredError, classification_loss
from skdidan.neural.outputs import Outputs, join_outputs
from skdidan.neural.schedules import cooldown, ramp
from skdidan.neural.sharing import find_share
from skdidan.neural.terms import (
    BATCH_METHODS,
    LossTerms,
    PenaltyTerm,
    penalty_inputs,
    watches_batches,
)
from skdidan.reporting import warn_caller
from skdidan.torch_state import Generators, all_finite, copy_to_cpu, find_device

__all__ = [
    *("AdaptationNet", "Observer", "PenaltyTerm"),
    *("HELD_OUT", "load_net"),
]


HELD_OUT = (
    "skorch holds no rows out here: to score held-out rows of the source, set validation_fraction "
    "and monitor='source'; callbacks may watch the column 'monitor'."
)


class _TrainingEnd(Exception):
    """A callback requested to end the training."""


class Observer(ready.Callback):
    """Callback that never ends a training: an interrupt in it is the user's Ctrl-C."""


class AdaptationNet(NeuralNet):
    """Skorch net that is trained on paired batches under penalties.

    One step sends the stacked source and target rows through the module and minimises ::

        criterion(source logits, y_idx) + trade_off * ramp(epoch / max_epochs) * penalty

    The penalty is the weighted sum of its terms. The history holds each term under its own name,
    averaged over the batches of an epoch, and the learning rate of its first batch. The rate
    follows `cooldown`, unless `schedule` is None or an ``LRScheduler`` among the callbacks sets it.
    Pass `PairedBatches` as ``X`` to ``fit``. It trains up to `max_epochs` in the history, which a
    callback may load.

    Where a loss or an output is not finite, the weights of the last epoch with a finite loss are
    kept, with a warning. With `on_interrupt` "keep", Ctrl-C ends the training if an epoch is over.

    Pickles and copies hold the module and the criterion alone. Where the device is not there, they
    predict on the CPU.

    The module returns `Outputs`, or a tuple of logits and features, and the criterion takes logits
    and class indices. `penalties` holds a `PenaltyTerm` for each name in the history.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: nn.Module,
        *,
        n_classes: int,
        penalties: dict[str, PenaltyTerm],
        trade_off: float,
        lr: float,
        weight_decay: float,
        max_epochs: int,
        optimizer: type[torch.optim.Optimizer] = torch.optim.AdamW,
        optimizer_params: Mapping[str, Any] | None = None,
        schedule: str | None = "cooldown",
        augmentation: Callable[[Tensor], Tensor] | None = None,
        precision: str = "float32",
        is_compiled: bool = False,
        device: str = "cpu",
        callbacks: Any = None,
        on_interrupt: str = "raise",
        verbose: int = 0,
    ) -> None:
        super().__init__(
            module,
            criterion,
            optimizer=optimizer,
            optimizer__weight_decay=weight_decay,
            **{f"optimizer__{name}": value for name, value in (optimizer_params or {}).items()},
            lr=lr,
            max_epochs=max_epochs,
            train_split=None,
            callbacks=callbacks,
            device=device,
            verbose=verbose,
        )
        self.n_classes = n_classes
        self.penalties = penalties
        self.trade_off = trade_off
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.augmentation = augmentation
        self.precision = precision
        self.is_compiled = is_compiled
        self._compiled: Any = None  # the module for training, during a training
        self.on_interrupt = on_interrupt
        self.is_interrupted = False  # and kept, by Ctrl-C
        # Number of epochs and weights after them: of the last, and of the last with a finite loss.
        self._last: tuple[int, dict[str, Tensor]] | None = None
        self.finite: tuple[int, dict[str, Tensor]] | None = None
        self.generators: Generators | None = None  # that the training draws from
        self._terms = LossTerms()
        self._is_watched = True  # batch by batch, by a callback
        self._weight = 0.0  # of the penalties in the present epoch
        self._is_finite = False  # all weights, at the end of an epoch

    def get_default_callbacks(self) -> list[tuple[str, Any]]:
        """Return callbacks that time the epochs, average the loss terms, and may print them."""
        terms = [(name, ready.PassthroughScoring(name, on_train=True)) for name in self.columns()]
        log = [("print_log", ready.PrintLog())] if self.verbose else []  # else a table for nothing
        return [("epoch_timer", ready.EpochTimer()), *terms, *log]

    def columns(self) -> list[str]:
        """List the loss terms in the history."""
        penalties = [n for name, term in self.penalties.items() for n in term.names(name)]
        return ["train_loss", "classification_loss", *penalties, "trade_off"]

    def initialize_module(self) -> Self:
        """Register the penalties as a module, so that the optimizer trains their weights."""
        super().initialize_module()
        self.penalties_ = nn.ModuleList(term.penalty for term in self.penalties.values())
        return self

    def __reduce__(self) -> Any:
        """Keep what prediction needs, on the CPU: where it is loaded, a GPU may be missing."""
        module, criterion = copy_to_cpu((self.module_, self.criterion_))
        return load_net, (type(self), self.options(), module, criterion)

    def options(self) -> dict[str, Any]:
        """Return the parameters that prediction, and a copy, need."""
        return {name: getattr(self, name) for name in _SAVED}

    def on_epoch_begin(self, net: NeuralNet, dataset_train: Any = None, **kwargs: Any) -> None:
        """Begin an epoch in the history, set its learning rate, and prepare penalties."""
        super().on_epoch_begin(net, **kwargs)
        has_own = any(isinstance(callback, ready.LRScheduler) for _, callback in self.callbacks_)
        if self.schedule is not None and not has_own:
            lr = self.lr * cooldown(len(self.history) - 1, self.max_epochs)
            self.optimizer_.param_groups[0]["lr"] = lr
        self._weight = self.trade_off * ramp(len(self.history) / self.max_epochs)
        self._prepare_penalties(dataset_train)

    @torch.no_grad()
    def _prepare_penalties(self, batches: PairedBatches) -> None:
        """Give all rows of both domains to the penalties that prepare for an epoch."""
        terms = [term for term in self.penalties.values() if hasattr(term.penalty, "prepare")]
        if not terms or not self.trade_off:
            return
        outputs = self._evaluate(batches.source) + self._evaluate(batches.target)
        inputs = self._penalty_inputs(join_outputs(outputs), batches.y_idx, batches.corpora)
        for term in terms:
            layer = torch.cat([part.layer(term.on) for part in outputs])
            halves = layer.tensor_split([len(batches.source)])
            for name, value in term.prepare(halves, inputs).items():
                column = name if len(terms) == 1 else f"{name}_{term.on}"
                self.history.record(column, value)

    def get_split_datasets(self, X: PairedBatches, y: None = None, **fit_params: Any) -> Any:
        """Return the batches unsplit."""
        return X, None

    def get_iterator(self, dataset: Any, training: bool = False) -> Iterable[Any]:
        """Iterate over paired batches; leave other data to skorch."""
        if isinstance(dataset, PairedBatches):
            return dataset
        return super().get_iterator(dataset, training=training)

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Take a step for each batch; read the terms at the end, or for callbacks of batches."""
        if iterator is None:  # skorch's validation
            return
        self._is_watched = watches_batches(self.callbacks_)
        epoch = self.history[-1]
        try:
            for batch in iterator:
                self.notify("on_batch_begin", batch=batch, training=training)
                self._terms.begin(epoch["batches"])
                epoch.setdefault("lr", float(self.optimizer_.param_groups[0]["lr"]))
                step = step_fn(batch, **fit_params)
                self._terms.add(f"{prefix}_loss", step["loss"])
                self._terms.note(f"{prefix}_batch_size", len(batch.source))
                if self._is_watched:
                    self._read_terms()
                self.notify("on_batch_end", batch=batch, training=training, **step)
        except Exception:
            self._read_terms()  # the cause may be a loss that is not finite
            raise
        self._read_terms(all_finite(self.module_, self.device))
        self.history.record(f"{prefix}_batch_count", len(iterator))

    def train_step_single(self, batch: Batch, **fit_params: Any) -> dict[str, Tensor]:
        """Run one forward and one backward pass for both domains."""
        if not self.module_.training:  # for all layers: this takes a while
            self.module_.train()
        rows = torch.cat([batch.source, batch.target]) if len(batch.target) else batch.source
        outputs = self._train_outputs(rows)
        logits = outputs.logits[: len(batch.source)]
        loss = classification_loss(self.criterion_, logits, batch.y_idx, batch.weights)
        self._terms.add("classification_loss", loss)
        self._terms.note("trade_off", self._weight)
        if self.penalties:
            loss = self._penalise(loss, outputs, batch)
        self._backward(loss)
        return {"loss": loss, "y_pred": outputs.logits}

    def _penalise(self, loss: Tensor, outputs: Outputs, batch: Batch) -> Tensor:
        """Add the penalties to a loss, and keep their terms."""
        inputs = self._penalty_inputs(outputs, batch.y_idx, batch.corpora)
        halves: dict[int, tuple[Tensor, ...]] = {}  # by layer, which several penalties may share
        for name, term in self.penalties.items():
            layer = outputs.layer(term.on, local=term.local)
            if id(layer) not in halves:
                halves[id(layer)] = layer.tensor_split([len(batch.source)])
            values = term.values(halves[id(layer)], inputs)
            for part, value in zip(term.names(name), values, strict=True):
                self._terms.add(part, value)
                loss = loss + self._weight * term.weight * value
        return loss

    def _train_outputs(self, rows: Tensor) -> Outputs:
        """Augment rows, and evaluate the network at its precision for training."""
        rows, share = self._augment(rows), find_share()
        if share is not None:
            rows = share.split(rows)
        is_half = self.precision == "bf16"  # else float32, or that of an autocast around the fit
        with torch.autocast(rows.device.type, torch.bfloat16) if is_half else nullcontext():
            outputs = self._outputs(rows)
        outputs = outputs.float() if is_half else outputs
        return outputs if share is None else share.gather(outputs)

    def _backward(self, loss: Tensor) -> None:
        loss.backward()
        if (share := find_share()) is not None:
            share.sum_gradients(self.module_)
            share.copy_first(self.penalties_)

    def _augment(self, rows: Tensor) -> Tensor:
        if self.augmentation is None:
            return rows
        changed = self.augmentation(rows)
        if not isinstance(changed, Tensor) or changed.shape != rows.shape:
            got = tuple(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
            raise ValueError(
                f"augmentation must return a tensor of the shape of its rows, {tuple(rows.shape)}; "
                f"got {got}."
            )
        return changed.to(rows)

    def _penalty_inputs(
        self, outputs: Outputs, y_idx: Tensor, corpora: Tensor | None
    ) -> dict[str, Tensor | None]:
        is_regression = isinstance(self.criterion_, SquaredError)
        return penalty_inputs(outputs, y_idx, corpora, is_regression=is_regression)

    def _read_terms(self, *weights: Tensor) -> None:
        """Record the terms; raise a FloatingPointError for the first that is not finite.

        At the end of an epoch, also learn whether the weights are finite.
        """
        failed, flags = self._terms.read(*weights)
        self._is_finite = flags == [True]
        if self._last is not None and not (failed is not None and failed.is_first):
            self.finite, self._last = self._last, None
        if failed is not None:
            raise FloatingPointError(
                f"Training diverged in epoch {len(self.history)}: {failed.name} is {failed.value}. "
                f"Scale the features (CorpusScaler), or lower {self._causes()}."
            )

    def _causes(self) -> str:
        causes = f"lr={self.lr}, weight_decay={self.weight_decay} or trade_off={self.trade_off}"
        return causes if self.augmentation is None else f"{causes}, or check augmentation"

    def partial_fit(
        self, X: Any, y: None = None, classes: None = None, **fit_params: Any
    ) -> AdaptationNet:
        """Train; unlike skorch, re-raise KeyboardInterrupt so that Ctrl-C ends a whole search."""
        if not self.initialized_:
            self.initialize()
        self._give_generators(self.generators)
        self.notify("on_train_begin", X=X, y=y)
        if (share := find_share()) is not None:
            share.copy_first(self.module_)
        if self.history:  # a callback has loaded epochs
            self._is_finite = bool(all_finite(self.module_, self.device))
            self._remember()
        try:
            with suppress(_TrainingEnd):
                self.fit_loop(X, y, max(self.max_epochs - len(self.history), 0), **fit_params)
            # The recorded terms of a step precede its update, so the last one is still unchecked.
            self.check_outputs(self.outputs(X.source[:256]).logits, "its last step")
        except KeyboardInterrupt:
            with suppress(FloatingPointError):
                self._read_terms()
            kept = self._last or self.finite
            # Where batches are shared, the other processes would wait for this one.
            if self.on_interrupt == "raise" or kept is None or share is not None:
                raise
            self.is_interrupted = True
            self._return_to(*kept)
        except FloatingPointError as error:
            if self.finite is None:
                raise
            for stopping in self.early_stops():
                if stopping.best_model_weights_:
                    if stopping.best_epoch_ <= self.finite[0]:
                        self.finite = stopping.best_epoch_, stopping.best_model_weights_
                    stopping.best_epoch_, stopping.best_model_weights_ = self.finite
            self._return_to(*self.finite)
            text = f"{error} The weights of epoch {len(self.history)} are kept."
            warn_caller(text, ConvergenceWarning)
        self.notify("on_train_end", X=X, y=y)
        self._last = self.finite = self._compiled = None
        self._give_generators(None)
        return self

    def _give_generators(self, generators: Generators | None) -> None:
        for part in (*self.module_.modules(), *self.penalties_.modules()):
            if hasattr(part, "generators"):
                part.generators = generators

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Remember the weights."""
        super().on_epoch_end(net, **kwargs)
        self._remember()

    def early_stops(self) -> list[Any]:
        """List the callbacks that keep the weights of the best epoch."""
        return [each for _, each in self.callbacks_ if isinstance(each, ready.EarlyStopping)]

    def _remember(self) -> None:
        if self._is_finite:
            state = self.module_.state_dict()
            self._last = len(self.history), {name: part.clone() for name, part in state.items()}

    def check_outputs(self, outputs: Any, when: str) -> None:
        """Raise a FloatingPointError that says when the training diverged, if an output is."""
        if not math.isfinite(abs(outputs).sum()):
            raise FloatingPointError(
                f"Training diverged in {when}: the outputs are not finite. Lower {self._causes()}."
            )

    def _return_to(self, n_epochs: int, weights: dict[str, Tensor]) -> None:
        self.module_.load_state_dict(weights)
        del self.history[n_epochs:]

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks; those of skorch interrupt after an epoch to end the training."""
        getattr(self, method_name)(self, **cb_kwargs)
        if method_name in BATCH_METHODS and not self._is_watched:
            return
        for name, callback in self.callbacks_:
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt as interrupt:
                if method_name != "on_epoch_end" or isinstance(callback, Observer):
                    raise
                raise _TrainingEnd from interrupt
            except (KeyError, ValueError, SkorchException) as error:
                columns = sorted({column for epoch in self.history[-1:] for column in epoch})
                monitor = getattr(callback, "monitor", None)
                if not isinstance(monitor, str) or not columns or monitor in columns:
                    raise
                raise ValueError(
                    f"{name} of callbacks has monitor={monitor!r}, which is none of the columns "
                    f"{columns}. {HELD_OUT}"
                ) from error

    def evaluation_step(self, batch: Any, training: bool = False) -> tuple[Tensor, Tensor]:
        """Return logits and features as a plain tuple; skorch cannot move a named tuple."""
        logits, features = super().evaluation_step(batch, training=training)[:2]
        return logits, features

    @torch.no_grad()
    def outputs(self, X: Tensor | ArrayRows, batch_size: int = 256) -> Outputs:
        """Evaluate the network on rows (n_samples, ...), and return its outputs on the CPU."""
        outputs = join_outputs(self._evaluate(X, batch_size))
        return Outputs(outputs.logits.cpu(), outputs.features.cpu())

    def _evaluate(self, X: Tensor | ArrayRows, batch_size: int = 256) -> list[Outputs]:
        self.module_.eval()
        # Half precision would cost digits, and NumPy has no bfloat16.
        with torch.autocast(torch.device(self.device).type, enabled=False):
            return [self._outputs(rows) for rows in X.split(batch_size)]

    def infer(self, x: Any, **fit_params: Any) -> Any:
        """Evaluate the module, or its compiled form in training, which shares the weights."""
        if not (self.is_compiled and self.module_.training):
            return super().infer(x, **fit_params)
        if self._compiled is None:
            # Not for shapes that vary: torch then fails for some networks on the CPU.
            compiled: Any = torch.compile(self.module_, dynamic=False)
            self._compiled = compiled.__call__  # no module, which skorch would register
        try:
            return self._compiled(x.to(self.device))
        except Exception as error:
            error.add_note("The network was to be compiled for training: else set compile=False.")
            raise

    def _outputs(self, X: Tensor) -> Outputs:
        result = self.infer(X)
        is_pair = isinstance(result, Outputs) or (isinstance(result, tuple) and len(result) == 2)
        shapes = [tuple(part.shape) for part in result[:2]] if is_pair else type(result).__name__
        if not is_pair or len(shapes[1]) != 2 or shapes[0] != (len(X), self.n_classes):
            raise TypeError(
                f"{type(self.module_).__name__}.forward must return skdidan.Outputs, or a tuple of "
                f"logits and features of shapes ({len(X)}, {self.n_classes}) and ({len(X)}, "
                f"n_features); got {shapes}."
            )
        return Outputs(*result)


_SAVED = ("n_classes", "trade_off", "lr", "weight_decay", "max_epochs", "device", "verbose")


def load_net(
    cls: type[AdaptationNet], params: dict[str, Any], *modules: nn.Module
) -> AdaptationNet:
    """Make a net of a trained module and its criterion, as pickles and copies do."""
    try:
        find_device(params["device"])
    except ValueError:  # on another machine
        params["device"] = "cpu"
    return cls(*modules, penalties={}, **params).initialize()
