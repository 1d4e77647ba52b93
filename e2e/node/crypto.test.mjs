// @turnkey/crypto 2.13.2: what this server signs and encrypts, judged by the package's own functions. Each takes the
// key to trust as its last argument; without it the built-in keys stand, and refuse.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  computeActivityFingerprint,
  decryptCredentialBundle,
  encryptOtpCodeToBundle,
  verifyOtpVerificationToken,
  verifySessionJwtSignature,
  verifyStampSignature,
} from "@turnkey/crypto";
import { TurnkeyClient } from "@turnkey/http";
import { freshEmail } from "./support/contacts.mjs";
import { newKey, stamperOf } from "./support/keys.mjs";
import { startServer } from "./support/server.mjs";

const server = await startServer();
after(() => server.stop());

const backend = new TurnkeyClient(
  { baseUrl: server.url },
  stamperOf({ publicKey: server.apiPublicKey, privateKey: server.apiPrivateKey }),
);
const activity = (type, parameters, organizationId = server.organizationId) => ({
  type,
  timestampMs: String(Date.now()),
  organizationId,
  parameters,
});
const newAttempt = async (contact) => {
  const answer = await backend.initOtp(
    activity("ACTIVITY_TYPE_INIT_OTP_V3", { otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme" }),
  );
  return answer.activity.result.initOtpResultV2;
};

/** The same hex with its last digit changed. */
const otherHex = (hex) => hex.slice(0, -1) + (hex.endsWith("0") ? "1" : "0");

test("the encryption target is accepted under the server's key and under no other", async () => {
  const { otpEncryptionTargetBundle: bundle } = await newAttempt(freshEmail());
  const { publicKey } = newKey();
  const encrypted = await encryptOtpCodeToBundle("000000000", bundle, publicKey, server.bundleSignerPublicKey);
  assert.deepEqual(Object.keys(JSON.parse(encrypted)).toSorted(), ["ciphertext", "encappedPublic"]);

  await assert.rejects(encryptOtpCodeToBundle("000000000", bundle, publicKey), /does not match signer key from bundle/, "the built-in key");
  const { dataSignature, ...rest } = JSON.parse(bundle);
  const forged = JSON.stringify({ ...rest, data: otherHex(rest.data), dataSignature });
  await assert.rejects(encryptOtpCodeToBundle("000000000", forged, publicKey, server.bundleSignerPublicKey));
});

test("a verification token is accepted under the server's key and under no other", async () => {
  const contact = freshEmail();
  const key = newKey();
  const attempt = await newAttempt(contact);
  const answer = await backend.verifyOtp(
    activity("ACTIVITY_TYPE_VERIFY_OTP_V2", {
      otpId: attempt.otpId,
      encryptedOtpBundle: await encryptOtpCodeToBundle(
        await server.code(contact, attempt.otpId),
        attempt.otpEncryptionTargetBundle,
        key.publicKey,
        server.bundleSignerPublicKey,
      ),
      expirationSeconds: "60",
    }),
  );
  const token = answer.activity.result.verifyOtpResult.verificationToken;
  const claims = await verifyOtpVerificationToken(token, server.bundleSignerPublicKey);
  assert.equal(claims.public_key, key.publicKey);
  assert.ok(Number(claims.exp) <= Date.now() + 60_000);
  await assert.rejects(verifyOtpVerificationToken(token), /signature is invalid/, "the built-in key");
  await assert.rejects(verifyOtpVerificationToken(token, server.sessionSignerPublicKey), /signature is invalid/);
});

test("a session is accepted under the server's session key and under no other", async () => {
  const answer = await backend.stampLogin(activity("ACTIVITY_TYPE_STAMP_LOGIN", { publicKey: newKey().publicKey }));
  const { session } = answer.activity.result.stampLoginResult;
  assert.equal(await verifySessionJwtSignature(session, server.sessionSignerPublicKey), true);
  assert.equal(await verifySessionJwtSignature(session), false, "the built-in key");
  assert.equal(await verifySessionJwtSignature(session, server.bundleSignerPublicKey), false);
});

test("a credential bundle opens with the key it was made for and with no other", async () => {
  const contact = freshEmail();
  const made = await backend.createSubOrganization(
    activity("ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V8", {
      subOrganizationName: "Home",
      rootQuorumThreshold: 1,
      rootUsers: [{ userName: "User", userEmail: contact, apiKeys: [], authenticators: [], oauthProviders: [] }],
    }),
  );
  const { subOrganizationId } = made.activity.result.createSubOrganizationResultV8;
  const sent = await backend.initOtpAuth(
    activity("ACTIVITY_TYPE_INIT_OTP_AUTH_V3", { otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme" }, subOrganizationId),
  );
  const { otpId } = sent.activity.result.initOtpAuthResultV2;
  const target = newKey();
  const answer = await backend.otpAuth(
    activity(
      "ACTIVITY_TYPE_OTP_AUTH",
      { otpId, otpCode: await server.code(contact, otpId), targetPublicKey: target.publicKeyUncompressed },
      subOrganizationId,
    ),
  );
  const { credentialBundle } = answer.activity.result.otpAuthResult;
  assert.match(decryptCredentialBundle(credentialBundle, target.privateKey), /^[0-9a-f]{64}$/);
  assert.throws(() => decryptCredentialBundle(credentialBundle, newKey().privateKey));
});

test("an activity's fingerprint and vote can be checked from the bytes that were sent", async () => {
  const signed = await backend.stampInitOtp(
    activity("ACTIVITY_TYPE_INIT_OTP_V3", { otpType: "OTP_TYPE_EMAIL", contact: freshEmail(), appName: "Acme" }),
  );
  const response = await fetch(signed.url, {
    method: "POST",
    headers: { [signed.stamp.stampHeaderName]: signed.stamp.stampHeaderValue },
    body: signed.body,
  });
  const { fingerprint, votes } = (await response.json()).activity;
  assert.equal(fingerprint, computeActivityFingerprint(signed.body));
  assert.equal(votes.length, 1);
  assert.equal(votes[0].message, signed.body);
  assert.equal(votes[0].selection, "VOTE_SELECTION_APPROVED");
  assert.equal(await verifyStampSignature(votes[0].publicKey, votes[0].signature, votes[0].message), true);
});
