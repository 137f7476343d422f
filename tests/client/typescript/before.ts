// The client that was generated before answers got new fields.

import assert from "node:assert/strict";

import { use } from "./scenario.js";

const [address = "", secret = "", values = ""] = process.argv.slice(2);
const added: Record<string, unknown> = JSON.parse(values);

const { prediction, record, page, predictions, problem } = await use(address, secret);
const answers: object[] = [prediction, record, record.input, page, predictions, problem];
answers.push(...page.predictions, ...predictions.predictions, ...(problem.errors ?? []));
for (const answer of answers) {
  // Fields that the types do not know are passed on nevertheless.
  const unknown = Object.fromEntries(Object.entries(answer).filter(([name]) => name.startsWith("added_")));
  assert.deepEqual(unknown, added);
}
