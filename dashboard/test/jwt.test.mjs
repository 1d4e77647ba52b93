import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { decode, verifySession, verifyVerificationToken } from "../assets/jwt.js";
import { vectors } from "./vectors.mjs";

const { keys, sessionJwts, verificationTokens } = vectors("jwts");

describe("the session JWT", () => {
  for (const { name, token, overrideKey, verifySessionJwtSignature, claims } of sessionJwts) {
    // Without an override the vector is signed by a hosted key that this page has no business trusting.
    if (!overrideKey) continue;
    if (typeof verifySessionJwtSignature !== "boolean") {
      test(`is not readable: ${name}`, () => assert.throws(() => decode(token), /three parts/));
      continue;
    }
    test(`has a ${verifySessionJwtSignature ? "good" : "bad"} signature: ${name}`, async () => {
      assert.equal(await verifySession(token, overrideKey), verifySessionJwtSignature);
      if (claims) assert.deepEqual(decode(token).claims, claims);
    });
  }

  test("is not taken for a verification token, nor the other way round", async () => {
    assert.equal(await verifyVerificationToken(sessionJwts[0].token, keys.notar.publicKeyUncompressed), false);
    assert.equal(await verifySession(verificationTokens[0].token, keys.otpKey.publicKeyUncompressed), false);
  });
});

describe("the verification token", () => {
  const signature = (refusal) => /signature is invalid|unsupported (alg|typ)/.test(refusal);
  for (const { name, token, overrideKey, verifyOtpVerificationToken, claims } of verificationTokens) {
    // The page leaves expiry and the presence of claims to the server; it checks who signed.
    if (!overrideKey?.startsWith("04")) continue;
    const good = !signature(verifyOtpVerificationToken.throws ?? "");
    test(`has a ${good ? "good" : "bad"} signature: ${name}`, async () => {
      assert.equal(await verifyVerificationToken(token, overrideKey), good);
      if (claims) assert.deepEqual(decode(token).claims, claims);
    });
  }
});
