// The snippets of docs/sessions.md for Node and Go, as they stand there, over tokens that must pass and tokens that must
// not, and over those of a running server. Python and Rust are in e2e/python and e2e/rust.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { ApiKeyStamper } from "@turnkey/api-key-stamper";
import { encryptOtpCodeToBundle } from "@turnkey/crypto";
import { TurnkeyClient } from "@turnkey/http";
import { freshEmail } from "./support/contacts.mjs";
import { loginSignature, newKey } from "./support/keys.mjs";
import { ROOT, textsOf } from "./support/pages.mjs";
import { startServer } from "./support/server.mjs";

const PAGE = "docs/sessions.md";

const directory = await mkdtemp(path.join(tmpdir(), "vestibule-sessions-"));
after(() => rm(directory, { recursive: true, force: true }));

const [snippet] = await textsOf(PAGE, "Node", "js");
await writeFile(path.join(directory, "check.mjs"), snippet);
const { checkSession, checkVerificationToken } = await import(pathToFileURL(path.join(directory, "check.mjs")));

const vectors = JSON.parse(await readFile(path.join(ROOT, "testdata/vectors/jwts.json"), "utf8"));
/** The server publishes uncompressed keys; vectors of the hosted service's own key name none. */
const published = ({ overrideKey }) => overrideKey?.length === 130;
/** A session is good when its signature is, and the SDK misses no claim. */
const isGoodSession = (vector) => vector.verifySessionJwtSignature === true && !/missing/.test(vector.coreParse);
const isGoodToken = (vector) => "ok" in vector.verifyOtpVerificationToken;

function judged(check, vectors, isGood) {
  const outcomes = { passed: 0, refused: 0 };
  for (const vector of vectors.filter(published)) {
    if (isGood(vector)) {
      assert.ok(check(vector.token, [vector.overrideKey]).public_key, vector.name);
      outcomes.passed += 1;
    } else {
      assert.throws(() => check(vector.token, [vector.overrideKey]), Error, vector.name);
      outcomes.refused += 1;
    }
  }
  assert.ok(outcomes.passed >= 3 && outcomes.refused >= 3, JSON.stringify(outcomes));
}

test("Node: sessions", () => judged(checkSession, vectors.sessionJwts, isGoodSession));

test("Node: verification tokens", () => judged(checkVerificationToken, vectors.verificationTokens, isGoodToken));

test("Node: a session is over at its expiry, and each trusted key counts", () => {
  const { token, overrideKey, claims } = vectors.sessionJwts[0];
  const other = vectors.verificationTokens[0].overrideKey;
  assert.deepEqual(checkSession(token, [other, overrideKey], claims.exp * 1000 - 1), claims);
  assert.throws(() => checkSession(token, [overrideKey], claims.exp * 1000), /over/);
  assert.throws(() => checkSession(token, [other]), /trusted/);
  assert.throws(() => checkSession(token, []), /trusted/);
});

test("Node: the tokens of a running server, under the keys it publishes", async () => {
  const server = await startServer();
  try {
    const { keys } = await (await fetch(`${server.url}/.well-known/vestibule/keys`)).json();
    const trusted = (role) =>
      keys.filter((key) => key.role === role && key.state === "active").map((key) => key.uncompressedHex);

    const client = new TurnkeyClient(
      { baseUrl: server.url },
      new ApiKeyStamper({ apiPublicKey: server.apiPublicKey, apiPrivateKey: server.apiPrivateKey }),
    );
    const submit = async (name, type, parameters, organizationId = server.organizationId) => {
      const body = { type, timestampMs: String(Date.now()), organizationId, parameters };
      return Object.values((await client.request(`/public/v1/submit/${name}`, body)).activity.result)[0];
    };
    const contact = freshEmail();
    const key = newKey();
    const { subOrganizationId } = await submit("create_sub_organization", "ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V7", {
      subOrganizationName: "Home",
      rootQuorumThreshold: 1,
      rootUsers: [{ userName: "User", userEmail: contact, apiKeys: [], authenticators: [], oauthProviders: [] }],
    });
    const { otpId, otpEncryptionTargetBundle } = await submit("init_otp", "ACTIVITY_TYPE_INIT_OTP_V3", {
      otpType: "OTP_TYPE_EMAIL",
      contact,
      appName: "Acme",
    });
    const code = await server.code(contact, otpId);
    const [bundleSigner] = trusted("bundle-signer");
    const bundle = await encryptOtpCodeToBundle(code, otpEncryptionTargetBundle, key.publicKey, bundleSigner);
    const { verificationToken } = await submit("verify_otp", "ACTIVITY_TYPE_VERIFY_OTP_V2", {
      otpId,
      encryptedOtpBundle: bundle,
    });
    const proved = checkVerificationToken(verificationToken, trusted("bundle-signer"));
    assert.equal(proved.contact, contact);
    assert.equal(proved.organization_id, server.organizationId);

    const parameters = {
      verificationToken,
      publicKey: key.publicKey,
      clientSignature: await loginSignature(key, verificationToken),
    };
    const { session } = await submit("otp_login", "ACTIVITY_TYPE_OTP_LOGIN_V2", parameters, subOrganizationId);
    const claims = checkSession(session, trusted("session-signer"));
    assert.equal(claims.organization_id, subOrganizationId);
    assert.equal(claims.public_key, key.publicKey);
    assert.throws(() => checkSession(session, trusted("bundle-signer")), /trusted/);
    assert.throws(() => checkVerificationToken(session, trusted("session-signer")), /trusted/);
  } finally {
    await server.stop();
  }
});

const hasGo = spawnSync("go", ["version"]).status === 0;
test("Go: sessions", { skip: !hasGo && "there is no Go toolchain" }, async () => {
  const module = path.join(directory, "go");
  const [source] = await textsOf(PAGE, "Go", "go");
  const cases = vectors.sessionJwts
    .filter(published)
    .map((vector) => ({ name: vector.name, token: vector.token, key: vector.overrideKey, good: isGoodSession(vector) }));
  await promisify(execFile)("mkdir", ["-p", module]);
  await writeFile(path.join(module, "go.mod"), "module sessions\n\ngo 1.19\n");
  await writeFile(path.join(module, "sessions.go"), source);
  await writeFile(path.join(module, "cases.json"), JSON.stringify(cases));
  await writeFile(
    path.join(module, "sessions_test.go"),
    `package sessions

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

func TestVectors(t *testing.T) {
	text, err := os.ReadFile("cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Token, Key string
		Good             bool
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 6 {
		t.Fatal(err, len(cases))
	}
	for _, c := range cases {
		session, err := CheckSession(c.Token, []string{c.Key}, time.Now())
		if c.Good != (err == nil) || c.Good != (session != nil) {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	if _, err := CheckSession(cases[0].Token, []string{cases[0].Key}, time.Unix(4102444800, 0)); err == nil {
		t.Error("a session lived beyond its expiry")
	}
}
`,
  );
  await promisify(execFile)("go", ["test", "./..."], { cwd: module, env: { ...process.env, GOFLAGS: "-mod=mod", GOTOOLCHAIN: "local" } });
});
