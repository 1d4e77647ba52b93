// Writes the pictures of docs/messages.md: `cargo xtask screenshots`. VESTIBULE_URL names a running `vestibule dev`, VESTIBULE_CHROMIUM the
// browser, OUT the directory.

import assert from "node:assert/strict";
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { chromium } from "playwright-core";

const { VESTIBULE_URL: url, VESTIBULE_CHROMIUM: program, OUT: out } = process.env;
assert.ok(url && program && out, "VESTIBULE_URL, VESTIBULE_CHROMIUM and OUT must be set");

/** A picture must stay small: all of them are part of the repository. */
const MOST_BYTES = 60 * 1024;
const MOST_BYTES_TOGETHER = 1024 * 1024;

const PICTURES = [
  ["code-en-light", { message: "code", locale: "en", scheme: "light", logo: "true", link: "true" }],
  ["code-en-dark", { message: "code", locale: "en", scheme: "dark", logo: "true", link: "true" }],
  ["code-en-no-images", { message: "code", locale: "en", scheme: "light", logo: "true" }, { images: false }],
  ["code-en-320", { message: "code", locale: "en", scheme: "light", link: "true" }, { width: 320 }],
  ["code-ar-light", { message: "code", locale: "ar", scheme: "light", link: "true" }],
  ["code-ar-dark", { message: "code", locale: "ar", scheme: "dark", link: "true" }],
  ["code-he-light", { message: "code", locale: "he", scheme: "light" }],
  ["code-fa-dark", { message: "code", locale: "fa", scheme: "dark" }],
  ["code-de-light", { message: "code", locale: "de", scheme: "light" }],
  ["code-hi-light", { message: "code", locale: "hi", scheme: "light" }],
  ["code-ja-light", { message: "code", locale: "ja", scheme: "light" }],
  ["code-zh-Hans-dark", { message: "code", locale: "zh-Hans", scheme: "dark" }],
  ["login-en-light", { message: "login", locale: "en", scheme: "light", link: "true" }],
  ["login-en-dark", { message: "login", locale: "en", scheme: "dark" }],
  ["recovery-en-light", { message: "recovery", locale: "en", scheme: "light", link: "true" }],
  ["recovery-ar-dark", { message: "recovery", locale: "ar", scheme: "dark", link: "true" }],
];

// The logo of the pictures, drawn here so that nothing is fetched: the words of an imaginary shop.
const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="48" viewBox="0 0 200 48"><rect width="200" height="48" rx="10" fill="#1d6a58"/><text x="100" y="31" fill="#fff" text-anchor="middle" font-family="sans-serif" font-size="20" font-weight="600">Example Shop</text></svg>`;

const browser = await chromium.launch({ executablePath: program, args: ["--headless", "--no-sandbox", "--disable-gpu"] });

async function logo() {
  const page = await browser.newPage({ viewport: { width: 200, height: 48 } });
  await page.setContent(`<body style="margin:0">${LOGO}`);
  const png = await page.screenshot({ omitBackground: true });
  await page.close();
  return png;
}

const logoPng = await logo();
await mkdir(out, { recursive: true });
for (const name of await readdir(out)) if (name.endsWith(".png")) await rm(join(out, name));
let total = 0;
for (const [name, asked, { width = 375, images = true } = {}] of PICTURES) {
  const page = await browser.newPage({ viewport: { width, height: 300 }, deviceScaleFactor: 1.25 });
  await page.route(/\.png$/, (route) => (images ? route.fulfill({ contentType: "image/png", body: logoPng }) : route.abort()));
  await page.goto(`${url}/dev/preview/html?${new URLSearchParams(asked)}`);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  const file = join(out, `${name}.png`);
  await writeFile(file, await page.screenshot({ fullPage: true }));
  const { size } = await stat(file);
  assert.ok(size < MOST_BYTES, `${name}: ${size} bytes`);
  total += size;
  console.log(`${name}.png ${size} bytes`);
  await page.close();
}
await browser.close();
assert.ok(total < MOST_BYTES_TOGETHER, `${total} bytes together`);
console.log(`${PICTURES.length} pictures, ${total} bytes`);
