// The page of `vestibule dev` in Chromium. VESTIBULE_URL names the running server; CHROMIUM, or VESTIBULE_CHROMIUM as
// `cargo xtask test` sets it, the browser's program. The last test moves that server's clock a day ahead.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { chromium } from "playwright-core";

const url = process.env.VESTIBULE_URL;
assert.ok(url, "VESTIBULE_URL must name a running `vestibule dev`, like http://127.0.0.1:7007");

const program = process.env.CHROMIUM ?? process.env.VESTIBULE_CHROMIUM ?? "/usr/bin/chromium";
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const PATIENCE = 10_000;
const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 900 };

// The server counts sends per contact, so every test has contacts of its own.
const someEmail = () => `browser-${randomUUID()}@example.com`;
const somePhone = () => `+1555${String(parseInt(randomUUID().slice(0, 6), 16) % 10_000_000).padStart(7, "0")}`;

let browser;
let context;
let page;
let consoleErrors;

before(async () => {
  browser = await chromium.launch({ executablePath: program, args: ARGUMENTS });
});
after(() => browser?.close());
beforeEach(() => openPage({ viewport: DESKTOP }));
afterEach(() => context.close());

async function openPage(options) {
  await context?.close();
  context = await browser.newContext(options);
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  consoleErrors = [];
  page.on("console", (message) => message.type() === "error" && consoleErrors.push(message.text()));
  page.on("pageerror", (error) => consoleErrors.push(error.message));
  await page.goto(url);
  await page.locator("#login:not([aria-busy])").waitFor();
  await page.getByText("live", { exact: true }).waitFor();
}

async function requestCode(contact) {
  if (contact.startsWith("+")) await page.getByText("Text message", { exact: true }).click();
  await page.locator("#contact").fill(contact);
  await page.getByRole("button", { name: "Send code" }).click();
  await page.getByLabel("Code", { exact: true }).waitFor();
}

/** The message that arrived for `contact`, without the page having been loaded again. */
async function arrived(contact) {
  const message = page.locator("#messages > .message", { hasText: contact }).first();
  await message.waitFor();
  return message;
}

async function logIn(contact) {
  await requestCode(contact);
  await (await arrived(contact)).getByRole("button", { name: "Use this code" }).click();
  await page.getByRole("button", { name: "Verify and log in" }).click();
  await page.locator("#session-title").waitFor();
}

const paths = () => page.locator("#trace code").allTextContents();

const assertNothingOverflows = async (where) => {
  const { wide, room, culprits } = await page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const beyond = [...document.body.querySelectorAll("*")].filter((element) => {
      const hiddenOnPurpose = element.closest(".hidden-text, .sprite, .skip, .code-field");
      return !hiddenOnPurpose && element.getBoundingClientRect().right > room + 0.5;
    });
    return {
      wide: document.documentElement.scrollWidth,
      room,
      culprits: beyond.map((element) => element.outerHTML.slice(0, 120)),
    };
  });
  assert.ok(wide <= room, `${where}: ${wide} px of content in ${room} px`);
  assert.deepEqual(culprits, [], where);
};

describe("the page", () => {
  test("loads without an error in the console", async () => {
    assert.match(await page.title(), /Vestibule/);
    assert.equal(await page.getByRole("heading", { name: "Inbox" }).isVisible(), true);
    assert.equal(await page.locator("#broken").isVisible(), false);
    assert.deepEqual(consoleErrors, []);
  });

  test("fills this server's own values into the commands to try next", async () => {
    const { authProxyConfigId } = await (await fetch(new URL("/dev/config", url))).json();
    const commands = await page.locator("#hints pre").allTextContents();
    assert.ok(commands.some((command) => command.includes(authProxyConfigId)));
  });
});

describe("a login by e-mail", () => {
  test("goes from the code in the inbox to a session whose key answers whoami", async () => {
    const contact = someEmail();
    await logIn(contact);

    const userId = await page.locator("#user-id code").textContent();
    assert.match(userId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal((await page.locator("#signature").textContent()).trim(), "signature checked");
    assert.match(await page.locator("#expiry").textContent(), /^in \d/);
    assert.ok((await page.locator(".jwt .json").nth(1).textContent()).includes(userId));

    await page.getByRole("button", { name: "Whoami with the session key" }).click();
    const answer = page.locator("#whoami-answer .json");
    await answer.waitFor();
    const whoami = JSON.parse(await answer.textContent());
    assert.equal(whoami.userId, userId);
    assert.equal(whoami.username, contact);
    assert.deepEqual(consoleErrors, []);
  });

  test("signs a new contact up and logs a known one in to the same user", async () => {
    const contact = someEmail();
    await logIn(contact);
    const first = await page.locator("#user-id code").textContent();
    assert.ok((await paths()).includes("/v1/signup_v2"));

    await page.getByRole("button", { name: "Log out" }).click();
    await logIn(contact);
    assert.equal(await page.locator("#user-id code").textContent(), first);
    assert.equal(await page.locator("#session-title").textContent(), "Welcome back.");
    const second = await paths();
    assert.ok(second.includes("/public/v1/submit/stamp_login"));
    assert.ok(!second.includes("/v1/signup_v2"));
  });

  test("shows the HTML of the message in a frame that can do nothing", async () => {
    const contact = someEmail();
    await requestCode(contact);
    const message = await arrived(contact);
    const code = await message.locator(".message-code code").textContent();
    await message.locator(".message-head").click();
    assert.equal(await message.locator("iframe").getAttribute("sandbox"), "");
    await message.frameLocator("iframe").getByText(code).first().waitFor();
  });

  test("leaves the message in the inbox when the page is loaded again", async () => {
    const contact = someEmail();
    await requestCode(contact);
    const code = await (await arrived(contact)).locator(".message-code code").textContent();
    await page.reload();
    assert.equal(await (await arrived(contact)).locator(".message-code code").textContent(), code);
  });

  test("offers only the code of the attempt that is under way", async () => {
    const contact = someEmail();
    await requestCode(contact);
    await arrived(contact);
    await page.getByRole("button", { name: "Send a new code" }).click();
    const messages = page.locator("#messages > .message", { hasText: contact });
    await messages.nth(1).waitFor();
    assert.equal(await messages.nth(0).getByRole("button", { name: "Use this code" }).isVisible(), true);
    assert.equal(await messages.nth(1).getByRole("button", { name: "Use this code" }).isVisible(), false);
  });

  test("shows the server's own words for a wrong code, and the right one still works", async () => {
    const contact = someEmail();
    await requestCode(contact);
    const message = await arrived(contact);
    const code = await message.locator(".message-code code").textContent();
    const input = page.getByLabel("Code", { exact: true });
    await input.fill((code[0] === "2" ? "3" : "2") + code.slice(1));
    await page.getByRole("button", { name: "Verify and log in" }).click();
    await page.getByRole("alert").filter({ hasText: "Invalid OTP code" }).waitFor();
    assert.equal(await input.getAttribute("aria-invalid"), "true");

    await input.fill(code.toLowerCase());
    await page.getByRole("button", { name: "Verify and log in" }).click();
    await page.locator("#session-title").waitFor();
    assert.equal(await page.locator("#login-error").isVisible(), false);
  });

  test("shows the server's own words when too many codes were sent", async () => {
    await requestCode(someEmail());
    const resend = page.getByRole("button", { name: "Send a new code" });
    for (let sends = 1; sends < 3; sends += 1) {
      const answered = page.waitForResponse((response) => response.url().endsWith("/v1/otp_init_v2"));
      await resend.click();
      assert.equal((await answered).status(), 200);
      await page.locator("#code-form [type=submit]:not([aria-busy])").waitFor();
    }
    await resend.click();
    await page.getByRole("alert").filter({ hasText: "Max number of OTPs have been initiated" }).waitFor();
  });

  test("can be done with the keyboard alone", async () => {
    const contact = someEmail();
    await page.locator("#contact").focus();
    await page.keyboard.type(contact);
    await page.keyboard.press("Enter");
    await page.getByLabel("Code", { exact: true }).waitFor();
    const code = await (await arrived(contact)).locator(".message-code code").textContent();
    await page.keyboard.type(code);
    await page.keyboard.press("Enter");
    await page.locator("#session-title:focus").waitFor();
  });
});

test("a login by text message works the same way", async () => {
  const contact = somePhone();
  await logIn(contact);
  assert.equal((await page.locator("#signature").textContent()).trim(), "signature checked");
  assert.equal(await page.locator("#login .welcome strong").textContent(), contact);
});

test("a contact that cannot be one is not sent", async () => {
  await page.locator("#contact").fill("nobody");
  await page.getByRole("button", { name: "Send code" }).click();
  await page.getByRole("alert").filter({ hasText: "one @" }).waitFor();
  assert.deepEqual(await paths(), []);
});

describe("on a phone", () => {
  for (const colorScheme of ["light", "dark"]) {
    test(`nothing overflows at 360 px, ${colorScheme}`, async () => {
      await openPage({ viewport: PHONE, colorScheme, isMobile: true, hasTouch: true });
      await assertNothingOverflows("contact");
      await page.locator(".clock summary").click();
      await assertNothingOverflows("clock");
      await page.locator(".clock summary").click();

      const contact = someEmail();
      await requestCode(contact);
      const message = await arrived(contact);
      await message.locator(".message-head").click();
      await assertNothingOverflows("code and open message");

      await page.locator("#offer-use").click();
      await assertNothingOverflows("code filled in");
      await page.getByRole("button", { name: "Verify and log in" }).click();
      await page.locator("#session-title").waitFor();
      await page.getByRole("button", { name: "Whoami with the session key" }).click();
      await page.locator("#whoami-answer .json").waitFor();
      await page.locator(".next details summary").click();
      await assertNothingOverflows("session");
    });
  }
});

// Last, because the clock is the server's and does not go back.
test("a session runs out when the clock goes forward, and whoami says so", async () => {
  await logIn(someEmail());
  await page.locator(".clock summary").click();
  await page.getByRole("button", { name: "+1 day" }).click();
  await page.locator("#expiry.over").waitFor();
  await page.locator(".clock summary").click();
  await page.getByRole("button", { name: "Whoami with the session key" }).click();
  await page.locator("#whoami-answer").getByText("expired api key").waitFor();
});
