"""What a careful Python team would write: FastAPI on uvloop, asyncpg's pool, onnxruntime.

One statement writes both rows.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, Request
from pydantic import BaseModel

SCHEMA = """
CREATE TABLE IF NOT EXISTS raw_data(
    id uuid PRIMARY KEY, timestamp timestamptz NOT NULL,
    sepal_width float8 NOT NULL, sepal_length float8 NOT NULL,
    petal_width float8 NOT NULL, petal_length float8 NOT NULL);
CREATE TABLE IF NOT EXISTS prediction(
    id uuid PRIMARY KEY, timestamp timestamptz NOT NULL, iris_class int NOT NULL)
"""

INSERT = """
WITH r AS (
    INSERT INTO raw_data(id, timestamp, sepal_width, sepal_length, petal_width, petal_length)
    VALUES ($1, $2, $3, $4, $5, $6))
INSERT INTO prediction(id, timestamp, iris_class) VALUES ($1, $2, $7)
"""


class PredictIn(BaseModel):
    sepal_width: float
    sepal_length: float
    petal_width: float
    petal_length: float


class PredictOut(BaseModel):
    id: uuid.UUID
    iris_class: int


options = ort.SessionOptions()
options.intra_op_num_threads = 1
model = ort.InferenceSession(os.environ["MODEL"], options)
LABEL = [model.get_outputs()[0].name]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], max_size=16) as pool:
        try:
            await pool.execute(SCHEMA)
        except asyncpg.UniqueViolationError:
            pass  # Another worker creates the tables at the same moment.
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
async def predict(data: PredictIn, request: Request) -> PredictOut:
    now, key = datetime.now(UTC), uuid.uuid4()
    row = [data.sepal_width, data.sepal_length, data.petal_width, data.petal_length]
    label = int(model.run(LABEL, {"X": np.array([row], dtype=np.float32)})[0][0])
    await request.app.state.pool.execute(INSERT, key, now, *row, label)
    return PredictOut(id=key, iris_class=label)
