// Lets @turnkey/core 2.x log in against a Vestibule server.
//
// core 2.x encrypts the code a user typed to a key the server signs, and checks that signature with
// a key that is a constant inside @turnkey/crypto. No option replaces the constant, but the
// function that does the work takes the key as its last argument. So only `verifyOtp` of one client
// instance is replaced; initOtp, completeOtp, loginWithOtp, signUpWithOtp and everything after a
// login stay as published.
//
// Copy this file into your application. It imports nothing: hand it the functions of the packages
// your application already uses, so that the error class is the one your code compares with.

/**
 * Replaces `client.verifyOtp` by one that trusts the server's own bundle signer.
 *
 * @param {import("@turnkey/core").TurnkeyClient} client an initialised client
 * @param {object} trust
 * @param {string} trust.bundleSignerPublicKey the server's bundle signer, 130 hex digits (uncompressed P-256);
 *   `VESTIBULE_BUNDLE_SIGNER_PUBLIC_KEY` of `dev.env`, or `/.well-known/vestibule/keys` fetched once by the
 *   developer. Build it into the application: a key that is fetched at run time from the server it is
 *   meant to check proves nothing.
 * @param {typeof import("@turnkey/crypto").encryptOtpCodeToBundle} trust.encryptOtpCodeToBundle
 * @param {typeof import("@turnkey/core").TurnkeyError} trust.TurnkeyError
 * @returns {import("@turnkey/core").TurnkeyClient} the same client
 */
export function trustServerKeys(client, { bundleSignerPublicKey, encryptOtpCodeToBundle, TurnkeyError }) {
  client.verifyOtp = async ({ otpId, otpCode, otpEncryptionTargetBundle, publicKey: givenKey }) => {
    const publicKey = givenKey ?? (await client.createApiKeyPair());
    try {
      const encryptedOtpBundle = await encryptOtpCodeToBundle(
        otpCode,
        otpEncryptionTargetBundle,
        publicKey,
        bundleSignerPublicKey,
      );
      const { verificationToken } = await client.httpClient.proxyVerifyOtpV2({ otpId, encryptedOtpBundle });
      return { verificationToken, publicKey };
    } catch (error) {
      // The published method leaves no key pair behind that it made itself, and names a wrong code.
      if (!givenKey) await client.deleteApiKeyPair({ publicKey });
      throw String(error?.message).includes("Invalid OTP code")
        ? new TurnkeyError("The provided OTP code is invalid.", "INVALID_OTP_CODE", error)
        : new TurnkeyError("Failed to verify OTP", "VERIFY_OTP_ERROR", error);
    }
  };
  return client;
}
