// Passkeys and wallets as credentials: @turnkey/http 6.6.0 with @turnkey/webauthn-stamper 0.6.0, whose browser is a
// software authenticator, and with @turnkey/wallet-stamper 1.1.27, whose wallets are an Ethereum and a Solana one.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { verifySessionJwtSignature } from "@turnkey/crypto";
import { TurnkeyClient, TurnkeyRequestError, getWebAuthnAttestation } from "@turnkey/http";
import { EthereumWallet, WalletStamper } from "@turnkey/wallet-stamper";
import { WebauthnStamper } from "@turnkey/webauthn-stamper";
import { freshEmail } from "./support/contacts.mjs";
import { claimsOf, newKey, stamperOf } from "./support/keys.mjs";
import { RP_ID, installAuthenticator, onPage } from "./support/passkeys.mjs";
import { startServer } from "./support/server.mjs";
import { installEthereumWallet, solanaWallet } from "./support/wallets.mjs";

const server = await startServer();
after(() => server.stop());

const stampedBy = (stamper) => new TurnkeyClient({ baseUrl: server.url }, stamper);
const backend = stampedBy(stamperOf({ publicKey: server.apiPublicKey, privateKey: server.apiPrivateKey }));

const activity = (type, parameters, organizationId = server.organizationId) => ({
  type,
  timestampMs: String(Date.now()),
  organizationId,
  parameters,
});

/** The result of an activity that completed. */
function resultOf({ activity: done }) {
  assert.equal(done.status, "ACTIVITY_STATUS_COMPLETED");
  return Object.values(done.result)[0];
}

async function organizationOf(user) {
  const rootUser = { userName: "User", apiKeys: [], authenticators: [], oauthProviders: [], ...user };
  const made = resultOf(
    await backend.createSubOrganization(
      activity("ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V8", {
        subOrganizationName: "Home",
        rootQuorumThreshold: 1,
        rootUsers: [rootUser],
      }),
    ),
  );
  return { organizationId: made.subOrganizationId, userId: made.rootUserIds[0] };
}

const refusedAs = (code, turnkeyErrorCode, text) => (error) => {
  assert.ok(error instanceof TurnkeyRequestError, `${error}`);
  assert.equal(error.code, code, error.message);
  assert.equal(error.details[0].turnkeyErrorCode, turnkeyErrorCode, error.message);
  assert.match(error.message, text);
  return true;
};

/** Everything a user does with a credential: asks, acts (in `organizationId` and as `userId`), and logs in by the parent's id. */
async function asksActsAndLogsIn(user, { organizationId, userId }) {
  for (const named of [organizationId, server.organizationId]) {
    const whoami = await user.getWhoami({ organizationId: named });
    assert.deepEqual([whoami.organizationId, whoami.userId], [organizationId, userId]);
  }
  const userName = `Renamed ${randomBytes(4).toString("hex")}`;
  const renamed = await user.updateUserName(activity("ACTIVITY_TYPE_UPDATE_USER_NAME", { userId, userName }, organizationId));
  assert.equal(resultOf(renamed).userId, userId);
  assert.equal((await user.getWhoami({ organizationId })).username, userName);

  const session = newKey();
  const login = await user.stampLogin(activity("ACTIVITY_TYPE_STAMP_LOGIN", { publicKey: session.publicKey }));
  const jwt = resultOf(login).session;
  assert.equal(await verifySessionJwtSignature(jwt, server.sessionSignerPublicKey), true);
  assert.deepEqual([claimsOf(jwt).organization_id, claimsOf(jwt).user_id], [organizationId, userId]);
  assert.equal((await stampedBy(stamperOf(session)).getWhoami({ organizationId })).userId, userId);
  return renamed.activity;
}

describe("a passkey", () => {
  before(installAuthenticator);

  /** Creates a passkey in the browser; the answer is what the activities that register one take. */
  async function newPasskey(authenticatorName) {
    const challenge = randomBytes(32);
    const attestation = await getWebAuthnAttestation({
      publicKey: {
        rp: { id: RP_ID, name: "Acme" },
        challenge,
        pubKeyCredParams: [
          { type: "public-key", alg: -7 },
          { type: "public-key", alg: -257 },
        ],
        user: { id: randomBytes(16), name: authenticatorName, displayName: authenticatorName },
      },
    });
    return { authenticatorName, challenge: challenge.toString("base64url"), attestation };
  }

  /** Stamps with this passkey, whichever others the browser has. */
  const stamperWith = ({ attestation }) =>
    new WebauthnStamper({
      rpId: RP_ID,
      allowCredentials: [{ id: Buffer.from(attestation.credentialId, "base64url"), type: "public-key" }],
    });
  const holding = (passkey) => stampedBy(stamperWith(passkey));

  test("signs its user up, asks, acts and logs in", async () => {
    const passkey = await newPasskey("Laptop");
    const home = await organizationOf({ authenticators: [passkey] });
    const acted = await asksActsAndLogsIn(holding(passkey), home);

    const [vote] = acted.votes;
    const { authenticators } = await holding(passkey).getAuthenticators(home);
    assert.deepEqual(
      authenticators.map(({ authenticatorName, credentialId, attestationType, transports, credential }) => ({
        authenticatorName,
        credentialId,
        attestationType,
        transports,
        type: credential.type,
        publicKey: credential.publicKey,
      })),
      [
        {
          authenticatorName: "Laptop",
          credentialId: passkey.attestation.credentialId,
          attestationType: "none",
          transports: ["AUTHENTICATOR_TRANSPORT_INTERNAL", "AUTHENTICATOR_TRANSPORT_HYBRID"],
          type: "CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR",
          publicKey: vote.publicKey,
        },
      ],
    );
    assert.equal(vote.scheme, "SIGNATURE_SCHEME_TK_WEBAUTHN");
  });

  test("is added to a user by another credential, stamps, and is removed", async () => {
    const device = newKey();
    const home = await organizationOf({
      userEmail: freshEmail(),
      apiKeys: [{ apiKeyName: "Device", publicKey: device.publicKey, curveType: "API_KEY_CURVE_P256" }],
    });
    const { organizationId, userId } = home;
    const user = stampedBy(stamperOf(device));
    const passkeys = [await newPasskey("Phone"), await newPasskey("Key ring")];
    const added = await user.createAuthenticators(
      activity("ACTIVITY_TYPE_CREATE_AUTHENTICATORS_V2", { userId, authenticators: passkeys }, organizationId),
    );
    const { authenticatorIds } = resultOf(added);
    for (const [nth, authenticatorId] of authenticatorIds.entries()) {
      const { authenticator } = await user.getAuthenticator({ organizationId, authenticatorId });
      assert.equal(authenticator.credentialId, passkeys[nth].attestation.credentialId);
    }
    for (const passkey of passkeys) await asksActsAndLogsIn(holding(passkey), home);

    const [lost, kept] = passkeys;
    const removed = await holding(kept).deleteAuthenticators(
      activity("ACTIVITY_TYPE_DELETE_AUTHENTICATORS", { userId, authenticatorIds: authenticatorIds.slice(0, 1) }, organizationId),
    );
    assert.deepEqual(resultOf(removed).authenticatorIds, authenticatorIds.slice(0, 1));
    await assert.rejects(
      holding(lost).getWhoami({ organizationId }),
      refusedAs(16, "CREDENTIAL_NOT_FOUND", /credential ID could not be found in organization or its parent organization/),
    );
    assert.equal((await holding(kept).getWhoami({ organizationId })).userId, userId);
  });

  test("stamps the bytes that are sent and no others", async () => {
    const passkey = await newPasskey("Laptop");
    const { organizationId } = await organizationOf({ authenticators: [passkey] });
    const stamper = stamperWith(passkey);
    const careless = stampedBy({ stamp: (payload) => stamper.stamp(`${payload} `) });
    await assert.rejects(
      careless.getWhoami({ organizationId }),
      refusedAs(16, "SIGNATURE_INVALID", /could not verify WebAuthN signature/),
    );
  });

  test("registers with the challenge it was made for and no other", async () => {
    const passkey = await newPasskey("Laptop");
    const another = { ...passkey, challenge: randomBytes(32).toString("base64url") };
    await assert.rejects(
      organizationOf({ authenticators: [another] }),
      refusedAs(3, "REQUEST_INVALID", /invalid authenticator attestation/),
    );
    assert.ok((await organizationOf({ authenticators: [passkey] })).userId);
  });

  test("is refused on a page that the operator has not named", async () => {
    const passkey = await newPasskey("Laptop");
    const { organizationId, userId } = await organizationOf({ authenticators: [passkey] });
    const whoami = () => holding(passkey).getWhoami({ organizationId });
    const elsewhere = () => onPage("http://localhost:4000", whoami);
    assert.equal((await elsewhere()).userId, userId, "every page, as long as none is named");
    const name = "FEATURE_NAME_WEBAUTHN_ORIGINS";
    resultOf(
      await backend.setOrganizationFeature(
        activity("ACTIVITY_TYPE_SET_ORGANIZATION_FEATURE", { name, value: "https://acme.example,http://localhost:3000" }),
      ),
    );
    try {
      assert.equal((await whoami()).userId, userId);
      await assert.rejects(elsewhere(), refusedAs(16, "SIGNATURE_INVALID", /could not verify WebAuthN signature/));
    } finally {
      resultOf(await backend.removeOrganizationFeature(activity("ACTIVITY_TYPE_REMOVE_ORGANIZATION_FEATURE", { name })));
    }
    assert.equal((await elsewhere()).userId, userId);
  });
});

for (const { name, curveType, type, scheme, install } of [
  {
    name: "an Ethereum wallet's secp256k1 key",
    curveType: "API_KEY_CURVE_SECP256K1",
    type: "CREDENTIAL_TYPE_API_KEY_SECP256K1",
    scheme: "SIGNATURE_SCHEME_TK_API_SECP256K1_EIP191",
    install() {
      installEthereumWallet();
      return new EthereumWallet();
    },
  },
  {
    name: "a Solana wallet's Ed25519 key",
    curveType: "API_KEY_CURVE_ED25519",
    type: "CREDENTIAL_TYPE_API_KEY_ED25519",
    scheme: "SIGNATURE_SCHEME_TK_API_ED25519",
    install: solanaWallet,
  },
]) {
  describe(name, () => {
    let wallet;
    let home;
    before(async () => {
      wallet = install();
      const device = newKey();
      home = await organizationOf({
        apiKeys: [{ apiKeyName: "Device", publicKey: device.publicKey, curveType: "API_KEY_CURVE_P256" }],
      });
      const { organizationId, userId } = home;
      const apiKey = { apiKeyName: "Wallet", publicKey: await wallet.getPublicKey(), curveType };
      resultOf(
        await stampedBy(stamperOf(device)).createApiKeys(
          activity("ACTIVITY_TYPE_CREATE_API_KEYS_V2", { userId, apiKeys: [apiKey] }, organizationId),
        ),
      );
    });

    test("asks, acts and logs in", async () => {
      const user = stampedBy(new WalletStamper(wallet));
      const acted = await asksActsAndLogsIn(user, home);
      const publicKey = await wallet.getPublicKey();
      assert.deepEqual([acted.votes[0].publicKey, acted.votes[0].scheme], [publicKey, scheme]);
      const { apiKeys } = await user.getApiKeys(home);
      const known = apiKeys.find(({ apiKeyName }) => apiKeyName === "Wallet");
      assert.deepEqual([known.credential.publicKey, known.credential.type], [publicKey, type]);
    });

    test("stamps the bytes that are sent and no others", async () => {
      const stamper = new WalletStamper(wallet);
      const careless = stampedBy({
        // The key of the right stamp with the signature of another text.
        async stamp(payload) {
          const parts = (value) => JSON.parse(Buffer.from(value.stampHeaderValue, "base64url").toString("utf8"));
          const [right, wrong] = [await stamper.stamp(payload), await stamper.stamp(`${payload} `)];
          const stamp = { ...parts(right), signature: parts(wrong).signature };
          return { ...right, stampHeaderValue: Buffer.from(JSON.stringify(stamp)).toString("base64url") };
        },
      });
      await assert.rejects(
        careless.getWhoami({ organizationId: home.organizationId }),
        refusedAs(16, "SIGNATURE_INVALID", /could not verify api key signature/),
      );
    });
  });
}
