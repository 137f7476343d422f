"""The classifier that the Python services serve: scikit-learn's, with data and layers as ours."""

import pandas
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["sepal_width", "sepal_length", "petal_width", "petal_length"]


def flowers() -> tuple[pandas.DataFrame, pandas.Series]:
    """The measurements in centimeters, and the class of each flower."""
    data = load_iris(as_frame=True)
    named = data.data.rename(columns=lambda name: name.replace(" (cm)", "").replace(" ", "_"))
    return named[FEATURES], data.target


def untrained() -> Pipeline:
    layers = MLPClassifier((16, 16), max_iter=2000, random_state=0)
    return make_pipeline(StandardScaler(), layers)
