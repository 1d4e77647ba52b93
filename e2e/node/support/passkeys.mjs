// A software authenticator behind `navigator.credentials`, for the parts of the packages that ask a browser for a passkey:
// discoverable ES256 credentials, attestation "none", a counter that stays 0 as that of a synchronised passkey does.
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

const ES256 = -7;
const USER_PRESENT = 1;
const USER_VERIFIED = 4;
const BACKUP_ELIGIBLE = 8;
const BACKED_UP = 16;
const ATTESTED_CREDENTIAL = 64;

/** The page that asks, and the relying party it asks for; what tests register passkeys with. */
export const ORIGIN = "http://localhost:3000";
export const RP_ID = "localhost";

const credentials = [];

/** Makes this process a browser with that authenticator. Passkeys last as long as the process. */
export function installAuthenticator() {
  globalThis.window ??= globalThis;
  globalThis.PublicKeyCredential ??= class PublicKeyCredential {};
  Object.defineProperty(globalThis, "navigator", {
    value: { credentials: { create: async (options) => create(options.publicKey), get: async (options) => get(options.publicKey) } },
    configurable: true,
  });
}

let origin = ORIGIN;

/** Runs `action` on a page of another origin. */
export async function onPage(other, action) {
  origin = other;
  try {
    return await action();
  } finally {
    origin = ORIGIN;
  }
}

function create({ rp, user, challenge, pubKeyCredParams }) {
  if (!pubKeyCredParams.some(({ alg }) => alg === ES256)) throw new DOMException("no algorithm in common", "NotSupportedError");
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const id = randomBytes(32);
  credentials.push({ id, privateKey, rpId: rp.id, userHandle: bytesOf(user.id) });
  const { x, y } = publicKey.export({ format: "jwk" });
  const coseKey = new Map([[1, 2], [3, ES256], [-1, 1], [-2, Buffer.from(x, "base64url")], [-3, Buffer.from(y, "base64url")]]);
  const aaguid = Buffer.alloc(16);
  const idLength = Buffer.from([id.length >> 8, id.length & 0xff]);
  const authData = authenticatorData(rp.id, ATTESTED_CREDENTIAL, aaguid, idLength, id, cbor(coseKey));
  return credentialOf(id, {
    clientDataJSON: arrayBuffer(clientData("webauthn.create", challenge)),
    attestationObject: arrayBuffer(cbor(new Map([["fmt", "none"], ["attStmt", new Map()], ["authData", authData]]))),
    getTransports: () => ["internal", "hybrid"],
  });
}

function get({ rpId, challenge, allowCredentials = [] }) {
  const allowed = ({ id }) => allowCredentials.length === 0 || allowCredentials.some((one) => id.equals(bytesOf(one.id)));
  const found = credentials.findLast((credential) => credential.rpId === rpId && allowed(credential));
  if (!found) throw new DOMException("The operation either timed out or was not allowed.", "NotAllowedError");
  const authData = authenticatorData(rpId, 0);
  const clientDataJSON = clientData("webauthn.get", challenge);
  const signed = Buffer.concat([authData, createHash("sha256").update(clientDataJSON).digest()]);
  return credentialOf(found.id, {
    clientDataJSON: arrayBuffer(clientDataJSON),
    authenticatorData: arrayBuffer(authData),
    signature: arrayBuffer(sign("sha256", signed, found.privateKey)),
    userHandle: arrayBuffer(found.userHandle),
  });
}

const credentialOf = (id, response) => ({
  id: id.toString("base64url"),
  rawId: arrayBuffer(id),
  type: "public-key",
  authenticatorAttachment: "platform",
  getClientExtensionResults: () => ({}),
  response,
});

function authenticatorData(rpId, flags, ...attested) {
  const rpIdHash = createHash("sha256").update(rpId).digest();
  const allFlags = Buffer.from([USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE | BACKED_UP | flags]);
  return Buffer.concat([rpIdHash, allFlags, Buffer.alloc(4), ...attested]);
}

const clientData = (type, challenge) =>
  Buffer.from(JSON.stringify({ type, challenge: bytesOf(challenge).toString("base64url"), origin, crossOrigin: false }));

/** The bytes of a BufferSource. */
const bytesOf = (source) =>
  ArrayBuffer.isView(source) ? Buffer.from(source.buffer, source.byteOffset, source.byteLength) : Buffer.from(source);

const arrayBuffer = (buffer) => buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.length);

/** As much of CBOR (RFC 8949) as an attestation needs: integers, byte and text strings, and maps. */
function cbor(value) {
  if (Number.isInteger(value)) return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Map) return Buffer.concat([head(5, value.size), ...[...value].flat().map(cbor)]);
  throw new TypeError(`${typeof value} in CBOR`);
}

function head(major, count) {
  if (count < 24) return Buffer.from([(major << 5) | count]);
  if (count < 256) return Buffer.from([(major << 5) | 24, count]);
  return Buffer.from([(major << 5) | 25, count >> 8, count & 0xff]);
}
