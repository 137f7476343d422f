"""Our trained network, read from its file, in the terms of each library."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors import safe_open
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler


@dataclass(frozen=True)
class Network:
    """Standardization, then dense layers with ReLU between them, then softmax. All float32."""

    mean: np.ndarray
    scale: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray]]
    """Weights, `(n_out, n_in)`, and biases."""


def load(file: Path) -> Network:
    with safe_open(file, framework="numpy") as tensors:
        manifest = json.loads(tensors.metadata()["manifest"])
        layers = [
            (tensors.get_tensor(f"layers.{i}.weight"), tensors.get_tensor(f"layers.{i}.bias"))
            for i, _ in enumerate(pairwise(manifest["layers"]))
        ]
    features = manifest["features"]
    mean = np.array([feature["mean"] for feature in features], np.float32)
    scale = np.array([feature["scale"] for feature in features], np.float32)
    return Network(mean, scale, layers)


def to_onnx(network: Network) -> bytes:
    """A graph with the input `rows` and the output `probabilities`."""
    constants = {"mean": network.mean, "scale": network.scale}
    nodes = [
        helper.make_node("Sub", ["rows", "mean"], ["centered"]),
        helper.make_node("Div", ["centered", "scale"], ["hidden0"]),
    ]
    last = len(network.layers) - 1
    for i, (weight, bias) in enumerate(network.layers):
        constants |= {f"weight{i}": weight, f"bias{i}": bias}
        inputs = [f"hidden{i}", f"weight{i}", f"bias{i}"]
        nodes.append(helper.make_node("Gemm", inputs, [f"sum{i}"], transB=1))
        if i < last:
            nodes.append(helper.make_node("Relu", [f"sum{i}"], [f"hidden{i + 1}"]))
    nodes.append(helper.make_node("Softmax", [f"sum{last}"], ["probabilities"], axis=1))
    n_in, n_out = len(network.mean), len(network.layers[-1][1])
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", n_in])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", n_out])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    # Versions that every current release of onnxruntime reads.
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="peers"
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


class Module(torch.nn.Module):
    """The network as PyTorch's."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(network.mean))
        self.register_buffer("scale", torch.from_numpy(network.scale))
        modules: list[torch.nn.Module] = []
        for weight, bias in network.layers:
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
            linear.weight.data = torch.from_numpy(weight)
            linear.bias.data = torch.from_numpy(bias)
            modules += [linear, torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*modules[:-1], torch.nn.Softmax(dim=1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.layers((rows - self.mean) / self.scale)


def to_sklearn(network: Network) -> Pipeline:
    """A pipeline as if it had been trained to this."""
    n_in, n_out = len(network.mean), len(network.layers[-1][1])
    scaler = StandardScaler()
    scaler.mean_, scaler.scale_, scaler.var_ = network.mean, network.scale, network.scale**2
    scaler.n_features_in_ = n_in
    hidden = tuple(len(bias) for _, bias in network.layers[:-1])
    classifier = MLPClassifier(hidden)
    classifier.coefs_ = [np.ascontiguousarray(weight.T) for weight, _ in network.layers]
    classifier.intercepts_ = [bias for _, bias in network.layers]
    classifier.n_features_in_, classifier.n_outputs_ = n_in, n_out
    classifier.n_layers_ = len(network.layers) + 1
    classifier.out_activation_ = "softmax"
    classifier.classes_ = np.arange(n_out)
    classifier._label_binarizer = LabelBinarizer().fit(classifier.classes_)
    return make_pipeline(scaler, classifier)
