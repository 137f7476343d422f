"""Generates a Python client from the document and uses it."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from service import keyed_service  # noqa: E402

GENERATED = ROOT / "target" / "generated-client"
PACKAGE = "onrecord_client"


def generate(document: Path) -> None:
    """Generates the package; what the generator cannot express is a failure."""
    programs = Path(sys.executable).parent
    # The generator formats with ruff, which it looks for in PATH.
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    GENERATED.mkdir(parents=True, exist_ok=True)
    command = [programs / "openapi-python-client", "generate", "--path", document, "--meta=none"]
    command += ["--output-path", GENERATED / PACKAGE, "--overwrite", "--fail-on-warning"]
    subprocess.run(command, env=environment, check=True)
    sys.path.insert(0, str(GENERATED))


def use(address: str, secret: str) -> None:
    """Predicts through the client, and reads the record back."""

    def operation(name: str) -> Callable[..., Any]:
        return importlib.import_module(f"{PACKAGE}.api.{name}").sync

    models = importlib.import_module(f"{PACKAGE}.models")
    client = importlib.import_module(PACKAGE).AuthenticatedClient(
        base_url=address, token=secret, raise_on_unexpected_status=True
    )
    flower = models.Measurements(
        sepal_width=3.5, sepal_length=5.1, petal_width=0.2, petal_length=1.4
    )

    prediction = operation("predict.predict")(client=client, body=flower)
    assert isinstance(prediction, models.Prediction), prediction
    assert (prediction.iris_class, prediction.species) == (0, "setosa"), prediction

    record = operation("record.get_prediction")(client=client, id=prediction.id)
    assert isinstance(record, models.Record), record
    assert record.id == prediction.id, record
    assert record.timestamp == prediction.timestamp, record
    assert record.input_.to_dict() == flower.to_dict(), record
    assert record.probabilities == prediction.probabilities, record
    assert record.truth is None, record

    page = operation("record.list_predictions")(client=client, limit=1)
    assert isinstance(page, models.Page), page
    assert [row.id for row in page.predictions] == [prediction.id], page

    flower.petal_length = -1.0
    problem = operation("predict.predict")(client=client, body=flower)
    assert isinstance(problem, models.Problem), problem
    assert [error.pointer for error in problem.errors] == ["/petal_length"], problem

    batch = models.Batch(instances=[models.Measurements(**record.input_.to_dict())] * 3)
    predictions = operation("predict.predict_batch")(client=client, body=batch)
    assert isinstance(predictions, models.Predictions), predictions
    assert [row.iris_class for row in predictions.predictions] == [0, 0, 0], predictions


if __name__ == "__main__":
    generate(ROOT / "openapi" / "openapi.json")
    with keyed_service() as (address, secret):
        use(address, secret)
    print("the generated client predicts, and reads the record")
