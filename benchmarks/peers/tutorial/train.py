"""Trains the tutorial's model and saves it as MLflow does: `train.py DIRECTORY`."""

import shutil
import sys
from pathlib import Path

import mlflow

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classifier import flowers, untrained  # noqa: E402


def main() -> None:
    directory = Path(sys.argv[1])
    measurements, classes = flowers()
    # With names for the columns, as the service hands them over.
    model = untrained().fit(measurements, classes)
    signature = mlflow.models.infer_signature(measurements, model.predict(measurements))
    shutil.rmtree(directory, ignore_errors=True)
    mlflow.sklearn.save_model(
        model, directory, signature=signature, serialization_format="cloudpickle"
    )


if __name__ == "__main__":
    main()
