// The form of the page at /docs: on a telephone, in the dark, without keys and with them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { withPage } from "./browser.js";
import { paleTexts } from "./legibility.js";
import { withKeyedService, withService } from "./service.js";

const TELEPHONE = { viewport: { width: 390, height: 844 } };

for (const colorScheme of ["light", "dark"]) {
  test(`on a telephone, in ${colorScheme} colors, nothing sticks out and every text can be read`, async () => {
    await withDocs({ ...TELEPHONE, colorScheme }, async (page, complaints) => {
      assert.equal(await isDark(page), colorScheme === "dark");
      for (const operation of await page.locator(".opblock").all()) {
        await operation.locator(".opblock-summary-control").click();
        await operation.getByRole("button", { name: "Try it out" }).click();
        await operation.getByRole("button", { name: "Execute" }).waitFor();
        assert.equal(await width(page), 390, await operation.getAttribute("id"));
      }
      await execute(page);
      await page.locator(".models-control").click();
      assert.equal(await width(page), 390);
      assert.deepEqual(await paleTexts(page, 4.5), []);
      assert.deepEqual(complaints, []);
    });
  });
}

test("the colors follow those of the machine", async () => {
  await withDocs({ colorScheme: "light" }, async (page) => {
    assert.equal(await isDark(page), false);
    for (const colorScheme of ["dark", "light"]) {
      await change(page, colorScheme);
      assert.equal(await isDark(page), colorScheme === "dark");
    }
  });
});

test("the page begins at its top, and an operation with its body", async () => {
  await withDocs({}, async (page) => {
    assert((await top(page, ".info .title")) < 40);
    assert.equal(await page.locator(".models-control").getAttribute("aria-expanded"), "false");
    await open(page);
    const order = ["button.try-out__btn", "textarea.body-param__text", "tr[data-param-name=Idempotency-Key]", "button.execute"];
    const tops = [];
    for (const place of order) tops.push(await top(page, place));
    assert.deepEqual(tops.toSorted((a, b) => a - b), tops);
    await execute(page);
    await page.getByText("Request duration").waitFor();
    // No button lies on what is answered.
    const code = await page.locator(".live-responses-table .highlight-code code").first().boundingBox();
    assert((await top(page, ".live-responses-table .download-contents")) >= code.y + code.height);
    assert.equal(await page.locator(".response-col_links:visible").count(), 0);
    // All failures have one form; one of them shows it.
    assert.equal(await page.locator(".response:not([data-code^='2']) .model-example:visible").count(), 1);
  });
});

test("who has no keys sees no padlock, who has keys sees one at each operation that takes one", async () => {
  const marks = (page) => page.locator(":is(.authorize, .authorization__btn):visible").count();
  await withDocs({}, async (page) => assert.equal(await marks(page), 0));
  await withKeyedService(["predict"], (address) =>
    onDocs(address, TELEPHONE, async (page) => {
      const { paths } = await (await fetch(`${address}/openapi.json`)).json();
      const operations = Object.values(paths).flatMap(Object.values);
      const closed = operations.filter(({ security }) => security?.length);
      assert(closed.length > 0 && closed.length < operations.length);
      assert.equal(await marks(page), 1 + closed.length);
      await page.locator(".authorize").click();
      for (const colorScheme of ["light", "dark"]) {
        await change(page, colorScheme);
        assert.deepEqual(await paleTexts(page, 4.5), []);
      }
      assert.equal(await width(page), 390);
    }),
  );
});

/** Calls `use` with the page at /docs of a service of its own, in a browser with these settings. */
async function withDocs(settings, use) {
  await withService((address) => onDocs(address, settings, use));
}

/** The same for a service that is there already. */
async function onDocs(address, settings, use) {
  await withPage(
    address,
    async (page, complaints) => {
      await page.goto(`${address}/docs`);
      await page.locator(".opblock").first().waitFor();
      await use(page, complaints);
    },
    [],
    settings,
  );
}

/** Changes the colors of the machine, and waits until the page has them: it fades some in. */
async function change(page, colorScheme) {
  await page.emulateMedia({ colorScheme });
  await page.locator(colorScheme === "dark" ? "html.dark-mode" : "html:not(.dark-mode)").waitFor();
  await page.waitForFunction(() => document.getAnimations().length === 0);
}

/** Opens `POST /predict` for trying out. */
async function open(page) {
  const predict = page.locator("#operations-Predict-predict");
  await predict.locator(".opblock-summary-control").click();
  await predict.getByRole("button", { name: "Try it out" }).click();
}

/** Presses "Execute" of `POST /predict`, which is open, and waits for the answer. */
async function execute(page) {
  const predict = page.locator("#operations-Predict-predict");
  await predict.getByRole("button", { name: "Execute" }).click();
  await predict.locator(".live-responses-table .highlight-code").first().waitFor();
}

/** How far from the page's top the first of these begins, in pixels. */
async function top(page, selector) {
  const { y } = await page.locator(selector).first().boundingBox();
  return y + (await page.evaluate(() => window.scrollY));
}

/** How wide the page is that one can scroll over, in pixels. */
const width = (page) => page.evaluate(() => document.documentElement.scrollWidth);

/** Whether the ground of the page is rather black than white. */
const isDark = (page) =>
  page.evaluate(() => {
    const [red = 255, green = 255, blue = 255, alpha = 1] = getComputedStyle(document.documentElement)
      .backgroundColor.match(/[\d.]+/g)
      .map(Number);
    return alpha > 0 && red + green + blue < 3 * 64;
  });
