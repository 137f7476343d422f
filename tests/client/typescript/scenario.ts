// The service through a generated client: what a client of before and one of after do alike.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";

import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];

/** One of each kind of object that was answered. */
export interface Answers {
  prediction: Schemas["Prediction"];
  record: Schemas["Record"];
  page: Schemas["Page"];
  predictions: Schemas["Predictions"];
  problem: Schemas["Problem"];
}

/** Predicts through the client, and reads the record back. */
export async function use(address: string, secret: string): Promise<Answers> {
  const client = createClient<paths>({ baseUrl: address, headers: { Authorization: `Bearer ${secret}` } });
  const flower = { sepal_width: 3.5, sepal_length: 5.1, petal_width: 0.2, petal_length: 1.4 };

  const prediction = answered(await client.POST("/predict", { body: flower }));
  assert.deepEqual([prediction.iris_class, prediction.species], [0, "setosa"]);

  const record = answered(await client.GET("/predictions/{id}", { params: { path: { id: prediction.id } } }));
  assert.equal(record.id, prediction.id);
  assert.equal(record.timestamp, prediction.timestamp);
  const { sepal_width, sepal_length, petal_width, petal_length } = record.input;
  assert.deepEqual({ sepal_width, sepal_length, petal_width, petal_length }, flower);
  assert.deepEqual(record.probabilities, prediction.probabilities);
  assert.equal(record.truth, null);

  const page = answered(await client.GET("/predictions", { params: { query: { limit: 1 } } }));
  assert.deepEqual(page.predictions.map(({ id }) => id), [prediction.id]);

  const predictions = answered(await client.POST("/predict/batch", { body: { instances: [flower, flower, flower] } }));
  assert.deepEqual(predictions.predictions.map((row) => row.iris_class), [0, 0, 0]);

  const { error: problem, response } = await client.POST("/predict", { body: { ...flower, petal_length: -1 } });
  assert(problem, "a length below zero was taken");
  assert.equal(response.status, 422);
  assert.deepEqual(problem.errors?.map(({ pointer }) => pointer), ["/petal_length"]);

  return { prediction, record, page, predictions, problem };
}

/** The data of an answer that must not be a problem. */
function answered<Data>({ data, error }: { data?: Data; error?: Schemas["Problem"] }): Data {
  assert(data !== undefined, JSON.stringify(error));
  return data;
}
