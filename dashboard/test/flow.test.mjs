import assert from "node:assert/strict";
import { createHash, createPrivateKey, sign as nodeSign } from "node:crypto";
import { describe, test } from "node:test";

import { fromHex, toBase64Url } from "../assets/bytes.js";
import { createFlow } from "../assets/flow.js";
import { open } from "./receiver.mjs";
import { vectors } from "./vectors.mjs";

const { otpKey, notar, sess: stranger } = vectors("jwts").keys;
const { otpTargetKey } = vectors("otp_bundles");
const CONTACT = "you@example.com";
const PARENT = "7ff189fb-df7d-452e-8540-57632e380b77";
const ACCOUNT = "c75ecb07-c84a-4dd5-932c-539dfafc6864";
const NOW = 1_782_916_051_261;

function nodeKey({ privateKey, publicKeyUncompressed }) {
  const point = fromHex(publicKeyUncompressed);
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map(toBase64Url);
  return createPrivateKey({ key: { kty: "EC", crv: "P-256", x, y, d: toBase64Url(fromHex(privateKey)) }, format: "jwk" });
}

function jwt(header, claims, key, prehash = (bytes) => bytes) {
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = nodeSign("sha256", prehash(Buffer.from(signed)), { key: nodeKey(key), dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}

/** A server of one contact, as far as the flow needs one; `forge` names what a stranger signs instead of it. */
function fakeServer({ forge, known = false } = {}) {
  const calls = [];
  const by = (what, key) => (forge === what ? stranger : key);
  let sentKey;
  const answers = {
    otp_init_v2() {
      const data = Buffer.from(JSON.stringify({ targetPublic: otpTargetKey.publicKeyUncompressed }));
      const otpEncryptionTargetBundle = JSON.stringify({
        version: "v1.0.0",
        data: data.toString("hex"),
        dataSignature: nodeSign("sha256", data, nodeKey(by("bundle", otpKey))).toString("hex"),
        enclaveQuorumPublic: otpKey.publicKeyUncompressed,
      });
      return { otpId: "11111111-1111-4111-8111-111111111111", otpEncryptionTargetBundle };
    },
    otp_verify_v2({ encryptedOtpBundle }) {
      const { encappedPublic, ciphertext } = JSON.parse(encryptedOtpBundle);
      const [encapped, sealed] = [encappedPublic, ciphertext].map((hex) => Buffer.from(hex, "hex"));
      const plaintext = JSON.parse(open(otpTargetKey.privateKey, encapped, sealed));
      assert.equal(plaintext.otp_code, "7G3K9QW2X");
      sentKey = plaintext.public_key;
      const public_key = forge === "bound key" ? stranger.publicKeyCompressed : sentKey;
      const claims = { exp: String(NOW + 3_600_000), id: "token-1", organization_id: PARENT, contact: CONTACT, public_key };
      return { verificationToken: jwt({ typ: "JWT", alg: "ES256" }, claims, by("token", otpKey)) };
    },
    account: () => (known ? { organizationId: ACCOUNT } : {}),
    signup_v2: () => ({ organizationId: ACCOUNT, userId: "user-1" }),
  };
  const client = {
    async proxy(name, body) {
      calls.push({ name, body });
      return answers[name](body);
    },
    async submitAttested(name, key, verificationToken, body) {
      calls.push({ name, body });
      const claims = { exp: NOW / 1000 + 900, public_key: sentKey, user_id: "user-1", organization_id: ACCOUNT };
      const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
      const session = jwt({ alg: "ES256", typ: "JWT" }, claims, by("session", notar), sha256);
      return { activity: { status: "ACTIVITY_STATUS_COMPLETED", result: { stampLoginResult: { session } } } };
    },
  };
  const server = {
    bundleSignerPublicKey: otpKey.publicKeyUncompressed,
    sessionSignerPublicKey: notar.publicKeyUncompressed,
    sessionExpirationSeconds: "900",
  };
  const checks = [];
  const flow = createFlow({ server, client, check: (sentence) => checks.push(sentence), now: () => NOW });
  return { flow, calls, checks };
}

async function logIn({ flow }) {
  const attempt = await flow.requestCode("email", CONTACT);
  return flow.openSession(attempt, await flow.verifyCode(attempt, "7G3K9QW2X"));
}

describe("the login", () => {
  test("of a new contact signs up with a client signature and then logs in", async () => {
    const server = fakeServer();
    const session = await logIn(server);
    assert.deepEqual(
      server.calls.map(({ name }) => name),
      ["otp_init_v2", "otp_verify_v2", "account", "signup_v2", "stamp_login"],
    );
    const { body } = server.calls[3];
    assert.equal(body.userEmail, CONTACT);
    assert.equal(JSON.parse(body.clientSignature.message).tokenId, "token-1");
    assert.equal(session.isNew, true);
    assert.equal(session.genuine, true);
    assert.equal(server.checks.length, 3);
  });

  test("of a known contact does not sign up", async () => {
    const server = fakeServer({ known: true });
    const session = await logIn(server);
    assert.deepEqual(
      server.calls.map(({ name }) => name),
      ["otp_init_v2", "otp_verify_v2", "account", "stamp_login"],
    );
    const { organizationId, timestampMs, parameters } = server.calls[3].body;
    assert.deepEqual([organizationId, timestampMs], [ACCOUNT, String(NOW)]);
    assert.equal(parameters.publicKey, session.key.publicKey);
    assert.equal(session.isNew, false);
  });

  test("stops before the code is typed when a stranger signed the encryption key", async () => {
    const { flow } = fakeServer({ forge: "bundle" });
    await assert.rejects(flow.requestCode("email", CONTACT), /signature/);
  });

  for (const forge of ["token", "bound key"]) {
    test(`stops before the account when the ${forge} is not what it should be`, async () => {
      const server = fakeServer({ forge });
      await assert.rejects(logIn(server), /verification token/);
      assert.ok(!server.calls.some(({ name }) => name === "account"));
    });
  }

  test("does not call a session genuine that a stranger signed", async () => {
    const server = fakeServer({ forge: "session" });
    assert.equal((await logIn(server)).genuine, false);
    assert.equal(server.checks.length, 2);
  });
});
