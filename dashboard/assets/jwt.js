// Reading and checking the two JWTs of a login.
//
// The verification token is ordinary ES256. The session JWT says ES256 too, but its signature is over
// SHA-256(SHA-256(header.payload)), which ordinary libraries refuse; hence the separate function.

import { fromBase64Url, fromUtf8, utf8 } from "./bytes.js";
import { sha256, verify } from "./p256.js";

/** Header and claims of a compact JWT, unchecked. */
export function decode(token) {
  const parts = token.split(".");
  if (parts.length !== 3) throw new Error("a JWT has three parts");
  const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(fromUtf8(fromBase64Url(part))));
  return { header, claims, signed: utf8(`${parts[0]}.${parts[1]}`), signature: fromBase64Url(parts[2]) };
}

/** Whether the verification token was signed by this server's bundle signer. */
export async function verifyVerificationToken(token, signerKey) {
  const { header, signed, signature } = decode(token);
  return header.alg === "ES256" && header.typ === "JWT" && verify(signerKey, signature, signed);
}

/** Whether the session JWT was signed by this server's session signer. */
export async function verifySession(token, signerKey) {
  const { header, signed, signature } = decode(token);
  return header.alg === "ES256" && verify(signerKey, signature, await sha256(signed));
}
