"""Trains the classifier and dumps it as MLServer loads it: `train.py FILE`."""

import sys
from pathlib import Path

import joblib

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classifier import flowers, untrained  # noqa: E402


def main() -> None:
    measurements, classes = flowers()
    # Without names for the columns: MLServer hands over plain arrays.
    joblib.dump(untrained().fit(measurements.to_numpy(), classes), sys.argv[1])


if __name__ == "__main__":
    main()
