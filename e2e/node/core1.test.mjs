// @turnkey/core 1.14.1, through the auth proxy: the legacy flow, in which the code travels in clear text to the
// server. It pins no key, so the published client works as it is.
import "./support/browser.mjs";
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { verifyOtpVerificationToken, verifySessionJwtSignature } from "@turnkey/crypto";
import { OtpType, TurnkeyClient, TurnkeyError } from "core1";
import { freshProfile } from "./support/browser.mjs";
import { CHANNELS, freshEmail } from "./support/contacts.mjs";
import { claimsOf } from "./support/keys.mjs";
import { startServer } from "./support/server.mjs";

const server = await startServer();
after(() => server.stop());
beforeEach(freshProfile);

const CORE_OTP_TYPE = { OTP_TYPE_EMAIL: OtpType.Email, OTP_TYPE_SMS: OtpType.Sms };

async function newClient(on = server) {
  const client = new TurnkeyClient({
    apiBaseUrl: on.url,
    authProxyUrl: on.url,
    authProxyConfigId: on.authProxyConfigId,
    organizationId: on.organizationId,
  });
  await client.init();
  return client;
}

async function complete(client, channel, contact, more = {}, on = server) {
  const otpType = CORE_OTP_TYPE[channel.otpType];
  const otpId = await client.initOtp({ otpType, contact });
  return client.completeOtp({ otpId, otpCode: await on.code(contact, otpId), contact, otpType, ...more });
}

const failsAs = (code) => (error) => {
  assert.ok(error instanceof TurnkeyError, `${error}`);
  assert.equal(error.code, code, `${error} <- ${error.cause}`);
  return true;
};

for (const channel of CHANNELS) {
  test(`a new user signs up by ${channel.name}, and comes back by it`, async () => {
    const contact = channel.fresh();
    const client = await newClient();

    const signedUp = await complete(client, channel, contact);
    assert.equal(signedUp.action, "SIGNUP");
    assert.equal(await verifySessionJwtSignature(signedUp.sessionToken, server.sessionSignerPublicKey), true);
    const home = await client.getSession();
    const whoami = await client.httpClient.getWhoami({ organizationId: home.organizationId });
    assert.deepEqual([whoami.organizationId, whoami.userId], [home.organizationId, home.userId]);
    const user = await client.fetchUser();
    assert.equal(channel.otpType === "OTP_TYPE_EMAIL" ? user.userEmail : user.userPhoneNumber, contact);

    freshProfile();
    const returning = await newClient();
    const loggedIn = await complete(returning, channel, contact);
    assert.equal(loggedIn.action, "LOGIN");
    assert.equal(await verifySessionJwtSignature(loggedIn.sessionToken, server.sessionSignerPublicKey), true);
    const back = await returning.getSession();
    assert.deepEqual([back.organizationId, back.userId], [home.organizationId, home.userId]);
    assert.equal((await returning.fetchUser()).userId, home.userId);
  });
}

test("its token is of the legacy kind, which no function of the TypeScript packages verifies", async () => {
  const { verificationToken } = await complete(await newClient(), CHANNELS[0], freshEmail());
  const claims = claimsOf(verificationToken);
  assert.equal(typeof claims.exp, "number");
  assert.equal(claims.organization_id, undefined);
  await assert.rejects(
    verifyOtpVerificationToken(verificationToken, server.bundleSignerPublicKey),
    /signature is invalid|missing required/,
  );
});

test("a session is refreshed with a new key", async () => {
  const client = await newClient();
  await complete(client, CHANNELS[0], freshEmail());
  const before = await client.getSession();
  const refreshed = await client.refreshSession();
  assert.equal(await verifySessionJwtSignature(refreshed.session, server.sessionSignerPublicKey), true);
  assert.notEqual((await client.getSession()).publicKey, before.publicKey);
  assert.equal((await client.fetchUser()).userId, before.userId);
});

describe("errors core knows by name", () => {
  test("INVALID_OTP_CODE for a wrong code, by verifyOtp and by completeOtp", async () => {
    const client = await newClient();
    const contact = freshEmail();
    const otpId = await client.initOtp({ otpType: OtpType.Email, contact });
    const wrong = { otpId, otpCode: "222222222", contact, otpType: OtpType.Email };
    await assert.rejects(client.verifyOtp(wrong), failsAs("INVALID_OTP_CODE"));
    await assert.rejects(client.completeOtp(wrong), failsAs("INVALID_OTP_CODE"));
    const right = { ...wrong, otpCode: await server.code(contact, otpId) };
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

  test("AUTH_METHOD_NOT_ENABLED for a login by OAuth, which this server does not offer", async () => {
    const client = await newClient();
    const oidcToken = "header.payload.signature";
    await assert.rejects(
      client.loginWithOauth({ oidcToken, publicKey: await client.createApiKeyPair() }),
      failsAs("AUTH_METHOD_NOT_ENABLED"),
    );
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
});
