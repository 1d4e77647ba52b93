import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { fromHex, toHex } from "../assets/bytes.js";
import { clientSignature, openTargetBundle, sealCode, signupMessage } from "../assets/otp.js";
import { verify } from "../assets/p256.js";
import { open } from "./receiver.mjs";
import { signingKey, vectors } from "./vectors.mjs";

const bundles = vectors("otp_bundles");
const signer = bundles.serverSigningKey.publicKeyUncompressed;

// The SDK seals to a compressed target without complaint, and then nobody can open the message. The page refuses it.
const REFUSED = new Set(["compressed targetPublic"]);

describe("the OTP encryption target bundle", () => {
  for (const vector of bundles.targetBundles) {
    const refused = REFUSED.has(vector.name) || vector.expect === "throws";
    test(`is ${refused ? "refused" : "accepted"}: ${vector.name}`, async () => {
      const opened = openTargetBundle(vector.otpEncryptionTargetBundle, vector.signerOverride ?? `04${"00".repeat(64)}`);
      if (refused) return assert.rejects(opened);
      const target = toHex(await opened);
      const data = Buffer.from(JSON.parse(vector.otpEncryptionTargetBundle).data, "hex").toString();
      assert.equal(target, JSON.parse(data).targetPublic);
    });
  }

  test("with one changed byte of data is refused", async () => {
    const bundle = JSON.parse(bundles.targetBundles[0].otpEncryptionTargetBundle);
    bundle.data = bundle.data.replace(/..$/, "20");
    await assert.rejects(openTargetBundle(JSON.stringify(bundle), signer), /signature/);
  });
});

test("a sealed code opens at the server to the code and the key", async () => {
  const { otpTargetKey, clientKey } = bundles;
  const text = await sealCode(fromHex(otpTargetKey.publicKeyUncompressed), "7G3K9QW2X", clientKey.publicKeyCompressed);
  const { encappedPublic, ciphertext } = JSON.parse(text);
  const plaintext = open(otpTargetKey.privateKey, Buffer.from(encappedPublic, "hex"), Buffer.from(ciphertext, "hex"));
  assert.deepEqual(JSON.parse(plaintext), { otp_code: "7G3K9QW2X", public_key: clientKey.publicKeyCompressed });
});

describe("the client signature", () => {
  const { keys, tokenClaims, cases } = vectors("client_signatures");
  const published = cases.find(({ name }) => name.startsWith("signup V2 usage (core 2.x): empty arrays")).clientSignature;

  test("for a signup covers the message the SDK writes", () => {
    assert.equal(signupMessage(tokenClaims.id, { email: tokenClaims.contact }), published.message);
  });

  test("for a signup by phone names the number alone", () => {
    const { signupV2 } = JSON.parse(signupMessage(tokenClaims.id, { phoneNumber: "+15555550100" }));
    assert.deepEqual(signupV2, { apiKeys: [], authenticators: [], oauthProviders: [], phoneNumber: "+15555550100" });
  });

  test("is a raw signature by the key of the token, like the published one", async () => {
    const made = await clientSignature(await signingKey(keys.client), published.message);
    assert.deepEqual({ ...made, signature: "" }, { ...published, signature: "" });
    const message = new TextEncoder().encode(published.message);
    for (const { signature } of [made, published]) {
      assert.equal(signature.length, 128);
      assert.equal(await verify(keys.client.publicKeyUncompressed, fromHex(signature), message), true);
    }
  });
});
