"""Methods that `peers.py` compares; each is a function of the data and its parameters.

`peers.py` starts this script for one method, with an interpreter that has its library. A method
returns a dict of arrays. The script adds processor seconds, wall-clock seconds, the bytes that the
method adds to the process, and the peak memory of the process, as reported by Linux. The method
runs on a few rows first, so that imports and compilation do not count::

    python benchmarks/peer_methods.py LIBRARY METHOD data.npz answer.npz '{"parameter": 1.0}'
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

HIDDEN, EPOCHS, BATCH, RATE = 64, 20, 50, 1e-3  # 50 divides the rows: skada drops a rest
FEW = 30  # rows of each domain in the warm-up run
SLOPE = 0.01  # every weight of the linear discriminator that compares adversarial penalties


def stacked(data):
    """Stack the rows of both domains; the signs are skada's `sample_domain`."""
    sizes = len(data["X_src"]), len(data["X_tgt"])
    return np.concatenate([data["X_src"], data["X_tgt"]]), np.repeat([1, -2], sizes)


def single(data):
    """Return source and target in single precision, as networks take them."""
    return data["X_src"].astype(np.float32), data["X_tgt"].astype(np.float32)


def dense_tca(data, gamma, mu, n_components):
    """Compute TCA by its definition: all matrices, and LAPACK's generalised eigenproblem."""
    import scipy.linalg
    from sklearn.metrics.pairwise import rbf_kernel

    X, signs = stacked(data)
    n, K = len(X), rbf_kernel(X, gamma=gamma)
    e = np.where(signs > 0, 1 / np.sum(signs > 0), -1 / np.sum(signs < 0))
    H, L = np.eye(n) - 1 / n, np.outer(e, e)
    leading = [n - n_components, n - 1]
    problem = K @ H @ K, K @ L @ K + mu * np.eye(n)
    W = scipy.linalg.eigh(*problem, subset_by_index=leading)[1]
    return {"Z": K @ W, "W": W}


def our_transformer(data, name, **params):
    """Transform both domains."""
    import skdidan

    transformer = getattr(skdidan, name)(**params)
    Z_src = transformer.fit_transform(data["X_src"], X_tgt=data["X_tgt"])
    answer = {"Z": np.concatenate([Z_src, transformer.transform(data["X_tgt"])])}
    return answer | ({"W": transformer.weights_} if hasattr(transformer, "weights_") else {})


def our_kmm(data, **params):
    """Weigh the source."""
    from skdidan import KMM

    return {"weights": KMM(**params).fit(data["X_src"], X_tgt=data["X_tgt"]).weights_}


def our_penalty(data, name, **params):
    """Compute the penalty of the rows."""
    import torch

    import skdidan

    penalty, rows = getattr(skdidan, name)(**params), [*map(torch.tensor, single(data))]
    penalty(*rows)  # creates the lazy weights
    for weights in penalty.parameters():
        torch.nn.init.constant_(weights, SLOPE)
    return {"value": penalty(*rows).item()}


def our_network(data, name, seed, constant=False, **params):
    """Train a network, optionally with constant weight and learning rate; predict the target."""
    import skdidan
    from skdidan.neural import training

    if constant:
        training.ramp = training.cooldown = lambda *args, **kwargs: 1.0
    model = getattr(skdidan, name)(
        network_params={"hidden": [HIDDEN], "dropout": 0.0},
        loss="log_loss",
        class_weight=None,
        weight_decay=0.0,
        lr=RATE,
        max_epochs=EPOCHS,
        batch_size=BATCH,
        random_state=seed,
        **params,
    )
    model.fit(data["X_src"], data["y_src"], data["X_tgt"])
    return {"predicted": model.predict(data["X_tgt"])}


def skada_adapter(data, name, shuffled=False, exact=False, **params):
    """Transform both domains, optionally with shuffled rows or an exact eigensolver."""
    import skada

    if exact:
        np.linalg.eigh = np.linalg.eig
    adapter, (X, sample_domain) = getattr(skada, name)(**params), stacked(data)
    order = np.random.default_rng(0).permutation(len(X)) if shuffled else np.arange(len(X))
    answer = adapter.fit_transform(X[order], sample_domain=sample_domain[order])
    return {"Z": answer[np.argsort(order)]} | (
        {"W": adapter.eigvects_} if hasattr(adapter, "eigvects_") and not shuffled else {}
    )


def skada_kmm(data, **params):
    """Weigh the source."""
    from skada import KMMReweightAdapter

    X, sample_domain = stacked(data)
    adapter = KMMReweightAdapter(**params).fit(X, sample_domain=sample_domain)
    return {"weights": adapter.source_weights_}


def skada_loss(data, name, widths=None, squared=False):
    """Compute the penalty of the rows; `widths` are multiples of the mean squared distance."""
    import torch
    from skada.deep import losses

    rows, params, distances = [*map(torch.tensor, single(data))], {}, torch.cdist
    if widths is not None:
        mean = torch.nn.functional.pdist(torch.cat(rows)).square().mean().item()
        params["sigmas"] = [width * mean for width in widths]
    if squared:
        torch.cdist = lambda *pair: distances(*pair).square()
    value = getattr(losses, name)(*rows, **params).item()
    torch.cdist = distances
    return {"value": value}


def skada_dann_loss(data, own=False):
    """Compute the penalty of the rows, optionally with skada's own domain classifier."""
    import torch
    from skada.deep._adversarial import DANNLoss, DomainClassifier

    rows = [*map(torch.tensor, single(data))]
    if own:
        classifier = DomainClassifier(rows[0].shape[1])
    else:  # probability of the target; the other libraries use that of the source
        classifier = lambda X: torch.sigmoid(-SLOPE * (X.sum(dim=1) + 1))  # noqa: E731
    return {"value": DANNLoss()(*map(classifier, rows)).item()}


def skada_network(data, name, seed, plain=False, **params):
    """Train a network, optionally with the domain classifier of the other libraries."""
    import skada.deep
    import torch

    class Network(torch.nn.Sequential):
        def forward(self, X, sample_weight=None):  # skada passes weights
            return super().forward(X)

    torch.manual_seed(seed)
    (X, sample_domain), n_classes = stacked(data), int(data["y_src"].max()) + 1
    first, last = torch.nn.Linear(X.shape[1], HIDDEN), torch.nn.Linear(HIDDEN, n_classes)
    if plain:
        hidden, output = torch.nn.Linear(HIDDEN, 100), torch.nn.Linear(100, 1)
        layers = hidden, torch.nn.ReLU(), output, torch.nn.Sigmoid()
        params["domain_classifier"] = skada.deep.modules.DomainClassifier(HIDDEN)
        params["domain_classifier"].classifier = torch.nn.Sequential(*layers)
    net = getattr(skada.deep, name)(
        Network(first, torch.nn.ReLU(), last),
        layer_name="1",
        optimizer=torch.optim.Adam,
        lr=RATE,
        max_epochs=EPOCHS,
        batch_size=BATCH,
        train_split=None,
        verbose=0,
        **params,
    )
    X = X.astype(np.float32)
    net.fit(X, np.concatenate([data["y_src"], np.full(len(data["X_tgt"]), -1)]), sample_domain)
    return {"predicted": net.predict(X, sample_domain)}


def adapt_transformer(data, name, exact=False, **params):
    """Transform both domains, optionally with an exact eigensolver."""
    import scipy.linalg
    from adapt import feature_based

    if exact:
        scipy.linalg.eigh = scipy.linalg.eig
    method = getattr(feature_based, name)(verbose=0, **params)
    Z_src = method.fit_transform(data["X_src"], data["X_tgt"])
    answer = {"Z": np.concatenate([Z_src, method.transform(data["X_tgt"])])}
    return answer | ({"W": method.vectors_} if hasattr(method, "vectors_") else {})


def adapt_kmm(data, **params):
    """Weigh the source."""
    from adapt.instance_based import KMM

    return {"weights": KMM(verbose=0, **params).fit_weights(data["X_src"], data["X_tgt"])}


def keras_layers(*units, activation="linear"):
    """Make fully connected layers of these sizes; all but the last use ReLU."""
    import keras

    names = ["relu"] * (len(units) - 2) + [activation]
    dense = [keras.layers.Dense(*pair) for pair in zip(units[1:], names, strict=True)]
    return keras.Sequential([keras.Input([units[0]]), *dense])


def adapt_loss(data, name):
    """Compute the penalty of the rows: one training step at rate zero, with an identity encoder."""
    import keras
    from adapt import feature_based

    (X_src, X_tgt), n = single(data), data["X_src"].shape[1]
    networks = {"encoder": keras_layers(n, n), "task": keras_layers(n, 1)}
    networks["encoder"].set_weights([np.eye(n), np.zeros(n)])
    if name == "DANN":
        networks["discriminator"] = keras_layers(n, 1, activation="sigmoid")
        networks["discriminator"].set_weights([np.full((n, 1), SLOPE), np.full(1, SLOPE)])
    still = {"optimizer": keras.optimizers.SGD(0.0), "loss": "mse", "verbose": 0}
    model = getattr(feature_based, name)(**networks, Xt=X_tgt, **still)
    model.fit(X_src, data["y_src"], epochs=1, batch_size=len(X_src), verbose=0)
    return {"value": model.history_["disc_loss"][0]}


def adapt_network(data, name, seed, **params):
    """Train a network and predict the target; return how far the encoder's weights moved."""
    import keras
    from adapt import feature_based

    keras.utils.set_random_seed(seed)
    (X_src, X_tgt), n_classes = single(data), int(data["y_src"].max()) + 1
    networks = {
        "encoder": keras_layers(X_src.shape[1], HIDDEN, activation="relu"),
        "task": keras_layers(HIDDEN, n_classes),
    }
    if name == "DANN":
        networks["discriminator"] = keras_layers(HIDDEN, 100, 1, activation="sigmoid")
    model = getattr(feature_based, name)(
        **networks,
        Xt=X_tgt,
        optimizer=keras.optimizers.Adam(RATE),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        verbose=0,
        random_state=seed,
        **params,
    )
    one_hot = np.eye(n_classes, dtype=np.float32)[data["y_src"]]
    model.fit(X_src, one_hot, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    encoders = (encoder.get_weights() for encoder in (networks["encoder"], model.encoder_))
    moved = max(np.abs(after - before).max() for before, after in zip(*encoders, strict=True))
    return {"predicted": model.predict(X_tgt).argmax(axis=1), "moved": moved}


METHODS = {
    "numpy": {"TCA": dense_tca},
    "skdidan": {
        "transformer": our_transformer,
        "KMM": our_kmm,
        "penalty": our_penalty,
        "network": our_network,
    },
    "skada": {
        "transformer": skada_adapter,
        "KMM": skada_kmm,
        "penalty": skada_loss,
        "adversary": skada_dann_loss,
        "network": skada_network,
    },
    "adapt": {
        "transformer": adapt_transformer,
        "KMM": adapt_kmm,
        "penalty": adapt_loss,
        "network": adapt_network,
    },
}


def peak():
    """Return the peak memory [bytes] of the process since the last reset.

    ``ru_maxrss`` would not do: for a child it starts at the memory of its parent.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def main():
    """Run a method on a few rows, then on all; write its result, time and memory."""
    library, name, path, answer, params = sys.argv[1:]
    method, params = METHODS[library][name], json.loads(params)
    with np.load(path) as file:
        data = dict(file)
    method({key: array[:FEW] for key, array in data.items()}, **params)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # reset the peak
    before, clock, start = peak(), time.perf_counter(), time.process_time()
    result = method(data, **params)
    costs = {"seconds": time.process_time() - start, "clock": time.perf_counter() - clock}
    np.savez(answer, **costs, memory=peak() - before, peak=peak(), **result)


if __name__ == "__main__":
    main()
