// @turnkey/http 6.6.0 with @turnkey/api-key-stamper 0.6.17: typed methods for the current versions, and its
// plain `request` for the older versions that applications in the field still send.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import {
  computeActivityFingerprint,
  decryptCredentialBundle,
  encryptOtpCodeToBundle,
  verifyOtpVerificationToken,
  verifySessionJwtSignature,
} from "@turnkey/crypto";
import { TurnkeyClient, TurnkeyRequestError, createActivityPoller } from "@turnkey/http";
import { CHANNELS, freshEmail } from "./support/contacts.mjs";
import { claimsOf, loginSignature, newKey, signUpSignature, stamperOf } from "./support/keys.mjs";
import { startServer } from "./support/server.mjs";

const server = await startServer();
after(() => server.stop());

const clientOf = (key, on = server) => new TurnkeyClient({ baseUrl: on.url }, stamperOf(key));
const backend = clientOf({ publicKey: server.apiPublicKey, privateKey: server.apiPrivateKey });

const activity = (type, parameters, organizationId = server.organizationId) => ({
  type,
  timestampMs: String(Date.now()),
  organizationId,
  parameters,
});

/** Submits an activity of any version; the answer is the value of its one result member, whose name is checked. */
async function submit(name, type, resultKey, parameters, organizationId) {
  const body = activity(type, parameters, organizationId);
  const answer = (await backend.request(`/public/v1/submit/${name}`, body)).activity;
  assert.equal(answer.status, "ACTIVITY_STATUS_COMPLETED");
  assert.equal(answer.type, type);
  assert.deepEqual(Object.keys(answer.result), [resultKey]);
  assert.equal(answer.fingerprint, computeActivityFingerprint(JSON.stringify(body)));
  return answer.result[resultKey];
}

const rootUser = (more) => ({ userName: "User", apiKeys: [], authenticators: [], oauthProviders: [], ...more });

async function organizationOf(user) {
  const made = await submit("create_sub_organization", "ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V7", "createSubOrganizationResultV7", {
    subOrganizationName: "Home",
    rootQuorumThreshold: 1,
    rootUsers: [rootUser(user)],
  });
  return { organizationId: made.subOrganizationId, userId: made.rootUserIds[0] };
}

const refusedAs = (code, turnkeyErrorCode, text) => (error) => {
  assert.ok(error instanceof TurnkeyRequestError, `${error}`);
  assert.equal(error.code, code, error.message);
  if (turnkeyErrorCode) assert.equal(error.details[0].turnkeyErrorCode, turnkeyErrorCode);
  assert.match(error.message, text);
  return true;
};

for (const channel of CHANNELS) {
  test(`the typed methods log a user in by ${channel.name}, and the session key stamps`, async () => {
    const contact = channel.fresh();
    const key = newKey();
    const sent = await backend.initOtp(
      activity("ACTIVITY_TYPE_INIT_OTP_V3", { otpType: channel.otpType, contact, appName: "Acme" }),
    );
    const { otpId, otpEncryptionTargetBundle } = sent.activity.result.initOtpResultV2;
    const code = await server.code(contact, otpId);
    const proved = await backend.verifyOtp(
      activity("ACTIVITY_TYPE_VERIFY_OTP_V2", {
        otpId,
        encryptedOtpBundle: await encryptOtpCodeToBundle(
          code,
          otpEncryptionTargetBundle,
          key.publicKey,
          server.bundleSignerPublicKey,
        ),
      }),
    );
    assert.equal(proved.activity.intent.verifyOtpIntentV2.encryptedOtpBundle, "", "the guess is not kept");
    const { verificationToken } = proved.activity.result.verifyOtpResult;
    assert.equal((await verifyOtpVerificationToken(verificationToken, server.bundleSignerPublicKey)).contact, contact);

    const user = rootUser(channel.user(contact));
    const made = await backend.createSubOrganization(
      activity("ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V8", {
        subOrganizationName: "Home",
        rootQuorumThreshold: 1,
        rootUsers: [user],
        verificationToken,
        clientSignature: await signUpSignature(key, verificationToken, user),
      }),
    );
    const home = made.activity.result.createSubOrganizationResultV8;
    const login = await backend.otpLogin(
      activity(
        "ACTIVITY_TYPE_OTP_LOGIN_V2",
        { verificationToken, publicKey: key.publicKey, clientSignature: await loginSignature(key, verificationToken) },
        home.subOrganizationId,
      ),
    );
    const { session } = login.activity.result.otpLoginResult;
    assert.equal(await verifySessionJwtSignature(session, server.sessionSignerPublicKey), true);
    const whoami = await clientOf(key).getWhoami({ organizationId: home.subOrganizationId });
    assert.deepEqual([whoami.organizationId, whoami.userId], [home.subOrganizationId, home.rootUserIds[0]]);
  });
}

describe("older versions, as applications in the field send them", () => {
  for (const channel of CHANNELS) {
    for (const [type, parameters] of [
      ["ACTIVITY_TYPE_INIT_OTP", {}],
      ["ACTIVITY_TYPE_INIT_OTP_V2", { appName: "Acme" }],
    ]) {
      test(`${type} by ${channel.name}, VERIFY_OTP and OTP_LOGIN log a user in`, async () => {
        const contact = channel.fresh();
        const { organizationId, userId } = await organizationOf(channel.user(contact));
        const { otpId } = await submit("init_otp", type, "initOtpResult", {
          otpType: channel.otpType,
          contact,
          ...parameters,
        });
        const otpCode = await server.code(contact, otpId);
        const key = newKey();
        const { verificationToken } = await submit("verify_otp", "ACTIVITY_TYPE_VERIFY_OTP", "verifyOtpResult", {
          otpId,
          otpCode,
          publicKey: key.publicKey,
        });
        assert.equal(typeof claimsOf(verificationToken).exp, "number");
        const { session } = await submit(
          "otp_login",
          "ACTIVITY_TYPE_OTP_LOGIN",
          "otpLoginResult",
          { verificationToken, publicKey: key.publicKey, clientSignature: await loginSignature(key, verificationToken) },
          organizationId,
        );
        assert.equal(await verifySessionJwtSignature(session, server.sessionSignerPublicKey), true);
        assert.equal((await clientOf(key).getWhoami({ organizationId })).userId, userId);
      });
    }
  }

  test("a token without a key logs in without a client signature", async () => {
    const contact = freshEmail();
    const { organizationId } = await organizationOf({ userEmail: contact });
    const { otpId } = await submit("init_otp", "ACTIVITY_TYPE_INIT_OTP", "initOtpResult", {
      otpType: "OTP_TYPE_EMAIL",
      contact,
    });
    const { verificationToken } = await submit("verify_otp", "ACTIVITY_TYPE_VERIFY_OTP", "verifyOtpResult", {
      otpId,
      otpCode: await server.code(contact, otpId),
    });
    const key = newKey();
    const { session } = await submit(
      "otp_login",
      "ACTIVITY_TYPE_OTP_LOGIN",
      "otpLoginResult",
      { verificationToken, publicKey: key.publicKey },
      organizationId,
    );
    assert.equal(claimsOf(session).public_key, key.publicKey);
  });

  test("an attempt of the legacy kind cannot be completed by VERIFY_OTP_V2", async () => {
    const contact = freshEmail();
    const { otpId } = await submit("init_otp", "ACTIVITY_TYPE_INIT_OTP", "initOtpResult", {
      otpType: "OTP_TYPE_EMAIL",
      contact,
    });
    const other = await submit("init_otp", "ACTIVITY_TYPE_INIT_OTP_V3", "initOtpResultV2", {
      otpType: "OTP_TYPE_EMAIL",
      contact: freshEmail(),
      appName: "Acme",
    });
    const encryptedOtpBundle = await encryptOtpCodeToBundle(
      await server.code(contact, otpId),
      other.otpEncryptionTargetBundle,
      newKey().publicKey,
      server.bundleSignerPublicKey,
    );
    await assert.rejects(
      backend.request("/public/v1/submit/verify_otp", activity("ACTIVITY_TYPE_VERIFY_OTP_V2", { otpId, encryptedOtpBundle })),
      refusedAs(3, "REQUEST_INVALID", /Invalid OTP code/),
    );
  });

  for (const [type, resultKey, parameters, form] of [
    ["ACTIVITY_TYPE_INIT_OTP_AUTH", "initOtpAuthResult", {}, /^[0-9A-Z]{9}$/],
    ["ACTIVITY_TYPE_INIT_OTP_AUTH_V2", "initOtpAuthResultV2", { otpLength: 6, alphanumeric: false }, /^[0-9]{6}$/],
    ["ACTIVITY_TYPE_INIT_OTP_AUTH_V3", "initOtpAuthResultV2", { appName: "Acme", otpLength: 7 }, /^[0-9A-Z]{7}$/],
  ]) {
    test(`${type} and OTP_AUTH hand over a key that stamps`, async () => {
      for (const channel of CHANNELS) {
        const contact = channel.fresh();
        const { organizationId, userId } = await organizationOf(channel.user(contact));
        const { otpId } = await submit(
          "init_otp_auth",
          type,
          resultKey,
          { otpType: channel.otpType, contact, ...parameters },
          organizationId,
        );
        const otpCode = await server.code(contact, otpId);
        assert.match(otpCode, form);
        const target = newKey();
        const answer = await submit(
          "otp_auth",
          "ACTIVITY_TYPE_OTP_AUTH",
          "otpAuthResult",
          { otpId, otpCode, targetPublicKey: target.publicKeyUncompressed, expirationSeconds: "300" },
          organizationId,
        );
        const privateKey = decryptCredentialBundle(answer.credentialBundle, target.privateKey);
        const { apiKey } = await backend.getApiKey({ organizationId, apiKeyId: answer.apiKeyId });
        assert.equal(apiKey.expirationSeconds, "300");
        const whoami = await clientOf({ publicKey: apiKey.credential.publicKey, privateKey }).getWhoami({ organizationId });
        assert.equal(whoami.userId, userId);
      }
    });
  }

  for (const version of [4, 5, 6, 7, 8]) {
    test(`CREATE_SUB_ORGANIZATION_V${version} makes a home for a key`, async () => {
      const key = newKey();
      const apiKey = { apiKeyName: "Device", publicKey: key.publicKey };
      if (version >= 6) apiKey.curveType = "API_KEY_CURVE_P256";
      const user = { userName: "User", apiKeys: [apiKey], authenticators: [] };
      if (version >= 5) user.oauthProviders = [];
      const made = await submit(
        "create_sub_organization",
        `ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V${version}`,
        `createSubOrganizationResultV${version}`,
        { subOrganizationName: `Version ${version}`, rootQuorumThreshold: 1, rootUsers: [user] },
      );
      const whoami = await clientOf(key).getWhoami({ organizationId: made.subOrganizationId });
      assert.equal(whoami.userId, made.rootUserIds[0]);
      assert.equal(whoami.organizationName, `Version ${version}`);
    });
  }

  test("CREATE_SUB_ORGANIZATION_V7 takes a legacy token, and the contact is verified at once", async () => {
    const contact = freshEmail();
    const key = newKey();
    const { otpId } = await submit("init_otp", "ACTIVITY_TYPE_INIT_OTP_V2", "initOtpResult", {
      otpType: "OTP_TYPE_EMAIL",
      contact,
      appName: "Acme",
    });
    const { verificationToken } = await submit("verify_otp", "ACTIVITY_TYPE_VERIFY_OTP", "verifyOtpResult", {
      otpId,
      otpCode: await server.code(contact, otpId),
      publicKey: key.publicKey,
    });
    const user = rootUser({ userEmail: contact });
    const made = await submit("create_sub_organization", "ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V7", "createSubOrganizationResultV7", {
      subOrganizationName: "Home",
      rootQuorumThreshold: 1,
      rootUsers: [user],
      verificationToken,
      clientSignature: await signUpSignature(key, verificationToken, user, "signup"),
    });
    const found = await backend.getVerifiedSubOrgIds({
      organizationId: server.organizationId,
      filterType: "EMAIL",
      filterValue: contact,
    });
    assert.deepEqual(found.organizationIds, [made.subOrganizationId]);
  });

  test("CREATE_API_KEYS of the first version needs no curve", async () => {
    const { publicKey } = newKey();
    const { apiKeyIds } = await submit("create_api_keys", "ACTIVITY_TYPE_CREATE_API_KEYS", "createApiKeysResult", {
      userId: server.userId,
      apiKeys: [{ apiKeyName: "First version", publicKey }],
    });
    const deleted = await submit("delete_api_keys", "ACTIVITY_TYPE_DELETE_API_KEYS", "deleteApiKeysResult", {
      userId: server.userId,
      apiKeyIds,
    });
    assert.deepEqual(deleted.apiKeyIds, apiKeyIds);
  });
});

test("stamp_login turns a lasting key into a session of the same user", async () => {
  const device = newKey();
  const { organizationId, userId } = await organizationOf({
    apiKeys: [{ apiKeyName: "Device", publicKey: device.publicKey, curveType: "API_KEY_CURVE_P256" }],
  });
  const session = newKey();
  const answer = await clientOf(device).stampLogin(
    // The parent's id: the server finds the one sub-organization that knows the key.
    activity("ACTIVITY_TYPE_STAMP_LOGIN", { publicKey: session.publicKey, expirationSeconds: "900" }),
  );
  assert.equal(answer.activity.organizationId, organizationId);
  const claims = claimsOf(answer.activity.result.stampLoginResult.session);
  assert.deepEqual([claims.organization_id, claims.user_id], [organizationId, userId]);
  assert.equal((await clientOf(session).getWhoami({ organizationId })).userId, userId);
});

test("a base URL written with a slash at its end works as well", async () => {
  const root = { publicKey: server.apiPublicKey, privateKey: server.apiPrivateKey };
  const { organizationId } = server;
  assert.equal((await clientOf(root, { url: `${server.url}/` }).getWhoami({ organizationId })).userId, server.userId);
});

test("the activity poller returns at once with a completed activity", async () => {
  const poll = createActivityPoller({ client: backend, requestFn: backend.initOtp });
  const done = await poll(
    activity("ACTIVITY_TYPE_INIT_OTP_V3", { otpType: "OTP_TYPE_EMAIL", contact: freshEmail(), appName: "Acme" }),
  );
  assert.equal(done.status, "ACTIVITY_STATUS_COMPLETED");
  assert.ok(done.result.initOtpResultV2.otpId);
});

test("the same body twice is one activity", async () => {
  const contact = freshEmail();
  const body = activity("ACTIVITY_TYPE_INIT_OTP_V3", { otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme" });
  const first = await backend.initOtp(body);
  const again = await backend.initOtp(body);
  assert.deepEqual(again, first);
  await server.message(contact, first.activity.result.initOtpResultV2.otpId);
  assert.equal((await server.messages(contact)).length, 1);
});

test("every query answers in the shape the types promise", async () => {
  const device = newKey();
  const userEmail = freshEmail();
  const { organizationId, userId } = await organizationOf({
    userEmail,
    apiKeys: [{ apiKeyName: "Device", publicKey: device.publicKey, curveType: "API_KEY_CURVE_P256" }],
  });
  const user = clientOf(device);
  assert.equal((await user.getWhoami({ organizationId })).userId, userId);
  const { users } = await user.getUsers({ organizationId });
  assert.equal(users.length, 1);
  assert.deepEqual((await user.getUser({ organizationId, userId })).user, users[0]);
  for (const list of ["authenticators", "apiKeys", "userTags", "oauthProviders"]) assert.ok(Array.isArray(users[0][list]), list);
  const { apiKeys } = await user.getApiKeys({ organizationId });
  assert.deepEqual(apiKeys, users[0].apiKeys);
  assert.match(apiKeys[0].createdAt.seconds, /^[0-9]+$/);
  assert.deepEqual((await user.getApiKey({ organizationId, apiKeyId: apiKeys[0].apiKeyId })).apiKey, apiKeys[0]);
  assert.ok(Array.isArray((await user.getOrganizationConfigs({ organizationId })).configs.features));

  const filter = { organizationId: server.organizationId, filterType: "EMAIL", filterValue: userEmail.toUpperCase() };
  assert.deepEqual((await backend.getSubOrgIds(filter)).organizationIds, [organizationId]);
  assert.deepEqual((await backend.getVerifiedSubOrgIds(filter)).organizationIds, []);

  const login = await user.stampLogin(activity("ACTIVITY_TYPE_STAMP_LOGIN", { publicKey: newKey().publicKey }, organizationId));
  const { activities } = await user.getActivities({ organizationId, filterByType: ["ACTIVITY_TYPE_STAMP_LOGIN"] });
  assert.deepEqual(activities.map(({ id }) => id), [login.activity.id]);
  const found = await backend.getActivity({ organizationId, activityId: login.activity.id });
  assert.equal(found.activity.id, login.activity.id, "a parent reads its sub-organization");
});

describe("refusals arrive as the SDK's own error", () => {
  test("a key nobody registered", async () => {
    await assert.rejects(
      clientOf(newKey()).getWhoami({ organizationId: server.organizationId }),
      refusedAs(16, "PUBLIC_KEY_NOT_FOUND", /could not find public key in organization/),
    );
  });

  test("an organization that does not exist, or is no id at all", async () => {
    await assert.rejects(
      backend.getWhoami({ organizationId: "01980000-0000-7000-8000-000000000000" }),
      refusedAs(5, "ORGANIZATION_NOT_FOUND", /no organization found with the given ID/),
    );
    await assert.rejects(
      backend.getWhoami({ organizationId: "not-an-id" }),
      refusedAs(3, "INVALID_ORGANIZATION_ID", /malformed organization ID provided/),
    );
  });

  test("a wrong code", async () => {
    const contact = freshEmail();
    const { otpId } = await submit("init_otp", "ACTIVITY_TYPE_INIT_OTP_V2", "initOtpResult", {
      otpType: "OTP_TYPE_EMAIL",
      contact,
      appName: "Acme",
    });
    await assert.rejects(
      backend.request("/public/v1/submit/verify_otp", activity("ACTIVITY_TYPE_VERIFY_OTP", { otpId, otpCode: "222222222" })),
      refusedAs(3, "REQUEST_INVALID", /Invalid OTP code/),
    );
  });

  test("a login signed by another key than the one in the token", async () => {
    const contact = freshEmail();
    const { organizationId } = await organizationOf({ userEmail: contact });
    const key = newKey();
    const { otpId } = await submit("init_otp", "ACTIVITY_TYPE_INIT_OTP", "initOtpResult", {
      otpType: "OTP_TYPE_EMAIL",
      contact,
    });
    const { verificationToken } = await submit("verify_otp", "ACTIVITY_TYPE_VERIFY_OTP", "verifyOtpResult", {
      otpId,
      otpCode: await server.code(contact, otpId),
      publicKey: key.publicKey,
    });
    const thief = newKey();
    for (const clientSignature of [
      await loginSignature(thief, verificationToken),
      { ...(await loginSignature(thief, verificationToken)), publicKey: key.publicKey },
      await loginSignature(key, verificationToken, key.publicKey),
      undefined,
    ]) {
      await assert.rejects(
        backend.request(
          "/public/v1/submit/otp_login",
          activity("ACTIVITY_TYPE_OTP_LOGIN", { verificationToken, publicKey: thief.publicKey, clientSignature }, organizationId),
        ),
        (error) => error instanceof TurnkeyRequestError && [3, 16].includes(error.code),
      );
    }
  });

  test("a session key that has expired", async () => {
    const own = await startServer();
    try {
      const root = clientOf({ publicKey: own.apiPublicKey, privateKey: own.apiPrivateKey }, own);
      const session = newKey();
      await root.stampLogin(
        activity("ACTIVITY_TYPE_STAMP_LOGIN", { publicKey: session.publicKey, expirationSeconds: "60" }, own.organizationId),
      );
      const whoami = () => clientOf(session, own).getWhoami({ organizationId: own.organizationId });
      assert.equal((await whoami()).userId, own.userId);
      await own.advanceClock(61);
      await assert.rejects(whoami(), refusedAs(16, "API_KEY_EXPIRED", /Unauthenticated desc = expired api key publicKey/));
    } finally {
      await own.stop();
    }
  });

  test("an administrator's change of a sub-organization that only its own users may make", async () => {
    const { organizationId, userId } = await organizationOf({ userEmail: freshEmail() });
    await assert.rejects(
      backend.createApiKeys(
        activity(
          "ACTIVITY_TYPE_CREATE_API_KEYS_V2",
          { userId, apiKeys: [{ apiKeyName: "Theirs", publicKey: newKey().publicKey, curveType: "API_KEY_CURVE_P256" }] },
          organizationId,
        ),
      ),
      refusedAs(3, "ORGANIZATION_MISMATCH", /organization mismatch/),
    );
  });
});
