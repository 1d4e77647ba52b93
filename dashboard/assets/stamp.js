// Stamps: the header that signs a request body. The body must be sent byte for byte as it was stamped.

import { toBase64Url, toHex, utf8 } from "./bytes.js";
import { rawToDer, sign } from "./p256.js";

const headerValue = (stamp) => toBase64Url(utf8(JSON.stringify(stamp)));

const derSignature = async (key, body) => toHex(rawToDer(await sign(key.privateKey, utf8(body))));

/** `X-Stamp`: signed by a key the server has registered, here the session key. */
export async function apiKeyStamp(key, body) {
  const { publicKey } = key;
  return headerValue({ publicKey, scheme: "SIGNATURE_SCHEME_TK_API_P256", signature: await derSignature(key, body) });
}

/** `X-Stamp-Attested`: signed by a key that a verification token speaks for. */
export async function attestedStamp(key, verificationToken, body) {
  return headerValue({
    publicKeyAttestation: verificationToken,
    scheme: "STAMP_ATTESTED_SCHEME_P256_VERIFICATION_TOKEN",
    publicKey: key.publicKey,
    signature: await derSignature(key, body),
  });
}
