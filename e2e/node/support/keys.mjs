// What the owner of a session key does with it, by the published packages alone.
import { ApiKeyStamper, SignatureFormat } from "@turnkey/api-key-stamper";
import { generateP256KeyPair } from "@turnkey/crypto";

/** A key pair as an application makes it for one login: `privateKey`, `publicKey`, `publicKeyUncompressed` in hex. */
export const newKey = () => generateP256KeyPair();

export const stamperOf = (key) => new ApiKeyStamper({ apiPublicKey: key.publicKey, apiPrivateKey: key.privateKey });

/** The claims of a verification token or a session, unverified. */
export const claimsOf = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[1], "base64url").toString("utf8"));

/** The proof that the caller of OTP_LOGIN holds the key inside the verification token. */
export const loginSignature = (key, verificationToken, publicKey = key.publicKey) =>
  sign(key, { login: { publicKey }, tokenId: claimsOf(verificationToken).id, type: "USAGE_TYPE_LOGIN" });

/** The proof for a sign-up with the root user `user`; `usage` is `signupV2` (V8) or `signup` (V7 and before). */
export const signUpSignature = (key, verificationToken, user, usage = "signupV2") =>
  sign(key, {
    [usage]: {
      apiKeys: user.apiKeys,
      authenticators: user.authenticators,
      oauthProviders: user.oauthProviders,
      ...(user.userEmail && { email: user.userEmail }),
      ...(user.userPhoneNumber && { phoneNumber: user.userPhoneNumber }),
    },
    tokenId: claimsOf(verificationToken).id,
    type: "USAGE_TYPE_SIGNUP",
  });

async function sign(key, value) {
  const message = JSON.stringify(value);
  return {
    publicKey: key.publicKey,
    scheme: "CLIENT_SIGNATURE_SCHEME_API_P256",
    message,
    signature: await stamperOf(key).sign(message, SignatureFormat.Raw),
  };
}
