// The client that was generated after answers got new fields.

import assert from "node:assert/strict";

import { use } from "./scenario.js";
import type { components } from "./schema.js";

/** The fields as the types have them; a service of before does not send them. */
interface Added {
  added_text?: string;
  added_object?: components["schemas"]["Addition"];
  added_list?: components["schemas"]["Addition"][];
}

const [address = "", secret = "", values = ""] = process.argv.slice(2);
const added: Added = JSON.parse(values);

const { prediction, record, page, predictions, problem } = await use(address, secret);
// An object without any of the fields would not be taken here: its type has nothing in common with the other.
const answers: Added[] = [prediction, record, record.input, page, predictions, problem];
answers.push(...page.predictions, ...predictions.predictions, ...(problem.errors ?? []));
for (const answer of answers) {
  assert.equal(answer.added_text, added.added_text);
  assert.equal(answer.added_object?.number, added.added_object?.number);
  assert.deepEqual(answer.added_list?.map(({ name }) => name), added.added_list?.map(({ name }) => name));
}
