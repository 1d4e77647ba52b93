// @turnkey/core 2.8.1 beyond codes: people who sign up and in with a passkey (a software authenticator), and people whose
// MFA policy asks for a code, given by an attested stamp as core makes it.
import "./support/browser.mjs";
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { OtpType, StamperType, TurnkeyClient, TurnkeyError } from "@turnkey/core";
import { encryptOtpCodeToBundle, verifySessionJwtSignature } from "@turnkey/crypto";
import { TurnkeyClient as Backend, TurnkeyRequestError } from "@turnkey/http";
import { trustServerKeys } from "../../clients/turnkey-core-override.mjs";
import { freshProfile } from "./support/browser.mjs";
import { freshEmail } from "./support/contacts.mjs";
import { stamperOf } from "./support/keys.mjs";
import { RP_ID, installAuthenticator } from "./support/passkeys.mjs";
import { startServer } from "./support/server.mjs";

const server = await startServer();
after(() => server.stop());
beforeEach(freshProfile);

const backend = new Backend(
  { baseUrl: server.url },
  stamperOf({ publicKey: server.apiPublicKey, privateKey: server.apiPrivateKey }),
);

async function newClient(more) {
  const client = new TurnkeyClient({
    apiBaseUrl: server.url,
    authProxyUrl: server.url,
    authProxyConfigId: server.authProxyConfigId,
    organizationId: server.organizationId,
    ...more,
  });
  await client.init();
  const { bundleSignerPublicKey } = server;
  return trustServerKeys(client, { bundleSignerPublicKey, encryptOtpCodeToBundle, TurnkeyError });
}

async function allow(...allowedAuthMethods) {
  const { activity } = await backend.request("/public/v1/submit/update_auth_proxy_config", {
    type: "ACTIVITY_TYPE_UPDATE_AUTH_PROXY_CONFIG",
    timestampMs: String(Date.now()),
    organizationId: server.organizationId,
    parameters: { allowedAuthMethods },
  });
  assert.equal(activity.status, "ACTIVITY_STATUS_COMPLETED");
}

describe("with a passkey", () => {
  before(installAuthenticator);

  test("a new user signs up, and comes back by it", async () => {
    await allow("email", "sms", "passkey");
    const passkeyConfig = { rpId: RP_ID };
    const client = await newClient({ passkeyConfig });
    const signedUp = await client.signUpWithPasskey({ passkeyDisplayName: "Laptop", createSubOrgParams: { userName: "Ada" } });
    assert.equal(await verifySessionJwtSignature(signedUp.sessionToken, server.sessionSignerPublicKey), true);
    const home = await client.getSession();
    const user = await client.fetchUser();
    assert.deepEqual([user.userId, user.userName], [home.userId, "Ada"]);
    assert.deepEqual(
      user.authenticators.map(({ authenticatorName, credentialId }) => [authenticatorName, credentialId]),
      [["Laptop", signedUp.credentialId]],
    );

    freshProfile();
    const returning = await newClient({ passkeyConfig });
    const loggedIn = await returning.loginWithPasskey();
    assert.equal(loggedIn.credentialId, signedUp.credentialId);
    assert.equal(await verifySessionJwtSignature(loggedIn.sessionToken, server.sessionSignerPublicKey), true);
    const back = await returning.getSession();
    assert.deepEqual([back.organizationId, back.userId], [home.organizationId, home.userId]);
    assert.notEqual(back.publicKey, home.publicKey);

    const { userId } = await returning.httpClient.updateUserName({ userId: back.userId, userName: "Ada L." }, StamperType.Passkey);
    assert.equal(userId, back.userId);
    assert.equal((await returning.fetchUser()).userName, "Ada L.");
  });

  test("a user adds one to an account that a code opened, and comes back by it", async () => {
    const contact = freshEmail();
    const client = await newClient({ passkeyConfig: { rpId: RP_ID } });
    await complete(client, contact);
    const home = await client.getSession();
    const ids = await client.addPasskey({ name: "Phone" });
    const user = await client.fetchUser();
    assert.deepEqual(user.authenticators.map(({ authenticatorId }) => authenticatorId), ids);

    freshProfile();
    const returning = await newClient({ passkeyConfig: { rpId: RP_ID } });
    await returning.loginWithPasskey();
    assert.equal((await returning.getSession()).userId, home.userId);
  });

  test("nobody signs up where the operator does not offer it", async () => {
    await allow("email", "sms");
    const client = await newClient({ passkeyConfig: { rpId: RP_ID } });
    await assert.rejects(client.signUpWithPasskey(), (error) => {
      assert.ok(error instanceof TurnkeyError, `${error}`);
      assert.equal(error.code, "PASSKEY_SIGNUP_AUTH_ERROR");
      assert.ok(error.cause instanceof Error, `${error.cause}`);
      return true;
    });
  });
});

/** Everything a person does in the modal: ask for a code, read the mail, type it. */
async function complete(client, contact) {
  const attempt = await client.initOtp({ otpType: OtpType.Email, contact });
  const otpCode = await server.code(contact, attempt.otpId);
  return client.completeOtp({ ...attempt, otpCode, contact, otpType: OtpType.Email });
}

describe("an MFA policy that asks for a code by email", () => {
  const NEW_NAME = "Renamed";
  let contact;
  let session;

  /** Somebody who signed up by email and lets nobody change the name without a new code. */
  async function someone(more) {
    contact = freshEmail();
    const client = await newClient({ activityPoller: { intervalMs: 10, numRetries: 3 }, ...more });
    await complete(client, contact);
    session = await client.getSession();
    const { userId } = session;
    const { mfaPolicyId } = await client.httpClient.createMfaPolicy({
      userId,
      mfaPolicyName: "A code for a new name",
      condition: "activity.kind == 'UPDATE_USER_NAME'",
      requiredAuthenticationMethods: [{ any: [{ type: "AUTHENTICATION_TYPE_EMAIL_OTP" }] }],
      order: 1,
      notes: "",
    });
    const { mfaPolicies } = await client.fetchUser();
    assert.deepEqual(mfaPolicies.map((policy) => policy.mfaPolicyId), [mfaPolicyId]);
    return { client, mfaPolicyId, rename: () => client.httpClient.updateUserName({ userId, userName: NEW_NAME }) };
  }

  /** Proves the contact anew and approves with that proof: the answer is the activity. */
  async function approveWithCode(client, { fingerprint, organizationId }, from = contact) {
    const attempt = await client.initOtp({ otpType: OtpType.Email, contact: from });
    const otpCode = await server.code(from, attempt.otpId);
    const { verificationToken, publicKey } = await client.verifyOtp({ ...attempt, otpCode });
    await client.overrideAttestedStamper({ verificationToken, publicKey });
    const answer = await client.httpClient.approveActivity({ fingerprint, organizationId }, StamperType.Attested);
    return answer.activity;
  }

  const userName = async (client) => (await client.fetchUser()).userName;

  test("holds the activity until the code was given", async () => {
    const { client, mfaPolicyId, rename } = await someone();
    const before = await userName(client);
    const { activity } = await rename();
    assert.equal(activity.status, "ACTIVITY_STATUS_AUTHENTICATORS_NEEDED");
    assert.deepEqual(activity.result, {});
    assert.equal(await userName(client), before);
    const status = async () => (await client.httpClient.getMfaStatus({ activityId: activity.id })).mfaStatuses;
    const required = [{ any: [{ type: "AUTHENTICATION_TYPE_EMAIL_OTP" }] }];
    assert.deepEqual(await status(), [
      { mfaPolicyId, userId: session.userId, satisfied: false, satisfiedMethods: [], requiredMethods: required },
    ]);

    const approved = await approveWithCode(client, activity);
    assert.deepEqual([approved.id, approved.status], [activity.id, "ACTIVITY_STATUS_COMPLETED"]);
    assert.deepEqual(approved.result, { updateUserNameResult: { userId: session.userId } });
    assert.deepEqual(
      approved.votes.map(({ userId, scheme }) => [userId, scheme]),
      [
        [session.userId, "SIGNATURE_SCHEME_TK_API_P256"],
        [session.userId, "SIGNATURE_SCHEME_TK_ATTESTED_P256"],
      ],
    );
    assert.equal(await userName(client), NEW_NAME);
    assert.deepEqual((await status()).map(({ satisfied }) => satisfied), [true]);
  });

  test("is met in core's onMfaRequired, and the call that asked goes on", async () => {
    const asked = [];
    const { client, rename } = await someone({
      async onMfaRequired(context) {
        asked.push(context);
        await approveWithCode(client, context);
      },
    });
    assert.equal((await rename()).userId, session.userId);
    assert.equal(await userName(client), NEW_NAME);
    assert.deepEqual(
      asked.map(({ activityType, activityStatus, mfaStatuses }) => [activityType, activityStatus, mfaStatuses[0].satisfied]),
      [["ACTIVITY_TYPE_UPDATE_USER_NAME", "ACTIVITY_STATUS_AUTHENTICATORS_NEEDED", false]],
    );
  });

  test("is not met by the session that asked, nor by somebody else's code", async () => {
    const { client, rename } = await someone();
    const before = await userName(client);
    const { activity } = await rename();
    const { fingerprint, organizationId } = activity;
    const again = await client.httpClient.approveActivity({ fingerprint, organizationId });
    assert.equal(again.activity.status, "ACTIVITY_STATUS_AUTHENTICATORS_NEEDED");
    await assert.rejects(approveWithCode(client, activity, freshEmail()), (error) => {
      assert.ok(error instanceof TurnkeyRequestError || error.name === "TurnkeyRequestError", `${error}`);
      assert.equal(error.code, 16);
      assert.match(error.message, /no user found for attested identity/);
      return true;
    });
    assert.equal(await userName(client), before);
  });

  test("guards itself, and leaves other activities alone", async () => {
    const { client, mfaPolicyId } = await someone();
    const { userId, organizationId } = session;
    assert.ok((await client.httpClient.createUserTag({ userTagName: "Family", userIds: [] })).userTagId);

    const left = async () => (await client.httpClient.getMfaPolicies({ organizationId, userId })).mfaPolicies;
    const { activity } = await client.httpClient.deleteMfaPolicy({ userId, mfaPolicyId });
    assert.equal(activity.status, "ACTIVITY_STATUS_AUTHENTICATORS_NEEDED");
    assert.deepEqual((await left()).map((policy) => policy.mfaPolicyId), [mfaPolicyId]);
    assert.equal((await approveWithCode(client, activity)).status, "ACTIVITY_STATUS_COMPLETED");
    assert.deepEqual(await left(), []);
  });
});
