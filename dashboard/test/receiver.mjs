// The receiving side of HPKE on node:crypto, which shares no code with the page's own.

import { createDecipheriv, createECDH, createHmac } from "node:crypto";

const NO_SALT = Buffer.alloc(32);
const KEM = Buffer.from("4b454d0010", "hex");
const SUITE = Buffer.from("48504b45001000010002", "hex");

const extract = (salt, suite, label, input) =>
  createHmac("sha256", salt).update(Buffer.concat([Buffer.from("HPKE-v1"), suite, Buffer.from(label), input])).digest();

function expand(secret, suite, label, info, length) {
  const labeled = Buffer.concat([Buffer.from([0, length]), Buffer.from("HPKE-v1"), suite, Buffer.from(label), info]);
  return createHmac("sha256", secret).update(labeled).update(Buffer.from([1])).digest().subarray(0, length);
}

/** Plaintext bytes of a message sealed to `privateKey` (hex); throws when it was not. */
export function open(privateKey, encapped, ciphertext) {
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(privateKey, "hex");
  const points = Buffer.concat([encapped, ecdh.getPublicKey()]);
  const eae = extract(NO_SALT, KEM, "eae_prk", ecdh.computeSecret(encapped));
  const shared = expand(eae, KEM, "shared_secret", points, 32);
  const context = Buffer.concat([
    Buffer.from([0]),
    extract(NO_SALT, SUITE, "psk_id_hash", Buffer.alloc(0)),
    extract(NO_SALT, SUITE, "info_hash", Buffer.from("turnkey_hpke")),
  ]);
  const secret = extract(shared, SUITE, "secret", Buffer.alloc(0));
  const key = expand(secret, SUITE, "key", context, 32);
  const nonce = expand(secret, SUITE, "base_nonce", context, 12);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce).setAAD(points).setAuthTag(ciphertext.subarray(-16));
  return Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]);
}
