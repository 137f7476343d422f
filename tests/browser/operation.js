// An operation on the page, as one who tries it out uses it.

/** Opens `POST /predict` for trying out; gives its part of the page. */
export async function tryPredict(page) {
  const predict = page.locator("#operations-Predict-predict");
  await predict.locator(".opblock-summary-control").click();
  await predict.getByRole("button", { name: "Try it out" }).click();
  return predict;
}

/** Presses "Execute"; gives the answer as the page shows it, which is one with this status if that is said. */
export async function execute(operation, status = "") {
  await operation.getByRole("button", { name: "Execute" }).click();
  const expected = operation.page().locator(".response-col_status", { hasText: `${status}` });
  const answer = operation.locator(".live-responses-table .response").filter({ has: expected });
  const shown = await answer.locator(".response-col_status").innerText();
  const body = await answer.locator(".response-col_description .highlight-code code").first().innerText();
  return { status: Number.parseInt(shown, 10), body: JSON.parse(body) };
}
