// The snippets for ordinary tokens of docs/sessions.md, as they stand there: fetched from a running server with stampers of
// the SDKs, checked with `jose`, also while the key that signs them is replaced.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, mock, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { ApiKeyStamper } from "@turnkey/api-key-stamper";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { newKey, stamperOf } from "./support/keys.mjs";
import { ROOT, textsOf } from "./support/pages.mjs";
import { startServer } from "./support/server.mjs";

const AUDIENCE = "https://api.acme.example";
const ISSUER = "https://vestibule.invalid";

// Inside the workspace, so that the snippet finds the package it imports.
const directory = await mkdtemp(path.join(ROOT, "e2e/node/.tokens-"));
after(() => rm(directory, { recursive: true, force: true }));

const [onTheDevice, inTheBackend] = await textsOf("docs/sessions.md", "Ordinary tokens", "js");
async function load(name, text) {
  await writeFile(path.join(directory, name), text);
  return import(pathToFileURL(path.join(directory, name)));
}
const { fetchToken } = await load("device.mjs", onTheDevice);
const { tokenChecker } = await load("backend.mjs", inTheBackend);

const server = await startServer();
after(() => server.stop());
const backend = new ApiKeyStamper({ apiPublicKey: server.apiPublicKey, apiPrivateKey: server.apiPrivateKey });

test("a token that a device fetched passes where it was meant for, and nowhere else", async () => {
  const token = await fetchToken(server.url, backend, server.organizationId, AUDIENCE);
  const check = tokenChecker(server.url, ISSUER, AUDIENCE);
  const claims = await check(token);
  assert.equal(claims.organization_id, server.organizationId);
  assert.match(claims.sub, /^[0-9a-f-]{36}$/);
  assert.equal(claims.exp - claims.iat, 900);
  assert.equal(decodeProtectedHeader(token).alg, "ES256");

  await assert.rejects(tokenChecker(server.url, ISSUER, "https://other.example")(token), { code: "ERR_JWT_CLAIM_VALIDATION_FAILED" });
  await assert.rejects(tokenChecker(server.url, "https://other.example", AUDIENCE)(token), { code: "ERR_JWT_CLAIM_VALIDATION_FAILED" });
  const [header, payload, signature] = token.split(".");
  const forged = Buffer.from(JSON.stringify({ ...decodeJwt(token), sub: "somebody" })).toString("base64url");
  await assert.rejects(check(`${header}.${forged}.${signature}`), { code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" });
  await assert.rejects(check(`${Buffer.from('{"alg":"none"}').toString("base64url")}.${payload}.`));
});

test("whoever cannot stamp gets no token", async () => {
  await assert.rejects(fetchToken(server.url, stamperOf(newKey()), server.organizationId, AUDIENCE), /could not find public key/);
});

test("a checker that knows the old key alone learns the new one", async (t) => {
  const check = tokenChecker(server.url, ISSUER, AUDIENCE);
  const signer = async () => {
    const token = await fetchToken(server.url, backend, server.organizationId, AUDIENCE);
    await check(token);
    return decodeProtectedHeader(token).kid;
  };
  const old = await signer();
  const keys = ["keys", "rotate", "--data-dir", server.dataDir, "--role", "token-signer"];
  const { stdout } = await promisify(execFile)(server.binary, keys);
  const made = JSON.parse(stdout).find((key) => key.id !== old && key.role === "token-signer");
  assert.ok(made, stdout);
  const published = async () => (await (await fetch(`${server.url}/.well-known/jwks.json`)).json()).keys.map((key) => key.kid);
  assert.deepEqual((await published()).sort(), [old, made.id].sort());
  // A minute passes on both sides: `jose` does not ask for unknown keys more often than every 30 seconds.
  await server.advanceClock(61);
  mock.timers.enable({ apis: ["Date"], now: Date.now() + 61_000 });
  t.after(() => mock.timers.reset());
  assert.equal(await signer(), made.id);
});
