// The page of the API in Chromium, wide and on a telephone. VESTIBULE_URL and CHROMIUM as in inbox.test.mjs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const url = process.env.VESTIBULE_URL;
assert.ok(url, "VESTIBULE_URL must name a running `vestibule dev`, like http://127.0.0.1:7007");

const program = process.env.CHROMIUM ?? process.env.VESTIBULE_CHROMIUM ?? "/usr/bin/chromium";
let browser;

before(async () => {
  browser = await chromium.launch({ executablePath: program, args: ["--headless", "--no-sandbox", "--disable-gpu"] });
});
after(() => browser?.close());

async function opened(hash, options, use) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(error.message));
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).origin));
  await page.goto(`${url}/docs${hash}`);
  await page.locator("#operations:not([aria-busy])").waitFor();
  await use(page);
  assert.deepEqual(errors, []);
  assert.deepEqual([...new Set(asked)], [new URL(url).origin]);
  await context.close();
}

const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test("every operation of both descriptions is on the page, and can be found", async () => {
  const paths = [];
  for (const name of ["public.json", "proxy.json"]) {
    const described = (await (await fetch(`${url}/openapi/${name}`)).json()).paths;
    for (const [path, item] of Object.entries(described)) paths.push(`${Object.keys(item)[0].toUpperCase()} ${path}`);
  }
  await opened("", { viewport: { width: 1280, height: 900 } }, async (page) => {
    const shown = await page.locator(".operation > summary > code").allTextContents();
    assert.deepEqual(shown.sort(), paths.sort());
    await page.getByLabel("Find an operation").fill("otp_login");
    const found = paths.filter((path) => path.includes("otp_login")).length;
    await page.getByText(`${found} found`).waitFor();
    assert.equal(await page.locator(".operation:visible").count(), found);
  });
});

test("an operation without a body shows its answer alone", async () => {
  await opened("#discovery-webhook_jwks", { viewport: { width: 1280, height: 900 } }, async (page) => {
    const operation = page.locator("#discovery-webhook_jwks[open]");
    await operation.getByText("keys", { exact: true }).waitFor();
    assert.deepEqual(await operation.locator("h3").allTextContents(), ["Answer"]);
  });
});

test("an address opens its operation, which fits a telephone in light and dark", async () => {
  const papers = [];
  for (const colorScheme of ["light", "dark"]) {
    await opened("#activities-create_users", { viewport: { width: 360, height: 740 }, colorScheme }, async (page) => {
      const operation = page.locator("#activities-create_users[open]");
      await operation.getByText("ACTIVITY_TYPE_CREATE_USERS_V4").waitFor();
      await operation.getByText("activity.result.createUsersResult").waitFor();
      for (const more of (await operation.getByText("more", { exact: true }).all()).reverse()) await more.click();
      await operation.getByText("userPhoneNumber").first().waitFor();
      assert.ok((await overflow(page)) <= 0, "nothing sticks out");
      papers.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    });
  }
  assert.notEqual(papers[0], papers[1]);
});
