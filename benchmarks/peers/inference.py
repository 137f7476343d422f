"""Measures our weights in other libraries: `inference.py --weights DIRECTORY [--seconds N]`.

Prints nanoseconds per row as JSON, by library and by rows per batch. Each library runs on one
thread and gets an array that is ready, float32 and contiguous; its answer is the probabilities.
That they are those of our model is checked first. Where a library can be called in several ways,
the fastest counts; standard error says which.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from threadpoolctl import threadpool_limits

import network as networks
from network import Network

BATCHES = [1, 256, 1024, 10_000]
REPEATS = 9
TOLERANCE = 1e-5

Run = Callable[[], np.ndarray]
"""One forward pass of rows that were handed over before."""
Ways = dict[str, Callable[[np.ndarray], Run]]
"""How a library can be called, each given the rows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="the directory of the model")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure")
    arguments = parser.parse_args()
    network = networks.load(arguments.weights / "iris-mlp.safetensors")
    golden = json.loads((arguments.weights / "golden.json").read_text())
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    with threadpool_limits(1), torch.inference_mode():
        libraries = {
            "onnxruntime": onnxruntime(network),
            "pytorch": pytorch(network),
            "sklearn": sklearn(network),
        }
        inputs = np.array([flower["input"] for flower in golden], np.float32)
        expected = np.array([flower["probabilities"] for flower in golden])
        for name, ways in libraries.items():
            for way, prepare in ways.items():
                check(f"{name}, {way}", prepare(inputs)(), expected)
        figures = {
            name: {str(n): fastest(name, ways, inputs, n, arguments.seconds) for n in BATCHES}
            for name, ways in libraries.items()
        }
    print(json.dumps(figures))


def onnxruntime(network: Network) -> Ways:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    graph = networks.to_onnx(network)
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def plain(rows: np.ndarray) -> Run:
        return lambda: session.run(["probabilities"], {"rows": rows})[0]

    def bound(rows: np.ndarray) -> Run:
        """Input and output stay where they are: nothing is allocated or handed over."""
        output = np.empty((len(rows), len(network.layers[-1][1])), np.float32)
        binding = session.io_binding()
        # `rows` is held by the binding's value.
        binding.bind_ortvalue_input("rows", ort.OrtValue.ortvalue_from_numpy(rows))
        binding.bind_output("probabilities", "cpu", 0, np.float32, output.shape, output.ctypes.data)

        def run() -> np.ndarray:
            session.run_with_iobinding(binding)
            return output

        return run

    return {"run": plain, "run_with_iobinding": bound}


def pytorch(network: Network) -> Ways:
    module = networks.Module(network).eval()

    def eager(rows: np.ndarray) -> Run:
        tensor = torch.from_numpy(rows)
        return lambda: module(tensor).numpy()

    return {"eager": eager}


def sklearn(network: Network) -> Ways:
    pipeline = networks.to_sklearn(network)
    return {"predict_proba": lambda rows: lambda: pipeline.predict_proba(rows)}


def check(name: str, found: np.ndarray, expected: np.ndarray) -> None:
    """A comparison of different networks would say nothing."""
    difference = np.abs(found - expected).max()
    if found.shape != expected.shape or not difference <= TOLERANCE:
        sys.exit(f"{name} is off by {difference} from the model's golden outputs")


def fastest(name: str, ways: Ways, inputs: np.ndarray, n: int, seconds: float) -> float:
    """Nanoseconds per row of the fastest way to call a library."""
    rows = np.ascontiguousarray(np.resize(inputs, (n, inputs.shape[1])))
    figures = {way: measure(prepare(rows), seconds) / n for way, prepare in ways.items()}
    best = min(figures, key=figures.__getitem__)
    said = ", ".join(f"{way} {figure:.1f}" for way, figure in figures.items())
    print(f"{name}, {n} rows: {said} ns per row; {best} counts", file=sys.stderr)
    return figures[best]


def measure(run: Run, seconds: float) -> float:
    """Nanoseconds per call: the median of repeats that take `seconds` together."""
    calls = 1
    while (taken := timed(run, calls)) < seconds * 1e9 / REPEATS / 2:
        calls *= 2
    calls = max(1, round(calls * seconds * 1e9 / REPEATS / taken))
    return statistics.median(timed(run, calls) / calls for _ in range(REPEATS))


def timed(run: Run, calls: int) -> int:
    """Nanoseconds that a number of calls take."""
    start = time.perf_counter_ns()
    for _ in range(calls):
        run()
    return time.perf_counter_ns() - start


if __name__ == "__main__":
    main()
