// P-256 keys and ECDSA signatures with WebCrypto.
//
// WebCrypto speaks raw r||s signatures and uncompressed points; the API also wants DER signatures (stamps, target
// bundles) and compressed points (every `publicKey`). The conversions live here and nowhere else.

import { concat, fromHex, toHex } from "./bytes.js";

const ECDSA = { name: "ECDSA", namedCurve: "P-256" };
const ECDH = { name: "ECDH", namedCurve: "P-256" };
const WITH_SHA256 = { name: "ECDSA", hash: "SHA-256" };
const HALF = 32;

/** A signing key whose private half cannot leave the browser. */
export async function generateSigningKey() {
  const pair = await crypto.subtle.generateKey(ECDSA, false, ["sign", "verify"]);
  const point = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return { privateKey: pair.privateKey, publicKey: toHex(compress(point)) };
}

/** The 33-byte form of a 65-byte point: x, and the parity of y. */
export function compress(point) {
  if (point.length !== 1 + 2 * HALF || point[0] !== 4) throw new Error("not an uncompressed P-256 point");
  return concat([2 + (point[2 * HALF] & 1)], point.subarray(1, 1 + HALF));
}

export const importEcdhPublicKey = (point) => crypto.subtle.importKey("raw", point, ECDH, true, []);

const importVerifyingKey = (hex) => crypto.subtle.importKey("raw", fromHex(hex), ECDSA, false, ["verify"]);

/** Raw r||s over SHA-256 of `message`. */
export async function sign(privateKey, message) {
  return new Uint8Array(await crypto.subtle.sign(WITH_SHA256, privateKey, message));
}

/** Whether the raw r||s signature over SHA-256 of `message` was made by the key given as hex. */
export async function verify(publicKeyHex, signature, message) {
  return crypto.subtle.verify(WITH_SHA256, await importVerifyingKey(publicKeyHex), signature, message);
}

export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** DER of a raw r||s signature: two minimal, non-negative INTEGERs in a SEQUENCE. */
export function rawToDer(raw) {
  if (raw.length !== 2 * HALF) throw new Error("not a raw P-256 signature");
  const body = concat(derInteger(raw.subarray(0, HALF)), derInteger(raw.subarray(HALF)));
  return concat([0x30, body.length], body);
}

function derInteger(half) {
  let start = 0;
  while (start < half.length - 1 && half[start] === 0) start += 1;
  const digits = half.subarray(start);
  const padded = digits[0] & 0x80 ? concat([0], digits) : digits;
  return concat([0x02, padded.length], padded);
}

/** Raw r||s of a DER signature. */
export function derToRaw(der) {
  const malformed = () => new Error("the signature is not DER");
  if (der.length < 8 || der[0] !== 0x30 || der[1] !== der.length - 2) throw malformed();
  const raw = new Uint8Array(2 * HALF);
  let at = 2;
  for (const end of [HALF, 2 * HALF]) {
    if (der[at] !== 0x02) throw malformed();
    const length = der[at + 1];
    let digits = der.subarray(at + 2, at + 2 + length);
    if (length === 0 || digits.length !== length) throw malformed();
    at += 2 + length;
    while (digits.length > 1 && digits[0] === 0) digits = digits.subarray(1);
    if (digits.length > HALF) throw malformed();
    raw.set(digits, end - digits.length);
  }
  if (at !== der.length) throw malformed();
  return raw;
}
