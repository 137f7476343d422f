"""A Python client, generated from a document."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from added import VALUES


def generate(document: Path, directory: Path, package: str) -> None:
    """Generates the package into the directory; what the generator cannot express is a failure."""
    programs = Path(sys.executable).parent
    # The generator formats with ruff, which it looks for in PATH.
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    directory.mkdir(parents=True, exist_ok=True)
    command = [programs / "openapi-python-client", "generate", "--path", document, "--meta=none"]
    command += ["--output-path", directory / package, "--overwrite", "--fail-on-warning"]
    subprocess.run(command, env=environment, check=True)
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def use(package: str, address: str, secret: str) -> list[Any]:
    """Predicts through the client, and reads the record back; gives one of each kind of object that was answered."""

    def operation(name: str) -> Callable[..., Any]:
        return importlib.import_module(f"{package}.api.{name}").sync

    models = importlib.import_module(f"{package}.models")
    client = importlib.import_module(package).AuthenticatedClient(
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
    measured = {name: getattr(record.input_, name) for name in flower.to_dict()}
    assert measured == flower.to_dict(), record
    assert record.probabilities == prediction.probabilities, record
    assert record.truth is None, record

    page = operation("record.list_predictions")(client=client, limit=1)
    assert isinstance(page, models.Page), page
    assert [row.id for row in page.predictions] == [prediction.id], page

    batch = models.Batch(instances=[models.Measurements(**measured)] * 3)
    predictions = operation("predict.predict_batch")(client=client, body=batch)
    assert isinstance(predictions, models.Predictions), predictions
    assert [row.iris_class for row in predictions.predictions] == [0, 0, 0], predictions

    flower.petal_length = -1.0
    problem = operation("predict.predict")(client=client, body=flower)
    assert isinstance(problem, models.Problem), problem
    assert [error.pointer for error in problem.errors] == ["/petal_length"], problem

    answers = [prediction, record, record.input_, page, page.predictions[0]]
    return answers + [predictions, predictions.predictions[0], problem, problem.errors[0]]


def check_before(answers: list[Any], is_later: bool) -> None:
    """The client knows nothing of the fields; what it does not know it keeps aside."""
    for answer in answers:
        assert not any(hasattr(answer, name) for name in VALUES), answer
        assert answer.additional_properties == (VALUES if is_later else {}), answer


def check_after(answers: list[Any], is_later: bool) -> None:
    """The client sees the fields where a service sends them, and that they are not there where none does."""
    for answer in answers:
        if is_later:
            assert answer.added_text == VALUES["added_text"], answer
            assert answer.added_object.to_dict() == VALUES["added_object"], answer
            assert [it.to_dict() for it in answer.added_list] == VALUES["added_list"], answer
        else:
            assert not any(getattr(answer, name) for name in VALUES), answer
        assert answer.additional_properties == {}, answer
