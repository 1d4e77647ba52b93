import assert from "node:assert/strict";
import { createPublicKey, verify as nodeVerify } from "node:crypto";
import { describe, test } from "node:test";

import { fromBase64Url, fromHex, fromUtf8, toHex } from "../assets/bytes.js";
import { compress, derToRaw, generateSigningKey, rawToDer } from "../assets/p256.js";
import { apiKeyStamp, attestedStamp } from "../assets/stamp.js";
import { signingKey, vectors } from "./vectors.mjs";

const SPKI_P256 = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const nodeKey = (uncompressed) =>
  createPublicKey({ key: Buffer.from(SPKI_P256 + uncompressed, "hex"), format: "der", type: "spki" });
const readHeader = (value) => JSON.parse(fromUtf8(fromBase64Url(value)));
const p256Stamps = vectors("stamps").cases.filter(
  ({ name, expect, header, stamp }) =>
    expect === "valid" && header === "X-Stamp" && stamp?.scheme === "SIGNATURE_SCHEME_TK_API_P256" && name,
);

describe("a stamp", () => {
  const { k1 } = vectors("stamps").keys;
  const body = '{"organizationId":"7ff189fb-df7d-452e-8540-57632e380b77"}';

  test("by an API key has the published members and a DER signature over the body", async () => {
    const stamp = readHeader(await apiKeyStamp(await signingKey(k1), body));
    const published = p256Stamps[0].stamp;
    assert.deepEqual(Object.keys(stamp), Object.keys(published));
    assert.equal(stamp.scheme, published.scheme);
    assert.equal(stamp.publicKey, k1.publicKeyCompressed);
    const signature = Buffer.from(stamp.signature, "hex");
    assert.equal(nodeVerify("sha256", Buffer.from(body), nodeKey(k1.publicKeyUncompressed), signature), true);
  });

  test("by an attested key has the published members and the token", async () => {
    const { keys, cases } = vectors("attested_stamps");
    const published = cases.find(({ expect }) => expect === "valid");
    const header = await attestedStamp(await signingKey(keys.client), published.stamp.publicKeyAttestation, published.body);
    const stamp = readHeader(header);
    assert.deepEqual({ ...stamp, signature: "" }, { ...published.stamp, signature: "" });
    const signature = Buffer.from(stamp.signature, "hex");
    const key = nodeKey(keys.client.publicKeyUncompressed);
    assert.equal(nodeVerify("sha256", Buffer.from(published.body), key, signature), true);
  });
});

describe("DER", () => {
  test("survives the round trip through raw for every published P-256 stamp", () => {
    assert.ok(p256Stamps.length > 0);
    for (const { name, stamp } of p256Stamps) {
      assert.equal(toHex(rawToDer(derToRaw(fromHex(stamp.signature)))), stamp.signature, name);
    }
  });

  test("keeps small and large halves apart", () => {
    const raw = new Uint8Array(64);
    raw[31] = 1;
    raw[32] = 0x80;
    assert.equal(toHex(rawToDer(raw)), `3026020101022100${"80".padEnd(64, "0")}`);
    assert.deepEqual(derToRaw(rawToDer(raw)), raw);
  });

  for (const [why, der] of [
    ["a raw signature", "11".repeat(64)],
    ["trailing bytes", "300602010102010100"],
    ["a wrong length", "300702010102010100ff"],
    ["an empty integer", "30060200020201ff"],
    ["a missing integer", "3006020101030101"],
    ["an integer over 256 bits", `302602220100${"11".repeat(32)}020101`],
  ]) {
    test(`refuses ${why}`, () => assert.throws(() => derToRaw(fromHex(der)), /not DER/));
  }
});

test("points are compressed as published", () => {
  const keys = Object.values(vectors("jwts").keys);
  for (const { publicKeyUncompressed, publicKeyCompressed } of keys) {
    assert.equal(toHex(compress(fromHex(publicKeyUncompressed))), publicKeyCompressed);
  }
  assert.throws(() => compress(fromHex(keys[0].publicKeyCompressed)));
});

test("the private half of a new key cannot be exported", async () => {
  const { privateKey, publicKey } = await generateSigningKey();
  assert.match(publicKey, /^0[23][0-9a-f]{64}$/);
  assert.equal(privateKey.extractable, false);
  await assert.rejects(crypto.subtle.exportKey("jwk", privateKey));
});
