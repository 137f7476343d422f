"""The tutorial's service: FastAPI, MLflow's pyfunc model, SQLAlchemy, two commits per request."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import mlflow
import pandas as pd
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import Column, DateTime, Float, Integer, create_engine
from sqlalchemy.orm import Session, declarative_base, sessionmaker

engine = create_engine(os.environ["DATABASE_URL"])
SessionLocal = sessionmaker(autoflush=False, bind=engine)
Base = declarative_base()


class RawData(Base):
    __tablename__ = "raw_data"
    id = Column(Integer, primary_key=True, index=True)
    timestamp = Column(DateTime)
    sepal_width = Column(Float)
    sepal_length = Column(Float)
    petal_width = Column(Float)
    petal_length = Column(Float)


class Prediction(Base):
    __tablename__ = "prediction"
    id = Column(Integer, primary_key=True, index=True)
    timestamp = Column(DateTime)
    iris_class = Column(Integer)


class PredictIn(BaseModel):
    sepal_width: float
    sepal_length: float
    petal_width: float
    petal_length: float


class PredictOut(BaseModel):
    iris_class: int


Base.metadata.create_all(bind=engine)
app = FastAPI()
MODEL = mlflow.pyfunc.load_model(os.environ["MODEL"])


def get_db() -> Iterator[Session]:
    with SessionLocal() as db:
        yield db


@app.post("/predict", response_model=PredictOut)
def predict(data: PredictIn, db: Session = Depends(get_db)) -> PredictOut:
    now = datetime.now(UTC).replace(tzinfo=None)
    label = int(MODEL.predict(pd.DataFrame([data.model_dump()]))[0])
    raw_data = RawData(timestamp=now, **data.model_dump())
    db.add(raw_data)
    db.commit()
    db.refresh(raw_data)
    prediction = Prediction(timestamp=now, iris_class=label)
    db.add(prediction)
    db.commit()
    db.refresh(prediction)
    return PredictOut(iris_class=label)
