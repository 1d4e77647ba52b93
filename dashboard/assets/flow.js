// The login itself, without a page: three steps, each as a published SDK does it. What the server sends is checked
// before it is used.
//
// 1. `requestCode`: the server sends a code and answers a signed one-time encryption key.
// 2. `verifyCode`: the code travels encrypted to that key, together with the key of this browser.
// 3. `openSession`: account or signup, then a session for the key of this browser.

import { KINDS } from "./contact.js";
import { decode, verifySession, verifyVerificationToken } from "./jwt.js";
import { clientSignature, openTargetBundle, sealCode, signupMessage } from "./otp.js";
import { generateSigningKey } from "./p256.js";

/**
 * `server` is what `/dev/config` says, `client` comes from api.js, `check` hears of every local check that passed and
 * `now` gives epoch milliseconds.
 */
export function createFlow({ server, client, check, now }) {
  async function requestCode(kind, contact) {
    const { otpType } = KINDS[kind];
    const { otpId, otpEncryptionTargetBundle } = await client.proxy("otp_init_v2", { otpType, contact });
    const target = await openTargetBundle(otpEncryptionTargetBundle, server.bundleSignerPublicKey);
    check("The encryption key for the code is signed by this server");
    return { kind, contact, otpId, target, key: await generateSigningKey() };
  }

  async function verifyCode({ otpId, target, key }, code) {
    const encryptedOtpBundle = await sealCode(target, code, key.publicKey);
    const { verificationToken } = await client.proxy("otp_verify_v2", { otpId, encryptedOtpBundle });
    if (!(await verifyVerificationToken(verificationToken, server.bundleSignerPublicKey))) {
      throw new Error("The verification token is not signed by this server.");
    }
    const { claims } = decode(verificationToken);
    if (claims.public_key !== key.publicKey) throw new Error("The verification token names another key.");
    check("The verification token is signed by this server and names this browser's key");
    return { verificationToken, tokenId: claims.id };
  }

  async function signUp({ kind, contact, key }, { verificationToken, tokenId }) {
    const { signup, signed } = KINDS[kind];
    const made = await client.proxy("signup_v2", {
      [signup]: contact,
      userName: contact,
      organizationName: `sub-org-${now()}`,
      verificationToken,
      apiKeys: [],
      authenticators: [],
      oauthProviders: [],
      clientSignature: await clientSignature(key, signupMessage(tokenId, { [signed]: contact })),
    });
    return made.organizationId;
  }

  async function openSession(attempt, verified) {
    const { kind, contact, key } = attempt;
    const { verificationToken } = verified;
    const filter = { filterType: KINDS[kind].filterType, filterValue: contact, verificationToken };
    const known = await client.proxy("account", filter);
    const organizationId = known.organizationId ?? (await signUp(attempt, verified));
    const { activity } = await client.submitAttested("stamp_login", key, verificationToken, {
      type: "ACTIVITY_TYPE_STAMP_LOGIN",
      timestampMs: String(now()),
      organizationId,
      parameters: {
        publicKey: key.publicKey,
        expirationSeconds: server.sessionExpirationSeconds,
        invalidateExisting: false,
      },
    });
    const token = activity.result.stampLoginResult?.session;
    if (!token) throw new Error(`The login was not completed: ${activity.status}.`);
    const { header, claims } = decode(token);
    const genuine = await verifySession(token, server.sessionSignerPublicKey);
    if (genuine) check("The session is signed by this server");
    return { token, header, claims, genuine, key, contact, isNew: !known.organizationId };
  }

  const whoami = ({ key, claims }) => client.query("whoami", key, { organizationId: claims.organization_id });

  return { requestCode, verifyCode, openSession, whoami };
}
