"""Trains the classifier and writes it as an ONNX graph: `to_onnx.py FILE`."""

import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classifier import flowers, untrained  # noqa: E402


def main() -> None:
    measurements, classes = flowers()
    model = untrained().fit(measurements.to_numpy(), classes)
    row = np.zeros((1, len(measurements.columns)), np.float32)
    graph = to_onnx(model, row, options={"zipmap": False})
    Path(sys.argv[1]).write_bytes(graph.SerializeToString())


if __name__ == "__main__":
    main()
