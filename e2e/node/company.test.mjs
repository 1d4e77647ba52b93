// A company's organization run with @turnkey/sdk-server 8.2.1: users with scoped rights, votes on what is sensitive, and
// sessions that may do less than their user.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ApiKeyStamper } from "@turnkey/api-key-stamper";
import { computeActivityFingerprint, encryptOtpCodeToBundle, verifySessionJwtSignature, verifyStampSignature } from "@turnkey/crypto";
import { Turnkey, TurnkeyRequestError } from "@turnkey/sdk-server";
import { freshEmail } from "./support/contacts.mjs";
import { claimsOf, loginSignature, newKey, signUpSignature } from "./support/keys.mjs";
import { startServer } from "./support/server.mjs";

const server = await startServer();
after(() => server.stop());

const clientOf = ({ publicKey, privateKey }, on = server) =>
  new Turnkey({
    apiBaseUrl: on.url,
    apiPublicKey: publicKey,
    apiPrivateKey: privateKey,
    defaultOrganizationId: on.organizationId,
    // What waits for votes is asked for again before it is returned.
    activityPoller: { intervalMs: 10, numRetries: 1 },
  }).apiClient();
const rootOf = (on) => clientOf({ publicKey: on.apiPublicKey, privateKey: on.apiPrivateKey }, on);
const root = rootOf(server);

/** A user with a P-256 key and no rights but those that everybody has. */
async function newUser(userName, on = server) {
  const key = newKey();
  const { userIds } = await rootOf(on).createUsers({
    users: [
      {
        userName,
        userTags: [],
        apiKeys: [{ apiKeyName: "Key", publicKey: key.publicKey, curveType: "API_KEY_CURVE_P256" }],
        authenticators: [],
        oauthProviders: [],
      },
    ],
  });
  return { userId: userIds[0], key, client: clientOf(key, on) };
}

const rootUser = (more) => ({ userName: "User", apiKeys: [], authenticators: [], oauthProviders: [], ...more });

const subOrganization = (subOrganizationName, more) => ({
  subOrganizationName,
  rootQuorumThreshold: 1,
  rootUsers: [rootUser({ userEmail: freshEmail() })],
  ...more,
});

const DENIED = "You don't have sufficient permissions to take this action. Please add a policy granting this user permissions.";

/** Refused by the policies, which came to these outcomes. */
const deniedBy = (...policyEvaluations) => (error) => {
  assert.ok(error instanceof TurnkeyRequestError, `${error}`);
  assert.equal(error.code, 7, error.message);
  assert.ok(error.message.startsWith(`Turnkey error 7: ${DENIED} `), error.message);
  assert.deepEqual(error.details, [
    {
      "@type": "type.googleapis.com/errors.v1.PolicyEnginePermissionError",
      message: "No policies evaluated to outcome: Allow",
      policyEvaluations,
    },
  ]);
  return true;
};

const refusedAs = (code, text) => (error) => {
  assert.ok(error instanceof TurnkeyRequestError, `${error}`);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, text);
  return true;
};

/** Sends a request that was stamped before; the answer is status and body as they come. */
async function send({ url, body, stamp }) {
  const headers = { [stamp.stampHeaderName]: stamp.stampHeaderValue };
  const response = await fetch(url, { method: "POST", headers, body });
  return { status: response.status, body: await response.json() };
}

const mail = () => ({ otpType: "OTP_TYPE_EMAIL", contact: freshEmail(), appName: "Acme" });

test("a user whom no policy mentions may look and do nothing", async () => {
  const { userId, client } = await newUser("Newcomer");
  assert.equal((await client.getWhoami()).userId, userId);
  await assert.rejects(client.initOtp(mail()), deniedBy());
});

describe("a backend's user that the documented policy limits to OTP", () => {
  const signIn =
    "(activity.resource == 'AUTH' && activity.action == 'CREATE') || " +
    "(activity.resource == 'OTP' && activity.action == 'CREATE') || " +
    "(activity.resource == 'OTP' && activity.action == 'VERIFY') || " +
    "(activity.resource == 'ORGANIZATION' && activity.action == 'CREATE')";
  let user;
  let colleague;
  let policyId;
  before(async () => {
    user = await newUser("Sign-in backend");
    colleague = await newUser("Colleague");
    ({ policyId } = await root.createPolicy({
      policyName: "Sign-in backend",
      effect: "EFFECT_ALLOW",
      condition: signIn,
      consensus: `approvers.any(user, user.id == '${user.userId}')`,
      notes: "",
    }));
  });

  test("signs people up and logs them in", async () => {
    const contact = freshEmail();
    const key = newKey();
    const { otpId, otpEncryptionTargetBundle } = await user.client.initOtp({ ...mail(), contact });
    const encryptedOtpBundle = await encryptOtpCodeToBundle(
      await server.code(contact, otpId),
      otpEncryptionTargetBundle,
      key.publicKey,
      server.bundleSignerPublicKey,
    );
    const { verificationToken } = await user.client.verifyOtp({ otpId, encryptedOtpBundle });
    const newcomer = rootUser({ userEmail: contact });
    const { subOrganizationId, rootUserIds } = await user.client.createSubOrganization(
      subOrganization("Home", {
        rootUsers: [newcomer],
        verificationToken,
        clientSignature: await signUpSignature(key, verificationToken, newcomer),
      }),
    );
    const { session } = await user.client.otpLogin({
      organizationId: subOrganizationId,
      verificationToken,
      publicKey: key.publicKey,
      clientSignature: await loginSignature(key, verificationToken),
    });
    assert.equal(await verifySessionJwtSignature(session, server.sessionSignerPublicKey), true);
    assert.equal((await clientOf(key).getWhoami({ organizationId: subOrganizationId })).userId, rootUserIds[0]);
  });

  for (const [what, act] of [
    ["users", () => user.client.createUsers({ users: [{ userName: "Friend", userTags: [], ...withKey() }] })],
    ["policies", () => user.client.createPolicy({ policyName: "All", effect: "EFFECT_ALLOW", condition: "true", notes: "" })],
    ["tags", () => user.client.createUserTag({ userTagName: "Chosen", userIds: [user.userId] })],
    ["a colleague's keys", () => user.client.createApiKeys({ userId: colleague.userId, apiKeys: withKey().apiKeys })],
    ["session profiles", () => user.client.createSessionProfile({ sessionProfileName: "Mine", scope: "true" })],
  ]) {
    test(`is refused ${what}, and told which policy said what`, () =>
      assert.rejects(act(), deniedBy({ policyId, outcome: "OUTCOME_DENY_IMPLICIT" })));
  }

  test("is refused what the root quorum alone decides", async () => {
    for (const act of [
      () => user.client.updateRootQuorum({ threshold: 1, userIds: [user.userId] }),
      () => user.client.setOrganizationFeature({ name: "FEATURE_NAME_SMS_AUTH", value: "" }),
    ]) {
      await assert.rejects(act(), refusedAs(7, /^Turnkey error 7: You don't have sufficient permissions/));
    }
    assert.deepEqual((await root.getOrganizationConfigs({})).configs.quorum, { threshold: 1, userIds: [server.userId] });
  });

  test("gets the documented body, byte for byte the same when it asks again", async () => {
    const signed = await user.client.stampCreateUserTag({ userTagName: "Chosen", userIds: [user.userId] });
    const refused = await send(signed);
    assert.deepEqual(refused, {
      status: 403,
      body: {
        code: 7,
        message: DENIED,
        details: [
          {
            "@type": "type.googleapis.com/errors.v1.PolicyEnginePermissionError",
            message: "No policies evaluated to outcome: Allow",
            policyEvaluations: [{ policyId, outcome: "OUTCOME_DENY_IMPLICIT" }],
          },
        ],
        turnkeyErrorCode: "",
      },
    });
    assert.deepEqual(await send(signed), refused);

    const { activities } = await root.getActivities({ filterByStatus: ["ACTIVITY_STATUS_REJECTED"] });
    const activity = activities.find(({ fingerprint }) => fingerprint === computeActivityFingerprint(signed.body));
    assert.equal(activity.failure.message, DENIED);
    const { policyEvaluations } = await root.getPolicyEvaluations({ activityId: activity.id });
    assert.deepEqual(
      policyEvaluations.map(({ voteId, policyEvaluations: said }) => [voteId, said.map(({ policyId, outcome }) => ({ policyId, outcome }))]),
      [[activity.votes[0].id, [{ policyId, outcome: "OUTCOME_DENY_IMPLICIT" }]]],
    );
  });

  test("still looks after its own keys", async () => {
    const { apiKeyIds } = await user.client.createApiKeys({ userId: user.userId, apiKeys: withKey().apiKeys });
    const deleted = await user.client.deleteApiKeys({ userId: user.userId, apiKeyIds });
    assert.deepEqual(deleted.apiKeyIds, apiKeyIds);
  });

  test("is refused by a denial, which outweighs the allowance", async () => {
    const { policyId: denial } = await root.createPolicy({
      policyName: "No text messages",
      effect: "EFFECT_DENY",
      condition: "activity.kind == 'INIT_OTP'",
      consensus: `approvers.any(user, user.id == '${user.userId}')`,
      notes: "",
    });
    try {
      await assert.rejects(user.client.initOtp(mail()), (error) => {
        const { policyEvaluations } = error.details[0];
        const outcomes = Object.fromEntries(policyEvaluations.map(({ policyId: id, outcome }) => [id, outcome]));
        assert.deepEqual(outcomes, { [policyId]: "OUTCOME_ALLOW", [denial]: "OUTCOME_DENY_EXPLICIT" });
        return true;
      });
    } finally {
      assert.equal((await root.deletePolicy({ policyId: denial })).policyId, denial);
    }
    assert.ok((await user.client.initOtp(mail())).otpId);
  });

  test("a policy that makes no sense is refused with the place where it does not", () =>
    assert.rejects(
      root.createPolicy({ policyName: "Nonsense", effect: "EFFECT_ALLOW", condition: "activity.kind == 7", notes: "" }),
      refusedAs(3, /invalid policy condition: line 1, column \d+: /),
    ));
});

function withKey() {
  const { publicKey } = newKey();
  return {
    apiKeys: [{ apiKeyName: "Key", publicKey, curveType: "API_KEY_CURVE_P256" }],
    authenticators: [],
    oauthProviders: [],
  };
}

describe("a root quorum of two out of three", () => {
  let company;
  let [ada, ben, cyd, dan] = [];
  let quorum;
  before(async () => {
    company = await startServer();
    ada = { userId: company.userId, client: rootOf(company) };
    [ben, cyd, dan] = [await newUser("Ben", company), await newUser("Cyd", company), await newUser("Dan", company)];
    quorum = { threshold: 2, userIds: [ada, ben, cyd].map(({ userId }) => userId) };
    await ada.client.updateRootQuorum(quorum);
  });
  after(() => company?.stop());

  const named = async (filterValue) => (await ada.client.getSubOrgIds({ filterType: "NAME", filterValue })).organizationIds;
  const asSeenBy = async ({ client }, { id }) => (await client.getActivity({ activityId: id })).activity;
  const noSuchActivity = refusedAs(5, /No activity found with fingerprint/);

  /** Ada asks for a sub-organization, which waits. */
  async function ask(name) {
    const answer = await ada.client.createSubOrganization(subOrganization(name));
    assert.equal(answer.activity.status, "ACTIVITY_STATUS_CONSENSUS_NEEDED");
    assert.equal(answer.subOrganizationId, undefined);
    assert.deepEqual(await named(name), []);
    return answer.activity;
  }

  test("a sub-organization is made when the second approves, not before", async () => {
    assert.deepEqual((await ada.client.getOrganizationConfigs({})).configs.quorum, quorum);
    const asked = await ask("Approved");
    assert.deepEqual([asked.canApprove, asked.canReject, asked.votes.length], [false, false, 1]);
    for (const { client, may } of [
      { ...ben, may: true },
      { ...cyd, may: true },
      { ...dan, may: false },
    ]) {
      const { canApprove, canReject } = (await client.getActivity({ activityId: asked.id })).activity;
      assert.deepEqual([canApprove, canReject], [may, may]);
    }
    await assert.rejects(dan.client.approveActivity({ fingerprint: asked.fingerprint }), refusedAs(7, /request not authorized/));

    const { activity } = await ben.client.approveActivity({ fingerprint: asked.fingerprint });
    assert.deepEqual([activity.id, activity.status], [asked.id, "ACTIVITY_STATUS_COMPLETED"]);
    const { subOrganizationId } = activity.result.createSubOrganizationResultV8;
    assert.deepEqual(await named("Approved"), [subOrganizationId]);
    assert.deepEqual(
      activity.votes.map(({ userId, selection }) => [userId, selection]),
      [ada, ben].map(({ userId }) => [userId, "VOTE_SELECTION_APPROVED"]),
    );
    for (const { publicKey, signature, message } of activity.votes) {
      assert.equal(await verifyStampSignature(publicKey, signature, message), true);
    }
    assert.equal(computeActivityFingerprint(activity.votes[0].message), activity.fingerprint);
    assert.deepEqual(await asSeenBy(ada, asked), activity);
    await assert.rejects(cyd.client.approveActivity({ fingerprint: asked.fingerprint }), noSuchActivity);
  });

  test("the same bytes from another root user are an approval", async () => {
    const signed = await ada.client.stampCreateSubOrganization(subOrganization("Sent by both"));
    assert.equal((await send(signed)).body.activity.status, "ACTIVITY_STATUS_CONSENSUS_NEEDED");
    assert.equal((await send(signed)).body.activity.votes.length, 1, "nobody approves twice");
    const { publicKey, privateKey } = cyd.key;
    const stamper = new ApiKeyStamper({ apiPublicKey: publicKey, apiPrivateKey: privateKey });
    const { activity } = (await send({ ...signed, stamp: await stamper.stamp(signed.body) })).body;
    assert.equal(activity.status, "ACTIVITY_STATUS_COMPLETED");
    assert.deepEqual(await named("Sent by both"), [activity.result.createSubOrganizationResultV8.subOrganizationId]);
  });

  test("what two approve at the same moment is done once", async () => {
    const { id, fingerprint } = await ask("Approved twice");
    const votes = await Promise.allSettled([ben, cyd].map(({ client }) => client.approveActivity({ fingerprint })));
    const counted = votes.filter(({ status }) => status === "fulfilled").map(({ value }) => value.activity);
    assert.ok(counted.length >= 1);
    for (const { status } of counted) assert.equal(status, "ACTIVITY_STATUS_COMPLETED");
    for (const { reason } of votes.filter(({ status }) => status === "rejected")) assert.ok(noSuchActivity(reason));
    const { result } = await asSeenBy(ada, { id });
    assert.deepEqual(await named("Approved twice"), [result.createSubOrganizationResultV8.subOrganizationId]);
  });

  test("two rejections end it, and one does not", async () => {
    const { id, fingerprint } = await ask("Rejected");
    const { activity: once } = await ben.client.rejectActivity({ fingerprint });
    assert.equal(once.status, "ACTIVITY_STATUS_CONSENSUS_NEEDED");
    assert.deepEqual([once.canApprove, once.canReject], [false, false]);
    const { activity: twice } = await cyd.client.rejectActivity({ fingerprint });
    assert.deepEqual([twice.id, twice.status], [id, "ACTIVITY_STATUS_REJECTED"]);
    assert.deepEqual(
      twice.votes.map(({ selection }) => selection),
      ["VOTE_SELECTION_APPROVED", "VOTE_SELECTION_REJECTED", "VOTE_SELECTION_REJECTED"],
    );
    await assert.rejects(ben.client.approveActivity({ fingerprint }), noSuchActivity);
    assert.deepEqual(await named("Rejected"), []);
  });

  test("one of the three alone cannot change the quorum", async () => {
    const { activity } = await ben.client.updateRootQuorum({ threshold: 1, userIds: [ben.userId] });
    assert.equal(activity.status, "ACTIVITY_STATUS_CONSENSUS_NEEDED");
    assert.deepEqual((await ada.client.getOrganizationConfigs({})).configs.quorum, quorum);
  });

  test("a policy can ask for two as well", async () => {
    const policy = {
      policyName: "Two make tags",
      effect: "EFFECT_ALLOW",
      condition: "activity.kind == 'CREATE_USER_TAG'",
      consensus: "approvers.count() >= 2",
      notes: "",
    };
    const { fingerprint } = (await ada.client.createPolicy(policy)).activity;
    assert.equal((await cyd.client.approveActivity({ fingerprint })).activity.status, "ACTIVITY_STATUS_COMPLETED");
    const eve = await userByTwo("Eve");
    const { activity } = await dan.client.createUserTag({ userTagName: "Auditors", userIds: [] });
    assert.equal(activity.status, "ACTIVITY_STATUS_CONSENSUS_NEEDED");
    const approved = await eve.client.approveActivity({ fingerprint: activity.fingerprint });
    assert.equal(approved.activity.status, "ACTIVITY_STATUS_COMPLETED");
    const { userTags } = await dan.client.listUserTags({});
    assert.deepEqual(userTags.map(({ tagName }) => tagName), ["Auditors"]);

    async function userByTwo(userName) {
      const key = newKey();
      const apiKeys = [{ apiKeyName: "Key", publicKey: key.publicKey, curveType: "API_KEY_CURVE_P256" }];
      const asked = await ada.client.createUsers({ users: [{ userName, userTags: [], ...withKey(), apiKeys }] });
      const done = await ben.client.approveActivity({ fingerprint: asked.activity.fingerprint });
      return { userId: done.activity.result.createUsersResult.userIds[0], client: clientOf(key, company) };
    }
  });
});

describe("a session with a profile", () => {
  const scope = "activity.resource == 'OTP'";
  const profile = { sessionProfileName: "Front desk", scope, expirationSeconds: "600", notes: "sends codes" };
  let sessionProfileId;
  before(async () => {
    ({ sessionProfileId } = await root.createSessionProfile(profile));
  });

  async function logIn(more) {
    const key = newKey();
    const { session } = await root.stampLogin({ publicKey: key.publicKey, sessionProfileId, ...more });
    return { key, claims: claimsOf(session), session, client: clientOf(key) };
  }

  test("says what it is for, and lasts no longer than its profile allows", async () => {
    const { claims, session, key } = await logIn({ expirationSeconds: "86400" });
    assert.equal(await verifySessionJwtSignature(session, server.sessionSignerPublicKey), true);
    assert.deepEqual(
      [claims.session_type, claims.session_profile_id, claims.scope, claims.public_key],
      ["Front desk", sessionProfileId, scope, key.publicKey],
    );
    assert.ok(claims.exp <= Math.ceil(Date.now() / 1000) + 600 + 5);
    const { apiKeys } = await root.getApiKeys({ userId: server.userId });
    const { credential, expirationSeconds } = apiKeys.find((apiKey) => apiKey.credential.publicKey === key.publicKey);
    assert.deepEqual([credential.sessionProfileId, expirationSeconds], [sessionProfileId, "600"]);
  });

  test("does what is in its scope, and asks", async () => {
    const { client } = await logIn();
    const sent = await client.initOtp({ otpType: "OTP_TYPE_EMAIL", contact: freshEmail(), appName: "Acme" });
    assert.ok(sent.otpId);
    assert.equal((await client.getWhoami()).userId, server.userId);
    const { sessionProfile } = await client.getSessionProfile({ sessionProfileId });
    assert.deepEqual({ ...profile, sessionProfileId }, pick(sessionProfile, [...Object.keys(profile), "sessionProfileId"]));
    const { sessionProfiles } = await client.getSessionProfiles({});
    assert.deepEqual(sessionProfiles, [sessionProfile]);
  });

  test("is refused what is out of its scope, although its user may do it", async () => {
    const { client } = await logIn();
    const outOfScope = (error) => {
      assert.equal(error.details[0].turnkeyErrorCode, "REQUEST_NOT_AUTHORIZED", error.message);
      return refusedAs(7, /request not authorized/)(error);
    };
    const apiKeys = withKey();
    for (const act of [
      (as) => as.createSubOrganization(subOrganization("Out of scope")),
      (as) => as.createApiKeys({ userId: server.userId, apiKeys: apiKeys.apiKeys }),
      (as) => as.createUserTag({ userTagName: "Out of scope", userIds: [] }),
    ]) {
      await assert.rejects(act(client), outOfScope);
      assert.equal((await act(root)).activity.status, "ACTIVITY_STATUS_COMPLETED", "in a session without a profile");
    }
    const escape = client.stampLogin({ publicKey: newKey().publicKey });
    await assert.rejects(escape, outOfScope, "it cannot log in to a session without a profile");
  });

  test("takes the name of no standard session", async () => {
    const forged = root.createSessionProfile({ ...profile, sessionProfileName: "SESSION_TYPE_READ_WRITE" });
    await assert.rejects(forged, refusedAs(3, /sessionProfileName must not begin with SESSION_TYPE_/));
  });

  test("is offered to the users of the sub-organizations too", async () => {
    const device = newKey();
    const { subOrganizationId: organizationId } = await root.createSubOrganization(
      subOrganization("Home", {
        rootUsers: [rootUser({ apiKeys: [{ apiKeyName: "Device", publicKey: device.publicKey, curveType: "API_KEY_CURVE_P256" }] })],
      }),
    );
    const session = newKey();
    const login = await clientOf(device).stampLogin({ organizationId, publicKey: session.publicKey, sessionProfileId });
    assert.equal(claimsOf(login.session).session_type, "Front desk");
    const act = (as) => as.createUserTag({ organizationId, userTagName: "Family", userIds: [] });
    await assert.rejects(act(clientOf(session)), refusedAs(7, /request not authorized/));
    assert.ok((await act(clientOf(device))).userTagId);
  });
});

const pick = (object, names) => Object.fromEntries(names.map((name) => [name, object[name]]));
