import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { fromHex, toHex } from "../assets/bytes.js";
import { keySchedule, seal } from "../assets/hpke.js";
import { open } from "./receiver.mjs";
import { ecdhPair, vectors } from "./vectors.mjs";

describe("sealing with a known ephemeral key", () => {
  for (const vector of vectors("hpke").deterministic) {
    test(`gives the published bytes: ${vector.name}`, async () => {
      const receiver = fromHex(vector.receiver.publicKeyUncompressed);
      const ephemeral = await ecdhPair(vector.ephemeral);
      const { encapped, ciphertext } = await seal(receiver, fromHex(vector.plaintextHex), ephemeral);
      assert.equal(toHex(encapped), vector.ephemeral.publicKeyUncompressed);
      assert.equal(toHex(ciphertext), vector.ciphertextAndTagHex);
    });

    test(`derives the published key and nonce: ${vector.name}`, async () => {
      const encapped = fromHex(vector.ephemeral.publicKeyUncompressed);
      const receiver = fromHex(vector.receiver.publicKeyUncompressed);
      const { key, nonce } = await keySchedule(fromHex(vector.dhHex), encapped, receiver);
      assert.equal(toHex(key), vector.aeadKeyHex);
      assert.equal(toHex(nonce), vector.aeadNonceHex);
    });
  }
});

test("every message has an ephemeral key of its own and only the receiver opens it", async () => {
  const [{ receiver, ephemeral: stranger }] = vectors("hpke").deterministic;
  const plaintext = new TextEncoder().encode("a code");
  const first = await seal(fromHex(receiver.publicKeyUncompressed), plaintext);
  const second = await seal(fromHex(receiver.publicKeyUncompressed), plaintext);
  assert.notEqual(toHex(first.encapped), toHex(second.encapped));
  for (const { encapped, ciphertext } of [first, second]) {
    assert.equal(open(receiver.privateKey, encapped, ciphertext).toString(), "a code");
    assert.throws(() => open(stranger.privateKey, encapped, ciphertext));
  }
});

test("a point that is not on the curve is refused", async () => {
  const off = fromHex(`04${"01".repeat(64)}`);
  await assert.rejects(seal(off, new Uint8Array([1])));
});
