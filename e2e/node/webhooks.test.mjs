// Webhooks: endpoints made with @turnkey/sdk-server 8.2.1 and @turnkey/http 6.6.0, deliveries received on loopback and judged by
// verifyTurnkeyWebhookSignature of @turnkey/crypto 2.13.2, with the receiver of docs/webhooks.md as it stands there.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { encryptOtpCodeToBundle, verifyTurnkeyWebhookSignature } from "@turnkey/crypto";
import { TurnkeyClient } from "@turnkey/http";
import { Turnkey } from "@turnkey/sdk-server";
import { freshEmail } from "./support/contacts.mjs";
import { newKey, stamperOf } from "./support/keys.mjs";
import { ROOT, textsOf } from "./support/pages.mjs";
import { startServer } from "./support/server.mjs";
import { until } from "./support/until.mjs";

const directory = await mkdtemp(path.join(ROOT, "e2e/node/.webhooks-"));
after(() => rm(directory, { recursive: true, force: true }));
const [snippet] = await textsOf("docs/webhooks.md", "Receiving", "js");
await writeFile(path.join(directory, "receiver.mjs"), snippet);
const { webhookChecker } = await import(pathToFileURL(path.join(directory, "receiver.mjs")));

// A proxy that is not there: nothing would arrive through it.
process.env.HTTP_PROXY = process.env.http_proxy = process.env.ALL_PROXY = "http://127.0.0.1:9";
const server = await startServer();
after(() => server.stop());
const clientOf = (key, organizationId) =>
  new Turnkey({
    apiBaseUrl: server.url,
    defaultOrganizationId: organizationId,
    apiPublicKey: key.publicKey,
    apiPrivateKey: key.privateKey,
  }).apiClient();
const rootKey = { publicKey: server.apiPublicKey, privateKey: server.apiPrivateKey };
const backend = clientOf(rootKey, server.organizationId);
const plain = new TurnkeyClient({ baseUrl: server.url }, stamperOf(rootKey));

/** A receiver on loopback: keeps what it gets, and answers as told. */
async function receiver(answer = () => 200) {
  const received = [];
  const listener = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      received.push({ url: request.url, headers: request.headers, body, event: JSON.parse(body.toString("utf8")) });
      const [status, headers] = [answer(received.length)].flat();
      response.writeHead(status, headers).end("{}");
    });
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  after(() => listener.close());
  return { url: `http://127.0.0.1:${listener.address().port}/in`, received };
}

const subscribed = { subscriptions: [{ eventType: "ACTIVITY_UPDATES" }] };
const tag = (client = backend) => client.createUserTag({ userTagName: `tag ${freshEmail()}`, userIds: [] });
const arrived = (hook, activityId) =>
  until(`activity ${activityId}`, () => hook.received.find(({ event }) => event.id === activityId));

/** A sub-organization with a client of its root user. */
async function home() {
  const key = newKey();
  const made = await backend.createSubOrganization({
    subOrganizationName: "Home",
    rootQuorumThreshold: 1,
    rootUsers: [
      {
        userName: "Ada",
        apiKeys: [{ apiKeyName: "key", publicKey: key.publicKey, curveType: "API_KEY_CURVE_P256" }],
        authenticators: [],
        oauthProviders: [],
      },
    ],
  });
  return { organizationId: made.subOrganizationId, client: clientOf(key, made.subOrganizationId) };
}

describe("endpoints", () => {
  test("sdk-server makes, changes, lists and deletes them", async () => {
    const { organizationId, client } = await home();
    const hook = await receiver();
    const made = await client.createWebhookEndpoint({ url: hook.url, name: "First", ...subscribed });
    assert.deepEqual(made.webhookEndpoint, {
      endpointId: made.endpointId,
      organizationId,
      url: hook.url,
      name: "First",
      isActive: true,
      ...subscribed,
    });
    const changed = await client.updateWebhookEndpoint({ endpointId: made.endpointId, name: "Renamed", isActive: false });
    assert.equal(changed.webhookEndpoint.name, "Renamed");
    assert.deepEqual((await client.listWebhookEndpoints({})).webhookEndpoints, [changed.webhookEndpoint]);
    assert.equal((await client.deleteWebhookEndpoint({ endpointId: made.endpointId })).endpointId, made.endpointId);
    assert.deepEqual((await client.listWebhookEndpoints({})).webhookEndpoints, []);
  });

  test("http does so by the same names", async () => {
    const hook = await receiver();
    const send = async (method, type, parameters) => {
      const body = { type, timestampMs: String(Date.now()), organizationId: server.organizationId, parameters };
      return (await plain[method](body)).activity.result;
    };
    const made = await send("createWebhookEndpoint", "ACTIVITY_TYPE_CREATE_WEBHOOK_ENDPOINT", { url: hook.url, name: "Plain" });
    const { endpointId } = made.createWebhookEndpointResult;
    const { webhookEndpoints } = await plain.listWebhookEndpoints({ organizationId: server.organizationId });
    assert.ok(webhookEndpoints.some((endpoint) => endpoint.endpointId === endpointId && endpoint.isActive));
    await send("updateWebhookEndpoint", "ACTIVITY_TYPE_UPDATE_WEBHOOK_ENDPOINT", { endpointId, isActive: false });
    const gone = await send("deleteWebhookEndpoint", "ACTIVITY_TYPE_DELETE_WEBHOOK_ENDPOINT", { endpointId });
    assert.deepEqual(gone.deleteWebhookEndpointResult, { endpointId });
  });

  test("a private address, a name that leads nowhere and an event of a chain are refused", async () => {
    for (const url of ["https://10.0.0.1/", "https://169.254.169.254/latest", "https://[fd00::1]/", "https://nothing.invalid/"]) {
      await assert.rejects(backend.createWebhookEndpoint({ url, name: "Inside", ...subscribed }), /url does not lead to a public address/, url);
    }
    const balances = [{ eventType: "BALANCE_CONFIRMED_UPDATES" }];
    await assert.rejects(backend.createWebhookEndpoint({ url: "http://127.0.0.1:9/", name: "Chain", subscriptions: balances }));
  });
});

describe("deliveries", () => {
  test("pass the SDK's verifier with the published keys, and nothing that was altered does", async () => {
    const hook = await receiver();
    const { endpointId } = await backend.createWebhookEndpoint({ url: hook.url, name: "Audit", ...subscribed });
    const made = await tag();
    const { headers, body, event } = await arrived(hook, made.activity.id);
    assert.deepEqual(event, made.activity, "the activity itself, not wrapped");
    assert.equal(headers["content-type"], "application/json");
    assert.equal(headers["x-turnkey-organization-id"], server.organizationId);
    assert.equal(headers["x-turnkey-event-type"], "ACTIVITY_UPDATES");
    assert.equal(headers["x-turnkey-webhook-version"], "1");

    const check = webhookChecker(server.url);
    const checked = await check(headers, body);
    assert.equal(checked.ok, true, checked.reason);
    assert.equal(checked.eventId, headers["x-turnkey-event-id"]);
    assert.ok(Math.abs(Date.now() - checked.timestampMs) < 60_000);

    const refused = async (change, altered = body) => (await check({ ...headers, ...change }, altered)).reason;
    assert.equal(await refused({}, Buffer.concat([body, Buffer.from(" ")])), "invalid_signature");
    assert.equal(await refused({}, Buffer.from(body.toString("utf8").replace("COMPLETED", "REJECTED"))), "invalid_signature");
    assert.equal(await refused({ "x-turnkey-event-id": "evt_other" }), "invalid_signature");
    assert.equal(await refused({ "x-turnkey-timestamp": String(checked.timestampMs + 1) }), "invalid_signature");
    assert.equal(await refused({ "x-turnkey-timestamp": "1" }), "stale_timestamp");
    assert.equal(await refused({ "x-turnkey-signature-key-id": "other" }), "missing_key");
    assert.equal(await refused({ "x-turnkey-signature": undefined }), "missing_header");
    await backend.deleteWebhookEndpoint({ endpointId });
  });

  test("a failed one is tried again under the same event id with a fresh signature", async () => {
    const hook = await receiver((number) => (number === 1 ? 500 : 200));
    const { endpointId } = await backend.createWebhookEndpoint({ url: hook.url, name: "Shaky", ...subscribed });
    const made = await tag();
    await arrived(hook, made.activity.id);
    await until("the failure to be recorded", async () => (await status(endpointId))?.deliveries.some(({ error }) => error?.includes("500")));
    await server.advanceClock(5);
    const tries = await until("two tries", () => {
      const found = hook.received.filter(({ event }) => event.id === made.activity.id);
      return found.length > 1 && found;
    });
    const check = webhookChecker(server.url);
    const [first, second] = await Promise.all(tries.map(({ headers, body }) => check(headers, body)));
    assert.ok(first.ok && second.ok);
    assert.equal(first.eventId, second.eventId);
    assert.ok(first.timestampMs < second.timestampMs);
    assert.notEqual(tries[0].headers["x-turnkey-signature"], tries[1].headers["x-turnkey-signature"]);
    assert.ok(tries[0].body.equals(tries[1].body));
    await until("the delivery to be recorded", async () => (await status(endpointId))?.deliveries.some(({ state }) => state === "delivered"));
    await backend.deleteWebhookEndpoint({ endpointId });
  });

  test("a redirect is final, and nobody follows it", async () => {
    const inside = await receiver();
    const hook = await receiver(() => [307, { location: inside.url }]);
    const { endpointId } = await backend.createWebhookEndpoint({ url: hook.url, name: "Elsewhere", ...subscribed });
    const made = await tag();
    await arrived(hook, made.activity.id);
    const record = await until("the refusal", async () => (await status(endpointId)).deliveries.find(({ state }) => state === "failed"));
    assert.equal(record.error, "the endpoint answered 307");
    await backend.deleteWebhookEndpoint({ endpointId });
    assert.equal(inside.received.length, 0);
  });

  test("a parent is told of its sub-organizations, which are told of themselves", async () => {
    const [above, below] = [await receiver(), await receiver()];
    const { endpointId } = await backend.createWebhookEndpoint({ url: above.url, name: "Parent", ...subscribed });
    const { organizationId, client } = await home();
    await client.createWebhookEndpoint({ url: below.url, name: "Sub", ...subscribed });
    const [inside, outside] = [await tag(client), await tag()];
    const [seen, own] = [await arrived(above, inside.activity.id), await arrived(below, inside.activity.id)];
    assert.equal(seen.headers["x-turnkey-organization-id"], organizationId);
    assert.equal(seen.headers["x-turnkey-event-id"], own.headers["x-turnkey-event-id"]);
    await arrived(above, outside.activity.id);
    assert.deepEqual(below.received.map(({ event }) => event.organizationId), [organizationId]);
    await backend.deleteWebhookEndpoint({ endpointId });
  });

  test("a login is told of without its code, token and session", async () => {
    const hook = await receiver();
    const { endpointId } = await backend.createWebhookEndpoint({ url: hook.url, name: "Logins", ...subscribed });
    const contact = freshEmail();
    const sent = await backend.initOtp({ otpType: "OTP_TYPE_EMAIL", contact, appName: "Acme" });
    const code = await server.code(contact, sent.otpId);
    const key = newKey();
    const encryptedOtpBundle = await encryptOtpCodeToBundle(code, sent.otpEncryptionTargetBundle, key.publicKey, server.bundleSignerPublicKey);
    const verified = await backend.verifyOtp({ otpId: sent.otpId, encryptedOtpBundle });
    const { event } = await arrived(hook, verified.activity.id);
    assert.equal(event.result.verifyOtpResult.verificationToken, "");
    assert.equal(event.votes[0].message, "");
    const told = hook.received.map(({ body }) => body.toString("utf8")).join("\n");
    for (const secret of [code, encryptedOtpBundle, verified.verificationToken, sent.otpEncryptionTargetBundle]) {
      assert.ok(!told.includes(JSON.stringify(secret).slice(1, -1)));
    }
    await backend.deleteWebhookEndpoint({ endpointId });
  });

  test("the legacy webhook gets the same body without a signature", async () => {
    const hook = await receiver();
    await backend.setOrganizationFeature({ name: "FEATURE_NAME_WEBHOOK", value: hook.url });
    const made = await tag();
    const { headers, body, event } = await arrived(hook, made.activity.id);
    assert.deepEqual(event, made.activity);
    const verdict = verifyTurnkeyWebhookSignature({ headers, body, verificationKeys: [], maxTimestampAgeMs: 300_000 });
    assert.deepEqual([verdict.ok, verdict.reason], [false, "missing_header"]);
    assert.ok(!Object.keys(headers).some((name) => name.startsWith("x-turnkey-signature")));
    await backend.removeOrganizationFeature({ name: "FEATURE_NAME_WEBHOOK" });
  });

  test("a receiver that knows the old key alone learns the new one, and both are published meanwhile", async () => {
    const hook = await receiver();
    const { endpointId } = await backend.createWebhookEndpoint({ url: hook.url, name: "Rotated", ...subscribed });
    const check = webhookChecker(server.url);
    const signer = async () => {
      const { headers, body } = await arrived(hook, (await tag()).activity.id);
      const checked = await check(headers, body);
      assert.equal(checked.ok, true, checked.reason);
      return checked.keyId;
    };
    const published = async () => {
      const answer = await fetch(`${server.url}/public/v1/discovery/webhooks/jwks`);
      assert.equal(answer.headers.get("cache-control"), "public, max-age=86400, s-maxage=86400, stale-if-error=604800");
      return (await answer.json()).keys.map(({ kid }) => kid);
    };
    const old = await signer();
    assert.deepEqual(await published(), [old]);
    const [made] = await vestibule("keys", "rotate", "--role", "webhook-signer");
    assert.deepEqual(await published(), [old, made.id]);
    await server.advanceClock(60 * 60);
    assert.equal(await signer(), old, "the new one waits for a day");
    await server.advanceClock(23 * 60 * 60);
    assert.equal(await signer(), made.id);
    await vestibule("keys", "retire", old);
    assert.deepEqual(await published(), [old, made.id], "what it signed may be under way");
    await server.advanceClock(2 * 60 * 60);
    assert.deepEqual(await published(), [made.id]);
    await backend.deleteWebhookEndpoint({ endpointId });
  });

  test("an operator sees an endpoint, and pings it", async () => {
    const hook = await receiver();
    const { endpointId } = await backend.createWebhookEndpoint({ url: hook.url, name: "Pinged", subscriptions: [] });
    const { eventId } = await vestibule("webhook", "ping", "--organization", server.organizationId, endpointId);
    const ping = await until("the ping", () => hook.received[0]);
    assert.equal(ping.headers["x-turnkey-event-id"], eventId);
    assert.equal(ping.event.type, "VESTIBULE_PING");
    assert.equal((await webhookChecker(server.url)(ping.headers, ping.body)).ok, true);
    const shown = await until("the outcome", async () => {
      const found = await status(endpointId);
      return found.deliveries.some(({ state }) => state === "delivered") && found;
    });
    assert.deepEqual([shown.endpoint.name, shown.signed, shown.deliveries[0].attempts], ["Pinged", true, 1]);
    await backend.deleteWebhookEndpoint({ endpointId });
  });
});

/** Runs a command of the operator's; what it printed. */
async function vestibule(...words) {
  const { stdout } = await promisify(execFile)(server.binary, [...words, "--data-dir", server.dataDir]);
  return stdout.trim() === "" ? undefined : JSON.parse(stdout);
}

/** What the operator sees of one endpoint. */
async function status(endpointId) {
  const shown = await vestibule("webhook", "list", "--organization", server.organizationId);
  return shown.find(({ endpoint }) => endpoint.id === endpointId);
}
