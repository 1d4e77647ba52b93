// The two sealed messages of an OTP attempt, and the proof that the holder of the key asked for an account.

import { fromHex, fromUtf8, toHex, utf8 } from "./bytes.js";
import { seal } from "./hpke.js";
import { derToRaw, sign, verify } from "./p256.js";

/**
 * Checks the server's signature on an `otpEncryptionTargetBundle` and answers the 65-byte point inside.
 * `signerKey` is the bundle signer this page was told to trust (uncompressed hex).
 */
export async function openTargetBundle(bundleText, signerKey) {
  const bundle = JSON.parse(bundleText);
  if (bundle.enclaveQuorumPublic !== signerKey) {
    throw new Error("The encryption key is signed by another key than this server's. The code was not sent.");
  }
  const data = fromHex(bundle.data);
  if (!(await verify(signerKey, derToRaw(fromHex(bundle.dataSignature)), data))) {
    throw new Error("The signature on the encryption key is wrong. The code was not sent.");
  }
  const target = fromHex(JSON.parse(fromUtf8(data)).targetPublic);
  if (target.length !== 65) throw new Error("The encryption key in the bundle is not an uncompressed point.");
  return target;
}

/** The `encryptedOtpBundle` for a typed code; `publicKey` (66 hex) will be bound into the verification token. */
export async function sealCode(target, code, publicKey) {
  const plaintext = utf8(JSON.stringify({ otp_code: code, public_key: publicKey }));
  const { encapped, ciphertext } = await seal(target, plaintext);
  return JSON.stringify({ encappedPublic: toHex(encapped), ciphertext: toHex(ciphertext) });
}

/** The text a `clientSignature` for signup covers. Members that are undefined stay out of it. */
export function signupMessage(tokenId, { email, phoneNumber }) {
  const signupV2 = { apiKeys: [], authenticators: [], oauthProviders: [], email, phoneNumber };
  return JSON.stringify({ signupV2, tokenId, type: "USAGE_TYPE_SIGNUP" });
}

/** A `clientSignature`: raw r||s hex over the message, by the key inside the verification token. */
export async function clientSignature(key, message) {
  return {
    publicKey: key.publicKey,
    scheme: "CLIENT_SIGNATURE_SCHEME_API_P256",
    message,
    signature: toHex(await sign(key.privateKey, utf8(message))),
  };
}
