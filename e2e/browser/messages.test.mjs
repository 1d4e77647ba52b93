// The built-in messages in Chromium: narrow, dark, from right to left, and without images. VESTIBULE_URL and CHROMIUM as in
// inbox.test.mjs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const url = process.env.VESTIBULE_URL;
assert.ok(url, "VESTIBULE_URL must name a running `vestibule dev`, like http://127.0.0.1:7007");

const program = process.env.CHROMIUM ?? process.env.VESTIBULE_CHROMIUM ?? "/usr/bin/chromium";
const CODE = "7G3K9QW2X";
let browser;
let list;

before(async () => {
  browser = await chromium.launch({ executablePath: program, args: ["--headless", "--no-sandbox", "--disable-gpu"] });
  list = await (await fetch(`${url}/dev/previews`)).json();
});
after(() => browser?.close());

const address = (asked) => `${url}/dev/preview/html?${new URLSearchParams(asked)}`;
const emails = () => list.messages.filter(({ channel }) => channel === "OTP_TYPE_EMAIL").map(({ name }) => name);

/** Opens messages with one page; images never load, as with readers that do not show them. */
async function withPage(options, use) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.route(/\.png$/, (route) => route.abort());
  await use(page);
  await context.close();
}

/** What sticks out of the page on either side. */
const beyond = (page) =>
  page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const out = [...document.body.querySelectorAll("*")].filter((element) => {
      const { left, right } = element.getBoundingClientRect();
      return right > room + 0.5 || left < -0.5;
    });
    return { wide: document.documentElement.scrollWidth - room, out: out.map((element) => element.outerHTML.slice(0, 160)) };
  });

/** The least contrast of any text with what is behind it (WCAG 2.2), as the browser paints both. */
const contrast = (page) =>
  page.evaluate(() => {
    const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
    const luminance = (colour) => {
      const [red, green, blue] = channels(colour).map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const colour = getComputedStyle(at).backgroundColor;
        if (channels(colour)[3] !== 0) return colour;
      }
      return "rgb(255, 255, 255)";
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let least = { ratio: Infinity };
    while (texts.nextNode()) {
      const text = texts.currentNode.textContent.trim();
      if (text === "") continue;
      const element = texts.currentNode.parentElement;
      const [one, other] = [getComputedStyle(element).color, behind(element)].map(luminance);
      const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      if (ratio < least.ratio) least = { ratio, text };
    }
    return least;
  });

test("no message is wider than the narrowest telephone, in any language", async () => {
  assert.ok(list.languages.length > 20);
  await withPage({ viewport: { width: 320, height: 640 } }, async (page) => {
    for (const { tag } of list.languages) {
      for (const message of emails()) {
        for (const link of ["false", "true"]) {
          await page.goto(address({ message, locale: tag, link, logo: "true" }));
          assert.deepEqual(await beyond(page), { wide: 0, out: [] }, `${message} ${tag} link=${link}`);
        }
      }
    }
    for (const appName of ["W".repeat(256), "店".repeat(85)]) {
      await page.goto(address({ message: "code", appName, logo: "true" }));
      assert.deepEqual(await beyond(page), { wide: 0, out: [] }, appName);
    }
  });
});

test("every text stands out from what is behind it, in light and in dark", async () => {
  const papers = [];
  for (const colorScheme of ["light", "dark"]) {
    await withPage({ viewport: { width: 375, height: 700 }, colorScheme }, async (page) => {
      for (const message of emails()) {
        for (const link of ["false", "true"]) {
          await page.goto(address({ message, link }));
          const { ratio, text } = await contrast(page);
          assert.ok(ratio >= 7, `${message} ${colorScheme}: ${ratio} of ${JSON.stringify(text)}`);
        }
      }
      papers.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    });
  }
  assert.notEqual(papers[0], papers[1], "dark is dark");
});

test("without images and without styles a message says everything", async () => {
  await withPage({ viewport: { width: 320, height: 640 } }, async (page) => {
    for (const { tag } of list.languages) {
      await page.goto(address({ message: "code", locale: tag, link: "true", logo: "true" }));
      const { text } = await (await fetch(`${url}/dev/preview?${new URLSearchParams({ message: "code", locale: tag })}`)).json();
      const [, expiry, warning] = text.split("\n\n");
      await page.evaluate(() => {
        document.querySelectorAll("style").forEach((style) => style.remove());
        document.querySelectorAll("[style]").forEach((element) => element.removeAttribute("style"));
      });
      const shown = await page.locator("body").innerText();
      for (const part of [CODE, expiry, warning.trim()]) assert.ok(shown.includes(part), `${tag}: ${part} in ${shown}`);
      assert.equal(await page.locator("h1").isVisible(), true);
      assert.equal(await page.locator("img").getAttribute("alt"), "Example Shop");
      assert.match(await page.locator("a").getAttribute("href"), /^https:/);
    }
  });
});

test("a message from right to left is laid out so, and its code is not", async () => {
  await withPage({ viewport: { width: 375, height: 700 } }, async (page) => {
    const rightToLeft = list.languages.filter(({ direction }) => direction === "rtl");
    assert.ok(rightToLeft.length >= 3);
    for (const { tag } of rightToLeft) {
      await page.goto(address({ message: "code", locale: tag }));
      const direction = (selector) => page.locator(selector).first().evaluate((element) => getComputedStyle(element).direction);
      assert.equal(await direction("h1"), "rtl", tag);
      assert.equal(await direction(".code"), "ltr", tag);
      assert.equal((await page.locator(".code").innerText()).trim(), CODE, tag);
      assert.equal(await page.evaluate(() => document.documentElement.lang), tag);
    }
  });
});

test("the page of messages lists every language in frames that can do nothing", async () => {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, colorScheme: "dark" });
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`${url}/previews`);
  await page.locator(".sample").nth(list.languages.length - 1).waitFor();
  assert.equal(await page.locator(".sample").count(), list.languages.length);
  const frames = page.locator(".sample iframe");
  assert.equal(await frames.count(), 2 * list.languages.length);
  assert.deepEqual(await frames.evaluateAll((all) => [...new Set(all.map((frame) => frame.getAttribute("sandbox")))]), [""]);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)) <= 0);

  await page.getByLabel("Language").selectOption("ar");
  await page.locator(".sample").nth(1).waitFor({ state: "detached" });
  const paper = (scheme) => page.frameLocator(`iframe.${scheme}`).locator("body").evaluate((body) => getComputedStyle(body).backgroundColor);
  assert.notEqual(await paper("light"), await paper("dark"), "both are shown whatever the browser prefers");
  await page.frameLocator("iframe.light").getByText(CODE).waitFor();

  await page.getByLabel("Message").selectOption("sms");
  await page.locator(".bubble").waitFor();
  assert.ok((await page.locator(".bubble").innerText()).includes(CODE));
  await page.getByText("1 segment", { exact: true }).waitFor();
  assert.deepEqual(errors, []);
  await context.close();
});

test("the page asks for the code in a field that telephones fill in", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  await page.locator("#login:not([aria-busy])").waitFor();
  const field = await page.locator("#code").evaluate((input) => ({
    autocomplete: input.autocomplete,
    type: input.type,
    form: input.form?.autocomplete,
    disabled: input.disabled,
  }));
  assert.deepEqual(field, { autocomplete: "one-time-code", type: "text", form: "on", disabled: false });
  await context.close();
});

test("a browser is written to in its own language", async () => {
  const context = await browser.newContext({ locale: "de-AT" });
  const page = await context.newPage();
  await page.goto(url);
  await page.locator("#login:not([aria-busy])").waitFor();
  const contact = `sprache-${Date.now()}@example.com`;
  await page.locator("#contact").fill(contact);
  await page.getByRole("button", { name: "Send code" }).click();
  const message = page.locator("#messages > .message", { hasText: contact }).first();
  await message.waitFor();
  assert.match(await message.locator(".message-title").innerText(), /ist Ihr Code für Vestibule$/);
  await context.close();
});
