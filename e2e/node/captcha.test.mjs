// A captcha in front of the auth proxy, as @turnkey/core 2 meets it: the client learns the site key, and the token that its
// widget made reaches the provider. The provider is a stand-in that speaks siteverify.
import "./support/browser.mjs";
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { OtpType, TurnkeyClient, TurnkeyError, getClientParams } from "@turnkey/core";
import { freshProfile } from "./support/browser.mjs";
import { freshPhone } from "./support/contacts.mjs";
import { serve, standIn } from "./support/serve.mjs";
import { until } from "./support/until.mjs";

const asked = [];
const provider = await standIn((body) => {
  const form = Object.fromEntries(new URLSearchParams(body));
  const again = asked.some((before) => before.response === form.response);
  asked.push(form);
  return form.response.startsWith("human-") && !again
    ? { success: true, challenge_ts: "2027-01-15T08:00:00Z", hostname: "app.example.com", "error-codes": [] }
    : { success: false, "error-codes": [again ? "timeout-or-duplicate" : "invalid-input-response"] };
});
const texts = [];
const phones = await standIn((body) => {
  texts.push(JSON.parse(body));
  return {};
});
const server = await serve(
  `[pumping]\ncountries = ["*"]\n[sms]\nwebhook_url = "${phones.url}"\n` +
    `[captcha]\nprovider = "turnstile"\nsite_key = "0x4AAAAAAA-test"\nverify_url = "${provider.url}"\n` +
    `hostnames = ["app.example.com"]\n`,
  { VESTIBULE_SMS_WEBHOOK_SECRET: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", VESTIBULE_CAPTCHA_SECRET: "the-secret" },
);
after(async () => {
  await server.stop();
  provider.close();
  phones.close();
});
beforeEach(() => {
  freshProfile();
  asked.length = 0;
});

const setCaptcha = (captchaEnabled) =>
  server.request("/public/v1/submit/update_auth_proxy_config", { parameters: { captchaEnabled } });

async function newClient() {
  const client = new TurnkeyClient({
    apiBaseUrl: server.url,
    authProxyUrl: server.url,
    authProxyConfigId: server.authProxyConfigId,
    organizationId: server.organizationId,
  });
  await client.init();
  return client;
}

test("a client learns the site key once the captcha is on, and its token reaches the provider", async () => {
  assert.deepEqual(await getClientParams(server.authProxyConfigId, server.url), {}, "off by default");
  const client = await newClient();
  await client.initOtp({ otpType: OtpType.Sms, contact: freshPhone() });
  assert.deepEqual(asked, [], "and nobody is asked");

  await setCaptcha(true);
  assert.deepEqual(await getClientParams(server.authProxyConfigId, server.url), { turnstileSiteKey: "0x4AAAAAAA-test" });
  const contact = freshPhone();
  const { otpId } = await client.initOtp({ otpType: OtpType.Sms, contact, captchaToken: "human-1" });
  assert.deepEqual(asked, [{ secret: "the-secret", response: "human-1", remoteip: "127.0.0.1" }]);
  const text = await until("the message", () => texts.find((text) => text.otpId === otpId));
  assert.equal(text.to, contact);
});

test("without a token, with a forged one, and with one that was used, nothing is sent", async () => {
  await setCaptcha(true);
  const client = await newClient();
  const contact = freshPhone();
  await client.initOtp({ otpType: OtpType.Sms, contact, captchaToken: "human-2" });
  await until("the message", () => texts.some((text) => text.to === contact));
  for (const [captchaToken, message] of [
    [undefined, "missing captcha token"],
    ["robot", "captcha verification failed"],
    ["human-2", "captcha verification failed"],
  ]) {
    await assert.rejects(client.initOtp({ otpType: OtpType.Sms, contact, captchaToken }), (error) => {
      assert.ok(error instanceof TurnkeyError, `${error}`);
      assert.ok(`${error.message} ${error.cause}`.includes(message), `${error.message} <- ${error.cause}`);
      return true;
    });
  }
  assert.equal(texts.filter((text) => text.to === contact).length, 1);
  assert.ok(!server.log.join("\n").includes("human-2"), "tokens are in no log");
});
