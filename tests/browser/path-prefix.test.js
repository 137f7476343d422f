// The page behind a proxy that serves the service under a path of its own.

import assert from "node:assert/strict";
import { test } from "node:test";

import { withPage } from "./browser.js";
import { execute, tryPredict } from "./operation.js";
import { withProxy } from "./proxy.js";
import { withService } from "./service.js";

const PREFIX = "/iris";

test("behind a path prefix, trying POST /predict asks for it under the prefix", async () => {
  await withPrefix(async ({ address, origin, page, asked, complaints }) => {
    await page.goto(`${origin}${PREFIX}/docs`);
    const predict = await tryPredict(page);
    const { status, body } = await execute(predict);
    assert.equal(status, 200);
    assert.deepEqual(asked, [`GET ${PREFIX}/docs`, `POST ${PREFIX}/predict`]);
    // The commands that the page offers for copying have the prefix too.
    assert.equal(await predict.locator(".request-url pre").innerText(), `${origin}${PREFIX}/predict`);
    assert.match(await predict.locator(".curl-command").innerText(), new RegExp(`'${origin}${PREFIX}/predict'`));

    const { predictions } = await (await fetch(`${address}/predictions`)).json();
    assert.deepEqual(predictions.map(({ id }) => id), [body.id]);
    assert.deepEqual(complaints, []);
  });
});

test("behind a path prefix, every way to the page leads to the page there, and no link of it leads out", async () => {
  await withPrefix(async ({ origin, page, asked, complaints }) => {
    for (const way of ["/", "/docs/"]) {
      asked.length = 0;
      await page.goto(`${origin}${PREFIX}${way}`);
      assert.equal(page.url(), `${origin}${PREFIX}/docs`);
      assert.equal(await page.title(), "Onrecord");
      assert.deepEqual(asked, [`GET ${PREFIX}${way}`, `GET ${PREFIX}/docs`]);
    }
    await page.locator(".opblock").first().waitFor();
    const links = await page.locator("a[href]").evaluateAll((links) => links.map(({ href }) => href));
    const own = links.filter((link) => link.startsWith(origin));
    assert(own.length > 0);
    assert.deepEqual(own.filter((link) => !link.startsWith(`${origin}${PREFIX}/`)), []);
    assert.deepEqual(complaints, []);
  });
});

/** Calls `use` with the address of a service of its own, and a page that knows it under the prefix alone. */
async function withPrefix(use) {
  await withService((address) =>
    withProxy(address, PREFIX, (origin, asked) =>
      withPage(origin, (page, complaints) => use({ address, origin, page, asked, complaints })),
    ),
  );
}
