// HPKE (RFC 9180) in base mode, one message per encapsulation: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
//
// The additional data is both public points, encapsulated key first. Nothing travels unless the receiver's key was
// taken out of a signed bundle before (see otp.js).

import { concat, utf8 } from "./bytes.js";
import { importEcdhPublicKey } from "./p256.js";

const INFO = utf8("turnkey_hpke");
const VERSION = utf8("HPKE-v1");
const KEM = concat(utf8("KEM"), [0x00, 0x10]);
const SUITE = concat(utf8("HPKE"), [0x00, 0x10, 0x00, 0x01, 0x00, 0x02]);
const NONE = new Uint8Array();
const BASE_MODE = [0];
const KEY_LENGTH = 32;
const NONCE_LENGTH = 12;

async function hmac(key, message) {
  // WebCrypto has no empty HMAC key; 32 zero bytes are the same key to HMAC-SHA-256.
  const bytes = key.length === 0 ? new Uint8Array(32) : key;
  const imported = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
}

const labeledExtract = (suite, salt, label, input) => hmac(salt, concat(VERSION, suite, utf8(label), input));

// One HMAC block is enough: nothing here is longer than 32 bytes.
async function labeledExpand(suite, secret, label, info, length) {
  const block = await hmac(secret, concat([0, length], VERSION, suite, utf8(label), info, [1]));
  return block.subarray(0, length);
}

/** The AES key and nonce both sides derive from the Diffie-Hellman value and the two uncompressed points. */
export async function keySchedule(dh, encapped, receiver) {
  const eae = await labeledExtract(KEM, NONE, "eae_prk", dh);
  const shared = await labeledExpand(KEM, eae, "shared_secret", concat(encapped, receiver), KEY_LENGTH);
  const context = concat(
    BASE_MODE,
    await labeledExtract(SUITE, NONE, "psk_id_hash", NONE),
    await labeledExtract(SUITE, NONE, "info_hash", INFO),
  );
  const secret = await labeledExtract(SUITE, shared, "secret", NONE);
  return {
    key: await labeledExpand(SUITE, secret, "key", context, KEY_LENGTH),
    nonce: await labeledExpand(SUITE, secret, "base_nonce", context, NONCE_LENGTH),
  };
}

const freshEphemeral = () => crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);

/**
 * Seals `plaintext` to the 65-byte `receiver` point. Answers the 65-byte encapsulated key and ciphertext || tag.
 * `ephemeral` is for tests with known answers; leave it out, so that every message has a key of its own.
 */
export async function seal(receiver, plaintext, ephemeral) {
  const pair = ephemeral ?? (await freshEphemeral());
  const encapped = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const theirs = await importEcdhPublicKey(receiver);
  const dh = new Uint8Array(await crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, pair.privateKey, 256));
  const { key, nonce } = await keySchedule(dh, encapped, receiver);
  const aes = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt"]);
  const additionalData = concat(encapped, receiver);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData }, aes, plaintext);
  return { encapped, ciphertext: new Uint8Array(sealed) };
}
