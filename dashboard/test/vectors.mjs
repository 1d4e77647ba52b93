// The published test vectors, and keys made from them.

import { readFileSync } from "node:fs";

import { fromHex, toBase64Url } from "../assets/bytes.js";

export const vectors = (name) =>
  JSON.parse(readFileSync(new URL(`../../testdata/vectors/${name}.json`, import.meta.url), "utf8"));

function jwk({ privateKey, publicKeyUncompressed }) {
  const point = fromHex(publicKeyUncompressed);
  const half = (from) => toBase64Url(point.subarray(from, from + 32));
  return { kty: "EC", crv: "P-256", x: half(1), y: half(33), d: privateKey && toBase64Url(fromHex(privateKey)) };
}

export async function ecdhPair(key) {
  const algorithm = { name: "ECDH", namedCurve: "P-256" };
  return {
    privateKey: await crypto.subtle.importKey("jwk", jwk(key), algorithm, false, ["deriveBits"]),
    publicKey: await crypto.subtle.importKey("jwk", jwk({ ...key, privateKey: undefined }), algorithm, true, []),
  };
}

export async function signingKey(key) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  return {
    privateKey: await crypto.subtle.importKey("jwk", jwk(key), algorithm, false, ["sign"]),
    publicKey: key.publicKeyCompressed,
  };
}
