// @turnkey/core 2.8.1, through the auth proxy. Its `verifyOtp` trusts one built-in key only; the function of
// clients/turnkey-core-override.mjs makes one client trust this server's key instead.
import "./support/browser.mjs";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, beforeEach, describe, test } from "node:test";
import {
  OtpType,
  TurnkeyClient,
  TurnkeyError,
  getAuthProxyConfig,
  getClientParams,
  getClientSignatureMessageForLogin,
} from "@turnkey/core";
import { encryptOtpCodeToBundle, verifyOtpVerificationToken, verifySessionJwtSignature } from "@turnkey/crypto";
import { trustServerKeys } from "../../clients/turnkey-core-override.mjs";
import { freshProfile } from "./support/browser.mjs";
import { CHANNELS, freshEmail, freshPhone } from "./support/contacts.mjs";
import { startServer } from "./support/server.mjs";

const server = await startServer();
after(() => server.stop());
beforeEach(freshProfile);

const CORE_OTP_TYPE = { OTP_TYPE_EMAIL: OtpType.Email, OTP_TYPE_SMS: OtpType.Sms };

async function publishedClient(on = server) {
  const client = new TurnkeyClient({
    apiBaseUrl: on.url,
    authProxyUrl: on.url,
    authProxyConfigId: on.authProxyConfigId,
    organizationId: on.organizationId,
  });
  await client.init();
  return client;
}

const newClient = async (on = server) =>
  trustServerKeys(await publishedClient(on), {
    bundleSignerPublicKey: on.bundleSignerPublicKey,
    encryptOtpCodeToBundle,
    TurnkeyError,
  });

/** Everything a person does in the modal: ask for a code, read the mail, type it. */
async function complete(client, channel, contact, more = {}, on = server) {
  const otpType = CORE_OTP_TYPE[channel.otpType];
  const attempt = await client.initOtp({ otpType, contact });
  return client.completeOtp({ ...attempt, otpCode: await on.code(contact, attempt.otpId), contact, otpType, ...more });
}

const failsAs = (code) => (error) => {
  assert.ok(error instanceof TurnkeyError, `${error}`);
  assert.equal(error.code, code, `${error} <- ${error.cause}`);
  return true;
};

test("the language that a page asks for goes along with the request, before those of the browser", async () => {
  const client = await publishedClient();
  const subject = async (more) => {
    const contact = freshEmail();
    const { otpId } = await client.httpClient.proxyInitOtpV2({ otpType: OtpType.Email, contact, ...more });
    return (await server.message(contact, otpId)).subject;
  };
  assert.match(await subject({ locale: "ja-JP" }), /の認証コードです$/);
  assert.match(await subject({}), / is your Vestibule code$/);
});

test("without the override core refuses the server's bundle, because it pins another key", async () => {
  const client = await publishedClient();
  await assert.rejects(complete(client, CHANNELS[0], freshEmail()), (error) => {
    assert.ok(error instanceof TurnkeyError);
    assert.equal(error.code, "VERIFY_OTP_ERROR");
    assert.match(error.cause.message, /expected signer key 04[0-9a-f]{128} does not match signer key from bundle/);
    return true;
  });
});

for (const channel of CHANNELS) {
  test(`a new user signs up by ${channel.name}, and comes back by it`, async () => {
    const contact = channel.fresh();
    const client = await newClient();

    const signedUp = await complete(client, channel, contact);
    assert.equal(signedUp.action, "SIGNUP");
    const claims = await verifyOtpVerificationToken(signedUp.verificationToken, server.bundleSignerPublicKey);
    assert.equal(claims.contact, contact);
    assert.equal(await verifySessionJwtSignature(signedUp.sessionToken, server.sessionSignerPublicKey), true);

    const home = await client.getSession();
    assert.equal(home.publicKey, claims.public_key);
    assert.notEqual(home.organizationId, server.organizationId);
    const whoami = await client.httpClient.getWhoami({ organizationId: home.organizationId });
    assert.deepEqual([whoami.organizationId, whoami.userId], [home.organizationId, home.userId]);
    const user = await client.fetchUser();
    assert.equal(channel.otpType === "OTP_TYPE_EMAIL" ? user.userEmail : user.userPhoneNumber, contact);
    assert.deepEqual(
      user.apiKeys.map(({ credential }) => [credential.type, credential.publicKey]),
      [["CREDENTIAL_TYPE_LOGIN", home.publicKey]],
    );

    freshProfile();
    const returning = await newClient();
    const loggedIn = await complete(returning, channel, contact);
    assert.equal(loggedIn.action, "LOGIN");
    assert.equal(await verifySessionJwtSignature(loggedIn.sessionToken, server.sessionSignerPublicKey), true);
    const back = await returning.getSession();
    assert.deepEqual([back.organizationId, back.userId], [home.organizationId, home.userId]);
    assert.notEqual(back.publicKey, home.publicKey);
    assert.equal((await returning.fetchUser()).userId, home.userId);
  });
}

for (const [what, typed] of [
  // core decodes tokens with atob, which knows neither "-" nor "_": such a claim must reach it escaped.
  ["with characters that base64url spells with - and _", `O~~~.???-${randomUUID()}@Example.COM`],
  ["with spaces around it", `  padded-${randomUUID()}@example.com `],
  ["with letters outside ASCII", `jürgen-${randomUUID()}@bücher.example`],
]) {
  test(`an address is taken as people type it: ${what}`, async () => {
    const actions = [];
    for (let visit = 0; visit < 2; visit += 1) {
      freshProfile();
      const client = await newClient();
      const attempt = await client.initOtp({ otpType: OtpType.Email, contact: typed });
      const otpCode = await server.code(typed.trim(), attempt.otpId);
      const done = await client.completeOtp({ ...attempt, otpCode, contact: typed, otpType: OtpType.Email });
      const claims = await verifyOtpVerificationToken(done.verificationToken, server.bundleSignerPublicKey);
      assert.equal(claims.contact, typed.trim());
      assert.equal((await client.fetchUser()).userEmail, typed.trim());
      actions.push(done.action);
    }
    assert.deepEqual(actions, ["SIGNUP", "LOGIN"]);
  });
}

test("a number is taken as people write it", async () => {
  const number = freshPhone();
  const written = `${number.slice(0, 2)} (${number.slice(2, 5)}) ${number.slice(5, 8)}-${number.slice(8)}`;
  const client = await newClient();
  const attempt = await client.initOtp({ otpType: OtpType.Sms, contact: written });
  const otpCode = await server.code(number, attempt.otpId);
  assert.equal((await client.completeOtp({ ...attempt, otpCode, contact: written, otpType: OtpType.Sms })).action, "SIGNUP");

  freshProfile();
  assert.equal((await complete(await newClient(), CHANNELS[1], number)).action, "LOGIN", "the same number, written otherwise");
});

test("sign-up carries the names and the key an application asks for", async () => {
  const client = await newClient();
  const device = await client.createApiKeyPair();
  const { action } = await complete(client, CHANNELS[0], freshEmail(), {
    createSubOrgParams: {
      userName: "Ada",
      subOrgName: "Ada's home",
      apiKeys: [{ apiKeyName: "Device", publicKey: device, curveType: "API_KEY_CURVE_P256" }],
    },
  });
  assert.equal(action, "SIGNUP");
  const { organizationId } = await client.getSession();
  const whoami = await client.httpClient.getWhoami({ organizationId });
  assert.deepEqual([whoami.username, whoami.organizationName], ["Ada", "Ada's home"]);
  const { apiKeys } = await client.fetchUser();
  assert.ok(apiKeys.some(({ apiKeyName, credential }) => apiKeyName === "Device" && credential.publicKey === device));
});

test("a session is refreshed with a new key", async () => {
  const client = await newClient();
  await complete(client, CHANNELS[0], freshEmail());
  const before = await client.getSession();
  const refreshed = await client.refreshSession();
  assert.equal(await verifySessionJwtSignature(refreshed.session, server.sessionSignerPublicKey), true);
  const now = await client.getSession();
  assert.notEqual(now.publicKey, before.publicKey);
  assert.equal((await client.fetchUser()).userId, before.userId);
});

test("the modal is told what the server offers", async () => {
  const config = await (await newClient()).getProxyAuthConfig();
  assert.deepEqual(config.enabledProviders.toSorted(), ["email", "sms"]);
  assert.equal(config.organizationId, server.organizationId);
  assert.deepEqual(
    [config.otpLength, config.otpAlphanumeric, config.sessionExpirationSeconds],
    ["9", true, "900"],
  );
});

test("what core asks with no body at all is answered too", async () => {
  const config = await getAuthProxyConfig(server.authProxyConfigId, server.url);
  assert.equal(config.organizationId, server.organizationId);
  assert.deepEqual(await getClientParams(server.authProxyConfigId, server.url), {}, "no captcha");
});

test("otp_login_v2, which the native SDKs call, logs a known user in", async () => {
  const contact = freshEmail();
  await complete(await newClient(), CHANNELS[0], contact);

  freshProfile();
  const client = await newClient();
  const attempt = await client.initOtp({ otpType: OtpType.Email, contact });
  const otpCode = await server.code(contact, attempt.otpId);
  const { verificationToken, publicKey } = await client.verifyOtp({ ...attempt, otpCode });
  const { message } = getClientSignatureMessageForLogin({ verificationToken });
  const { session } = await client.httpClient.proxyOtpLoginV2({
    verificationToken,
    publicKey,
    clientSignature: {
      publicKey,
      scheme: "CLIENT_SIGNATURE_SCHEME_API_P256",
      message,
      signature: await client.signWithApiKey({ message, publicKey }),
    },
  });
  assert.equal(await verifySessionJwtSignature(session, server.sessionSignerPublicKey), true);
  await client.storeSession({ sessionToken: session });
  assert.equal((await client.fetchUser()).userEmail, contact);
});

describe("errors core knows by name", () => {
  test("INVALID_OTP_CODE for a wrong code, by verifyOtp and by completeOtp", async () => {
    const client = await newClient();
    const contact = freshEmail();
    const attempt = await client.initOtp({ otpType: OtpType.Email, contact });
    const wrong = { ...attempt, otpCode: "222222222", contact, otpType: OtpType.Email };
    await assert.rejects(client.verifyOtp(wrong), failsAs("INVALID_OTP_CODE"));
    await assert.rejects(client.completeOtp(wrong), failsAs("INVALID_OTP_CODE"));
    const right = { ...wrong, otpCode: await server.code(contact, attempt.otpId) };
    assert.equal((await client.completeOtp(right)).action, "SIGNUP", "the third try is the right one");
    await assert.rejects(client.completeOtp(right), failsAs("INVALID_OTP_CODE"), "a spent code is refused");
  });

  test("MAX_OTP_INITIATED_ERROR for the fourth code in three minutes", async () => {
    const client = await newClient();
    const contact = freshEmail();
    const send = () => client.initOtp({ otpType: OtpType.Email, contact });
    for (let sent = 0; sent < 3; sent += 1) await send();
    await assert.rejects(send(), failsAs("MAX_OTP_INITIATED_ERROR"));
  });

  test("OAUTH_LOGIN_ERROR for a login by OAuth, which this server does not offer", async () => {
    const client = await newClient();
    const publicKey = await client.createApiKeyPair();
    await assert.rejects(client.loginWithOauth({ oidcToken: "header.payload.signature", publicKey }), (error) => {
      assert.match(error.cause.message, /OAuth is not enabled/);
      return failsAs("OAUTH_LOGIN_ERROR")(error);
    });
  });

  test("a configuration id nobody made", async () => {
    const client = await publishedClient({ ...server, authProxyConfigId: "01980000-0000-7000-8000-000000000000" });
    await assert.rejects(client.initOtp({ otpType: OtpType.Email, contact: freshEmail() }), failsAs("INIT_OTP_ERROR"));
  });

  test("SESSION_EXPIRED once the session key has expired", async () => {
    const own = await startServer();
    try {
      const client = await newClient(own);
      await complete(client, CHANNELS[0], freshEmail(), {}, own);
      assert.ok((await client.fetchUser()).userId);
      await own.advanceClock(901);
      await assert.rejects(client.fetchUser(), failsAs("SESSION_EXPIRED"));
    } finally {
      await own.stop();
    }
  });

  test("SESSION_EXPIRED when another login has taken the session key away", async () => {
    const contact = freshEmail();
    const client = await newClient();
    await complete(client, CHANNELS[0], contact, { sessionKey: "here" });
    await complete(client, CHANNELS[0], contact, { sessionKey: "there", invalidateExisting: true });
    assert.ok((await client.fetchUser()).userId, "the newer session is the active one");
    await client.setActiveSession({ sessionKey: "here" });
    await assert.rejects(client.fetchUser(), failsAs("SESSION_EXPIRED"));
  });
});
