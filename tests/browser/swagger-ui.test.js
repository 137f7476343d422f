// The page at /docs, as somebody who tries the service for the first time meets it.

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";

import { withPage } from "./browser.js";
import { execute, tryPredict } from "./operation.js";
import { withKeyedService, withService } from "./service.js";

test("trying POST /predict as the page opens puts a prediction on the record", async () => {
  await withDocs(async ({ address, page, complaints }) => {
    const predict = await tryPredict(page);
    const { status, body } = await execute(predict);
    assert.equal(status, 200);
    assert(Number.isInteger(body.iris_class), `iris_class is ${body.iris_class}`);
    assert.equal(body.species, ["setosa", "versicolor", "virginica"][body.iris_class]);

    const { predictions } = await (await fetch(`${address}/predictions`)).json();
    assert.deepEqual(predictions.map((record) => record.id), [body.id]);
    assert.equal(predictions[0].iris_class, body.iris_class);
    assert.deepEqual(complaints, []);
    if (process.env.SCREENSHOT) await screenshot(page, predict);
  });
});

test("a value that cannot be is refused where one can see it, and leaves no trace", async () => {
  await withDocs(async ({ address, page, complaints }) => {
    const predict = await tryPredict(page);
    const input = predict.locator("textarea.body-param__text");
    const row = JSON.parse(await input.inputValue());
    await input.fill(JSON.stringify({ ...row, petal_length: -1 }));
    const { status, body } = await execute(predict);
    assert.equal(status, 422);
    assert.deepEqual(body.errors.map((error) => error.pointer), ["/petal_length"]);

    const { predictions } = await (await fetch(`${address}/predictions`)).json();
    assert.deepEqual(predictions, []);
    // Chromium itself notes a failed request.
    assert.equal(complaints.length, 1);
    assert.match(complaints[0], /status of 422/);
  });
});

test("everything on the page can be opened, and nothing of it is forbidden", async () => {
  await withDocs(async ({ address, page, complaints }) => {
    const { paths } = await (await fetch(`${address}/openapi.json`)).json();
    const operations = page.locator(".opblock");
    const documented = Object.values(paths).flatMap(Object.keys).length;
    assert.equal(await operations.count(), documented);
    for (const operation of await operations.all()) {
      await operation.locator(".opblock-summary-control").click();
      await operation.getByRole("button", { name: "Try it out" }).click();
      for (const tab of await operation.getByRole("tab", { name: "Schema" }).all()) await tab.click();
    }
    await page.locator(".models-control").click();
    const models = await page.locator(".models .model-container .model-box-control").all();
    assert(models.length > 0);
    for (const model of models) await model.click();
    assert.deepEqual(complaints, []);
  });
});

test("what the page does not hold does not run", async () => {
  await withDocs(async ({ page }) => {
    const { forbidden, ran } = await page.evaluate(async () => {
      const script = document.createElement("script");
      script.text = "window.intruder = true";
      const image = document.createElement("img");
      image.setAttribute("onerror", "window.intruder = true");
      image.src = "data:,";
      const forbidden = [];
      await new Promise((resolve) => {
        document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
          if (forbidden.push(effectiveDirective) === 2) resolve();
        });
        document.body.append(script, image);
      });
      return { forbidden, ran: "intruder" in window };
    });
    assert.deepEqual(forbidden.sort(), ["script-src-attr", "script-src-elem"]);
    assert.equal(ran, false);
  });
});

test("where there are keys, one can be shown by the button that says so", async () => {
  await withKeyedService(["predict"], (address, secret) =>
    onDocs(address, async ({ page, complaints }) => {
      const predict = await tryPredict(page);
      assert.equal((await execute(predict)).status, 401);

      await page.locator(".auth-wrapper .authorize").click();
      const dialog = page.locator(".dialog-ux");
      await dialog.locator("input").fill(secret);
      await dialog.getByRole("button", { name: "Apply credentials" }).click();
      await dialog.getByRole("button", { name: "Close" }).last().click();
      assert.equal((await execute(predict, 200)).status, 200);
      // Chromium itself notes a failed request.
      assert.equal(complaints.length, 1);
      assert.match(complaints[0], /status of 401/);
    }),
  );
});

test("a name that is made to mean this machine opens nothing without keys", async () => {
  await withService(async (address) => {
    const name = "evil.example";
    const evil = address.replace("127.0.0.1", name);
    const open = async (page, path) => (await page.goto(`${evil}${path}`)).json();
    await withPage(
      evil,
      async (page) => {
        for (const path of ["/predictions", "/docs", "/"]) {
          const { status, code } = await open(page, path);
          assert.deepEqual([status, code], [403, "host_not_allowed"], path);
        }
      },
      [name],
    );
  });
});

/** Calls `use` with the page at /docs of a service of its own. */
async function withDocs(use) {
  await withService((address) => onDocs(address, use));
}

/** Calls `use` with the page at /docs of this service. */
async function onDocs(address, use) {
  await withPage(address, async (page, complaints) => {
    await page.goto(`${address}/docs`);
    assert.equal(await page.title(), "Onrecord");
    await use({ address, page, complaints });
  });
}

/** Takes a picture of the page from its top to the end of the answer; SCREENSHOT says where to. */
async function screenshot(page, operation) {
  // npm runs us elsewhere than where it was called.
  const path = resolve(process.env.INIT_CWD ?? "", process.env.SCREENSHOT);
  const answer = operation.locator(".live-responses-table .response .highlight-code").first();
  await answer.getByText("warnings").waitFor();
  await page.mouse.move(0, 0);
  const { y, height } = await answer.boundingBox();
  const top = await page.evaluate(() => window.scrollY);
  const clip = { x: 0, y: 0, width: 1280, height: Math.ceil(top + y + height + 9) };
  await page.screenshot({ path, fullPage: true, clip, animations: "disabled" });
}
