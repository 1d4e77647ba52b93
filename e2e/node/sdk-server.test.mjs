// @turnkey/sdk-server 8.2.1: the backend of an application, with the browser's part (its key pair, the
// encryption of the code) played by @turnkey/crypto.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import {
  computeActivityFingerprint,
  decryptCredentialBundle,
  encryptOtpCodeToBundle,
  verifyOtpVerificationToken,
  verifySessionJwtSignature,
} from "@turnkey/crypto";
import { CHANNELS, freshEmail } from "./support/contacts.mjs";
import { claimsOf, loginSignature, newKey, signUpSignature } from "./support/keys.mjs";
import { startServer } from "./support/server.mjs";
import { until } from "./support/until.mjs";

const server = await startServer();
after(() => server.stop());

// The package's own server actions read their settings when the module is first loaded.
process.env.NEXT_PUBLIC_BASE_URL = server.url;
process.env.NEXT_PUBLIC_ORGANIZATION_ID = server.organizationId;
process.env.TURNKEY_API_PUBLIC_KEY = server.apiPublicKey;
process.env.TURNKEY_API_PRIVATE_KEY = server.apiPrivateKey;
const { Turnkey, TurnkeyRequestError, server: actions } = await import("@turnkey/sdk-server");

const clientOf = (apiPublicKey, apiPrivateKey, on = server) =>
  new Turnkey({ apiBaseUrl: on.url, apiPublicKey, apiPrivateKey, defaultOrganizationId: on.organizationId }).apiClient();
const backend = clientOf(server.apiPublicKey, server.apiPrivateKey);

/** Requests a code and proves it with `key`; the answer is the verification token. */
async function proveContact({ otpType }, contact, key, { as = backend, on = server } = {}) {
  const { otpId, otpEncryptionTargetBundle } = await as.initOtp({ otpType, contact, appName: "Acme" });
  const code = await on.code(contact, otpId);
  const encryptedOtpBundle = await encryptOtpCodeToBundle(
    code,
    otpEncryptionTargetBundle,
    key.publicKey,
    on.bundleSignerPublicKey,
  );
  return (await as.verifyOtp({ otpId, encryptedOtpBundle })).verificationToken;
}

async function signUp(channel, contact, key, verificationToken) {
  const rootUser = { userName: "New user", ...channel.user(contact), apiKeys: [], authenticators: [], oauthProviders: [] };
  const created = await backend.createSubOrganization({
    subOrganizationName: `Home of ${contact}`,
    rootQuorumThreshold: 1,
    rootUsers: [rootUser],
    verificationToken,
    clientSignature: await signUpSignature(key, verificationToken, rootUser),
  });
  return { organizationId: created.subOrganizationId, userId: created.rootUserIds[0] };
}

const logIn = async (organizationId, verificationToken, key, more = {}, as = backend) =>
  (
    await as.otpLogin({
      organizationId,
      verificationToken,
      publicKey: key.publicKey,
      clientSignature: await loginSignature(key, verificationToken),
      ...more,
    })
  ).session;

const refusedAs = (code, turnkeyErrorCode, text) => (error) => {
  assert.ok(error instanceof TurnkeyRequestError, `${error}`);
  assert.equal(error.code, code, error.message);
  if (turnkeyErrorCode) assert.equal(error.details[0].turnkeyErrorCode, turnkeyErrorCode, error.message);
  assert.match(error.message, text);
  return true;
};

test("the language asked for goes along with the request, for codes and for keys by e-mail", async () => {
  const contact = freshEmail();
  const { otpId } = await backend.initOtp({ otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme", locale: "de-AT, en;q=0.5" });
  assert.match((await server.message(contact, otpId)).subject, / ist Ihr Code für Acme$/);

  const rootUser = { userName: "Ana", userEmail: contact, apiKeys: [], authenticators: [], oauthProviders: [] };
  const { subOrganizationId } = await backend.createSubOrganization({
    subOrganizationName: "Home of Ana",
    rootQuorumThreshold: 1,
    rootUsers: [rootUser],
  });
  await backend.emailAuth({
    organizationId: subOrganizationId,
    email: contact,
    targetPublicKey: newKey().publicKeyUncompressed,
    emailCustomization: { appName: "Acme" },
    locale: "pt-BR",
  });
  const subjects = () => server.messages(contact).then((messages) => messages.map(({ subject }) => subject));
  await until("the mailed key", async () => (await subjects()).includes("Entrar em Acme"));
});

describe("the current flow (INIT_OTP_V3, VERIFY_OTP_V2, OTP_LOGIN_V2)", () => {
  for (const channel of CHANNELS) {
    test(`a new user signs up and logs in by ${channel.name}`, async () => {
      const contact = channel.fresh();
      const key = newKey();

      const verificationToken = await proveContact(channel, contact, key);
      const claims = await verifyOtpVerificationToken(verificationToken, server.bundleSignerPublicKey);
      assert.equal(claims.contact, contact);
      assert.equal(claims.verification_type, channel.otpType);
      assert.equal(claims.organization_id, server.organizationId);
      assert.equal(claims.public_key, key.publicKey);

      const home = await signUp(channel, contact, key, verificationToken);
      const session = await logIn(home.organizationId, verificationToken, key);
      assert.equal(await verifySessionJwtSignature(session, server.sessionSignerPublicKey), true);
      const { user_id, organization_id, public_key, session_type } = claimsOf(session);
      assert.deepEqual(
        { user_id, organization_id, public_key, session_type },
        {
          user_id: home.userId,
          organization_id: home.organizationId,
          public_key: key.publicKey,
          session_type: "SESSION_TYPE_READ_WRITE",
        },
      );

      const user = clientOf(key.publicKey, key.privateKey);
      const whoami = await user.getWhoami({ organizationId: home.organizationId });
      assert.deepEqual(
        { organizationId: whoami.organizationId, userId: whoami.userId, username: whoami.username },
        { ...home, username: "New user" },
      );
      assert.equal((await user.getWhoami()).organizationId, home.organizationId, "found from the parent's id too");
    });

    test(`a user known by ${channel.name} logs in, and only then counts as verified`, async () => {
      const contact = channel.fresh();
      const { subOrganizationId } = await backend.createSubOrganization({
        subOrganizationName: "Made by an administrator",
        rootQuorumThreshold: 1,
        rootUsers: [{ userName: "Known", ...channel.user(contact), apiKeys: [], authenticators: [], oauthProviders: [] }],
      });
      const filter = { filterType: channel.filterType, filterValue: contact };
      assert.deepEqual((await backend.getSubOrgIds(filter)).organizationIds, [subOrganizationId]);
      assert.deepEqual((await backend.getVerifiedSubOrgIds(filter)).organizationIds, []);

      const key = newKey();
      const session = await logIn(subOrganizationId, await proveContact(channel, contact, key), key, {
        expirationSeconds: "120",
      });
      assert.equal(claimsOf(session).organization_id, subOrganizationId);
      assert.ok(claimsOf(session).exp <= Math.ceil(Date.now() / 1000) + 120 + 5);
      assert.deepEqual((await backend.getVerifiedSubOrgIds(filter)).organizationIds, [subOrganizationId]);
    });
  }

  test("a login that invalidates the others leaves one session key", async () => {
    const [channel] = CHANNELS;
    const contact = channel.fresh();
    const first = newKey();
    const token = await proveContact(channel, contact, first);
    const { organizationId, userId } = await signUp(channel, contact, first, token);
    await logIn(organizationId, token, first);

    const second = newKey();
    await logIn(organizationId, await proveContact(channel, contact, second), second, { invalidateExisting: true });
    const { apiKeys } = await backend.getApiKeys({ organizationId, userId });
    assert.deepEqual(
      apiKeys.map(({ credential }) => [credential.type, credential.publicKey]),
      [["CREDENTIAL_TYPE_LOGIN", second.publicKey]],
    );
    await assert.rejects(
      clientOf(first.publicKey, first.privateKey).getWhoami({ organizationId }),
      /could not find public key in organization or its parent organization/,
    );
  });

  test("the package's own server actions send, verify and log in", async () => {
    const contact = freshEmail();
    const key = newKey();
    const { subOrganizationId } = await backend.createSubOrganization({
      subOrganizationName: "For the actions",
      rootQuorumThreshold: 1,
      rootUsers: [{ userName: "Acting", userEmail: contact, apiKeys: [], authenticators: [], oauthProviders: [] }],
    });
    const sent = await actions.sendOtp({ appName: "Acme", otpType: "OTP_TYPE_EMAIL", contact, otpLength: 6, alphanumeric: false });
    const code = await server.code(contact, sent.otpId);
    assert.match(code, /^[0-9]{6}$/);
    const { verificationToken } = await actions.verifyOtp({
      otpId: sent.otpId,
      encryptedOtpBundle: await encryptOtpCodeToBundle(
        code,
        sent.otpEncryptionTargetBundle,
        key.publicKey,
        server.bundleSignerPublicKey,
      ),
    });
    const { session } = await actions.otpLogin({
      suborgID: subOrganizationId,
      verificationToken,
      publicKey: key.publicKey,
      clientSignature: await loginSignature(key, verificationToken),
      sessionLengthSeconds: 300,
    });
    assert.equal(await verifySessionJwtSignature(session, server.sessionSignerPublicKey), true);
    const { organizationIds } = await actions.getVerifiedSuborgs({ filterType: "EMAIL", filterValue: contact });
    assert.deepEqual(organizationIds, [subOrganizationId]);
  });

  test("a sub-organization with a wallet is refused in clear words", async () => {
    await assert.rejects(
      backend.createSubOrganization({
        subOrganizationName: "With a wallet",
        rootQuorumThreshold: 1,
        rootUsers: [{ userName: "Wants a wallet", userEmail: freshEmail(), apiKeys: [], authenticators: [], oauthProviders: [] }],
        wallet: { walletName: "Wallet 1", accounts: [] },
      }),
      refusedAs(3, "REQUEST_INVALID", /wallets are not supported by this server/),
    );
  });
});

describe("what the user sees when a code is refused", () => {
  const guess = async (attempt, code) => {
    const encryptedOtpBundle = await encryptOtpCodeToBundle(
      code,
      attempt.otpEncryptionTargetBundle,
      newKey().publicKey,
      server.bundleSignerPublicKey,
    );
    return backend.verifyOtp({ otpId: attempt.otpId, encryptedOtpBundle });
  };
  const invalidCode = refusedAs(3, "REQUEST_INVALID", /Invalid OTP code/);

  test("a wrong code is the SDK's request error, and the right one still works after it", async () => {
    const contact = freshEmail();
    const attempt = await backend.initOtp({ otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme" });
    await assert.rejects(guess(attempt, "222222222"), invalidCode);
    const code = await server.code(contact, attempt.otpId);
    assert.ok((await guess(attempt, code.toLowerCase())).verificationToken);
    await assert.rejects(guess(attempt, code), invalidCode, "a spent code is refused");
  });

  test("after three wrong codes the right one is refused in the same words", async () => {
    const contact = freshEmail();
    const attempt = await backend.initOtp({ otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme" });
    for (const wrong of ["222222222", "333333333", "444444444"]) await assert.rejects(guess(attempt, wrong), invalidCode);
    await assert.rejects(guess(attempt, await server.code(contact, attempt.otpId)), invalidCode);
  });

  test("the fourth code in three minutes is refused as MAX_OTP_INITIATED", async () => {
    const contact = freshEmail();
    // Equal bytes would be one activity; that each device has its own identifier does not lift the contact's limit.
    const send = (nth) =>
      backend.initOtp({ otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme", userIdentifier: `device-${nth}-${contact}` });
    for (let nth = 0; nth < 3; nth += 1) await send(nth);
    await assert.rejects(send(3), refusedAs(3, "MAX_OTP_INITIATED", /Max number of OTPs have been initiated/));
  });
});

test("a sandbox contact takes its fixed code, and gets no message", async () => {
  for (const [otpType, contact] of [
    ["OTP_TYPE_EMAIL", "user@example.com"],
    ["OTP_TYPE_SMS", "+1 999-999-9999"],
  ]) {
    const key = newKey();
    const attempt = await backend.initOtp({ otpType, contact, appName: "Acme", alphanumeric: false, otpLength: 6 });
    const encryptedOtpBundle = await encryptOtpCodeToBundle(
      "000000",
      attempt.otpEncryptionTargetBundle,
      key.publicKey,
      server.bundleSignerPublicKey,
    );
    const { verificationToken } = await backend.verifyOtp({ otpId: attempt.otpId, encryptedOtpBundle });
    assert.equal((await verifyOtpVerificationToken(verificationToken, server.bundleSignerPublicKey)).contact, contact);
  }
  // By the time a later code has arrived, an earlier message would have too.
  const contact = freshEmail();
  const { otpId } = await backend.initOtp({ otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme" });
  await server.message(contact, otpId);
  for (const sandbox of ["user@example.com", "+19999999999"]) assert.deepEqual(await server.messages(sandbox), []);
});

test("a credential bundle of the legacy flow opens, and its key stamps", async () => {
  for (const channel of CHANNELS) {
    const contact = channel.fresh();
    const { subOrganizationId, rootUserIds } = await backend.createSubOrganization({
      subOrganizationName: "Legacy",
      rootQuorumThreshold: 1,
      rootUsers: [{ userName: "Legacy", ...channel.user(contact), apiKeys: [], authenticators: [], oauthProviders: [] }],
    });
    const { otpId } = await backend.initOtpAuth({
      organizationId: subOrganizationId,
      otpType: channel.otpType,
      contact,
      appName: "Acme",
      otpLength: 8,
    });
    const otpCode = await server.code(contact, otpId);
    assert.equal(otpCode.length, 8);
    const target = newKey();
    const opened = await backend.otpAuth({
      organizationId: subOrganizationId,
      otpId,
      otpCode,
      targetPublicKey: target.publicKeyUncompressed,
      apiKeyName: "From a code",
    });
    assert.equal(opened.userId, rootUserIds[0]);

    const privateKey = decryptCredentialBundle(opened.credentialBundle, target.privateKey);
    const { apiKey } = await backend.getApiKey({ organizationId: subOrganizationId, apiKeyId: opened.apiKeyId });
    assert.equal(apiKey.apiKeyName, "From a code");
    assert.equal(apiKey.credential.type, "CREDENTIAL_TYPE_OTP_AUTH_KEY_P256");
    const whoami = await clientOf(apiKey.credential.publicKey, privateKey).getWhoami({ organizationId: subOrganizationId });
    assert.equal(whoami.userId, opened.userId);
  }
});

describe("keys, sessions, features and queries", () => {
  test("API keys are created, used to start a session, and deleted", async () => {
    const key = newKey();
    const made = await backend.createApiKeys({
      userId: server.userId,
      apiKeys: [
        { apiKeyName: "Second key", publicKey: key.publicKey, curveType: "API_KEY_CURVE_P256" },
        { apiKeyName: "For a day", publicKey: newKey().publicKey, curveType: "API_KEY_CURVE_P256", expirationSeconds: "86400" },
      ],
    });
    assert.equal(made.apiKeyIds.length, 2);
    const [lasting, expiring] = await Promise.all(
      made.apiKeyIds.map(async (apiKeyId) => (await backend.getApiKey({ apiKeyId })).apiKey),
    );
    assert.equal(lasting.credential.publicKey, key.publicKey);
    assert.equal(lasting.credential.type, "CREDENTIAL_TYPE_API_KEY_P256");
    assert.equal(lasting.expirationSeconds, undefined);
    assert.equal(expiring.expirationSeconds, "86400");

    const session = newKey();
    const login = await clientOf(key.publicKey, key.privateKey).stampLogin({ publicKey: session.publicKey });
    assert.equal(await verifySessionJwtSignature(login.session, server.sessionSignerPublicKey), true);
    assert.equal(claimsOf(login.session).user_id, server.userId);
    const whoami = await clientOf(session.publicKey, session.privateKey).getWhoami();
    assert.equal(whoami.userId, server.userId);

    const deleted = await backend.deleteApiKeys({ userId: server.userId, apiKeyIds: made.apiKeyIds });
    assert.deepEqual(deleted.apiKeyIds.toSorted(), made.apiKeyIds.toSorted());
    await assert.rejects(
      clientOf(key.publicKey, key.privateKey).getWhoami(),
      refusedAs(16, "PUBLIC_KEY_NOT_FOUND", /could not find public key in organization/),
    );
  });

  test("a feature that is removed refuses, and works again when it is set", async () => {
    const name = "FEATURE_NAME_SMS_AUTH";
    const names = (answer) => answer.features.map((feature) => feature.name);
    assert.ok(!names(await backend.removeOrganizationFeature({ name })).includes(name));
    const { fresh, otpType } = CHANNELS[1];
    const send = () => backend.initOtp({ otpType, contact: fresh(), appName: "Acme" });
    try {
      await assert.rejects(send(), refusedAs(7, undefined, /request not authorized/));
      const { configs } = await backend.getOrganizationConfigs({});
      assert.ok(!names(configs).includes(name));
    } finally {
      assert.ok(names(await backend.setOrganizationFeature({ name, value: "" })).includes(name));
    }
    assert.ok((await send()).otpId);
    assert.deepEqual((await backend.getOrganizationConfigs({})).configs.quorum, { threshold: 1, userIds: [server.userId] });
  });

  test("every query answers", async () => {
    const key = newKey();
    const { activity, subOrganizationId, rootUserIds } = await backend.createSubOrganization({
      subOrganizationName: "Asked about",
      rootQuorumThreshold: 1,
      rootUsers: [
        {
          userName: "Asked about",
          userEmail: freshEmail(),
          apiKeys: [{ apiKeyName: "Device", publicKey: key.publicKey, curveType: "API_KEY_CURVE_P256" }],
          authenticators: [],
          oauthProviders: [],
        },
      ],
    });
    const organizationId = subOrganizationId;
    const [userId] = rootUserIds;

    const whoami = await backend.getWhoami();
    assert.equal(whoami.userId, server.userId);
    assert.ok(whoami.organizationName && whoami.username);

    const found = await backend.getActivity({ activityId: activity.id });
    assert.equal(found.activity.type, "ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V8");
    assert.deepEqual(found.activity.result, activity.result);
    assert.equal(found.activity.intent.createSubOrganizationIntentV8.subOrganizationName, "Asked about");

    const listed = await backend.getActivities({
      filterByType: ["ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V8"],
      filterByStatus: ["ACTIVITY_STATUS_COMPLETED"],
      paginationOptions: { limit: "1" },
    });
    assert.deepEqual(listed.activities.map(({ id }) => id), [activity.id]);

    const { user } = await backend.getUser({ organizationId, userId });
    assert.equal(user.userName, "Asked about");
    assert.deepEqual(user.apiKeys.map(({ credential }) => credential.publicKey), [key.publicKey]);
    const { users } = await backend.getUsers({ organizationId });
    assert.deepEqual(users, [user]);

    const byKey = { filterType: "PUBLIC_KEY", filterValue: key.publicKey };
    assert.deepEqual((await backend.getSubOrgIds(byKey)).organizationIds, [organizationId]);
    assert.deepEqual(
      (await backend.getVerifiedSubOrgIds({ filterType: "EMAIL", filterValue: user.userEmail })).organizationIds,
      [],
    );

    const { apiKeys } = await backend.getApiKeys({ organizationId, userId });
    assert.deepEqual(apiKeys, user.apiKeys);
    const { apiKey } = await backend.getApiKey({ organizationId, apiKeyId: apiKeys[0].apiKeyId });
    assert.deepEqual(apiKey, apiKeys[0]);

    const { configs } = await backend.getOrganizationConfigs({ organizationId });
    assert.deepEqual(configs.quorum, { threshold: 1, userIds: [userId] });
  });

  test("a list is walked page by page", async () => {
    const made = [];
    for (let count = 0; count < 3; count += 1) {
      const { subOrganizationId } = await backend.createSubOrganization({
        subOrganizationName: `Page ${count}`,
        rootQuorumThreshold: 1,
        rootUsers: [{ userName: "Paged", userEmail: freshEmail(), apiKeys: [], authenticators: [], oauthProviders: [] }],
      });
      made.unshift(subOrganizationId);
    }
    const walked = [];
    for (let after; walked.length < 3; after = walked.at(-1)) {
      const { organizationIds } = await backend.getSubOrgIds({
        paginationOptions: { limit: "1", ...(after && { after }) },
      });
      assert.equal(organizationIds.length, 1);
      walked.push(...organizationIds);
    }
    assert.deepEqual(walked, made, "newest first");
  });
});

test("the same bytes again are the same activity, and send no second message", async () => {
  const contact = freshEmail();
  const signed = await backend.stampInitOtp({ otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme" });
  const post = async () => {
    const response = await fetch(signed.url, {
      method: "POST",
      headers: { [signed.stamp.stampHeaderName]: signed.stamp.stampHeaderValue },
      body: signed.body,
    });
    assert.equal(response.status, 200);
    return (await response.json()).activity;
  };
  const first = await post();
  const again = await post();
  assert.deepEqual(again, first);
  assert.equal(first.fingerprint, computeActivityFingerprint(signed.body));
  const otpId = first.result.initOtpResultV2.otpId;
  await server.message(contact, otpId);
  assert.equal((await server.messages(contact)).length, 1);
});

test("an expired session key and an expired code are told as such", async () => {
  // A server of its own: its clock is moved past what other tests wait for.
  const own = await startServer();
  try {
    const as = clientOf(own.apiPublicKey, own.apiPrivateKey, own);
    const session = newKey();
    await as.stampLogin({ publicKey: session.publicKey, expirationSeconds: "60" });
    const user = clientOf(session.publicKey, session.privateKey, own);
    assert.equal((await user.getWhoami()).userId, own.userId);

    const contact = freshEmail();
    const attempt = await as.initOtp({ otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme", expirationSeconds: "60" });
    const code = await own.code(contact, attempt.otpId);
    const encryptedOtpBundle = await encryptOtpCodeToBundle(
      code,
      attempt.otpEncryptionTargetBundle,
      newKey().publicKey,
      own.bundleSignerPublicKey,
    );

    await own.advanceClock(61);
    await assert.rejects(
      user.getWhoami(),
      refusedAs(16, "API_KEY_EXPIRED", /Unauthenticated desc = expired api key publicKey/),
    );
    await assert.rejects(
      as.verifyOtp({ otpId: attempt.otpId, encryptedOtpBundle }),
      refusedAs(3, "REQUEST_INVALID", /Invalid OTP code/),
    );
  } finally {
    await own.stop();
  }
});
