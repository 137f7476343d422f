// A browser that is on the machine already.

import assert from "node:assert/strict";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const APPLICATIONS = [
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/**
 * Calls `use` with an empty page and the list of what the page complained about, in words: errors, and what its policy
 * forbade. Afterwards, the page must have asked nobody but `origin` for anything. The browser takes `names` for names of this
 * machine, and has these settings of Playwright.
 */
export async function withPage(origin, use, names = [], settings = {}) {
  const browser = await chromium.launch({
    executablePath: executable(),
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--disable-sync",
      ...names.map((name) => `--host-resolver-rules=MAP ${name} 127.0.0.1`),
    ],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...settings });
    page.setDefaultTimeout(20_000);
    const elsewhere = [];
    const complaints = [];
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (["http:", "https:", "ws:", "wss:"].includes(url.protocol) && url.origin !== origin) {
        elsewhere.push(url.href);
      }
    });
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.exposeFunction("complain", (text) => complaints.push(text));
    await page.addInitScript(() =>
      document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sample }) =>
        window.complain(`the policy forbids ${effectiveDirective} ${blockedURI} ${sample}`),
      ),
    );
    await use(page, complaints);
    assert.deepEqual(elsewhere, [], "the page must not need the network");
  } finally {
    await browser.close();
  }
}

function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const directories = (process.env.PATH ?? "").split(delimiter);
  const places = NAMES.flatMap((name) => directories.map((directory) => join(directory, name)));
  const found = [...places, ...APPLICATIONS].find(isExecutable);
  assert(found, "there is no Chromium here: install one (Debian: apt install chromium), or set CHROMIUM to its path");
  return found;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
