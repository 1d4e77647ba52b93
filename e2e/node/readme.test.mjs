// The tours of the README, run as they are written, in a directory laid out as the README leaves it: the program under
// target/release, the data of a fresh server in vestibule-data. Only the packages are those installed for these tests.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { freshEmail } from "./support/contacts.mjs";
import { claimsOf } from "./support/keys.mjs";
import { ROOT, textsOf } from "./support/pages.mjs";
import { startServer } from "./support/server.mjs";

const LIMIT_MS = 60_000;
const CURL = "Sixty seconds with curl";
const SDK = "The same with the TypeScript SDK";

const server = await startServer();
const home = await mkdtemp(path.join(tmpdir(), "vestibule-readme-"));
after(async () => {
  await rm(home, { recursive: true, force: true });
  await server.stop();
});
const tour = path.join(home, "target/tour");
await mkdir(path.join(home, "target/release"), { recursive: true });
await mkdir(tour, { recursive: true });
await symlink(server.binary, path.join(home, "target/release/vestibule"));
await symlink(server.dataDir, path.join(home, "vestibule-data"));
await symlink(path.join(ROOT, "e2e/node_modules"), path.join(tour, "node_modules"));

/** The environment of these tests without what would stand before the tour's own settings. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VESTIBULE|NODE)_/.test(name)));

const run = async (program, args, cwd, more = {}) =>
  (await promisify(execFile)(program, args, { cwd, env: { ...environment, ...more }, timeout: LIMIT_MS })).stdout;

/** The JSON objects a shell printed, each over several lines. */
const objectsOf = (output) => output.match(/^\{$[\s\S]*?^\}$/gm).map((text) => JSON.parse(text));

test("the curl tour logs a user in and ends with what the backend sees", async () => {
  const output = await run("sh", ["-eu", "-c", (await textsOf("README.md", CURL, "sh")).join("\n")], home);

  const [, contact, code] = /^The code for (ada-\d+@example\.com) is ([0-9A-Z]{9})$/m.exec(output);
  const [message] = await server.messages(contact);
  assert.equal(code, message.otpCode);

  const session = claimsOf(/^The session: (\S+)$/m.exec(output)[1]);
  const [whoami, suborgs] = objectsOf(output);
  assert.equal(whoami.username, contact);
  assert.equal(whoami.userId, session.user_id);
  assert.equal(whoami.organizationId, session.organization_id);
  assert.notEqual(whoami.organizationId, server.organizationId);
  assert.deepEqual(suborgs, { organizationIds: [whoami.organizationId] });
});

test("the TypeScript tour logs a user in", async () => {
  const [script] = await textsOf("README.md", SDK, "js");
  await writeFile(path.join(tour, "tour.mjs"), script);
  const [, command] = await textsOf("README.md", SDK, "sh");
  assert.equal(
    await run("sh", ["-eu", "-c", command], tour),
    "session granted by this server: true\nlogged in as Grace\n",
  );
});

test("the TypeScript tour installs the versions these tests run with, where it says", async () => {
  const [install] = await textsOf("README.md", SDK, "sh");
  assert.match(install, /^mkdir -p target\/tour && cd target\/tour && npm init -y$/m);
  const { dependencies } = JSON.parse(await readFile(path.join(ROOT, "e2e/package.json"), "utf8"));
  const named = [.../^npm install (.+)$/m.exec(install)[1].matchAll(/(@turnkey\/[a-z-]+)@(\S+)/g)];
  const script = (await textsOf("README.md", SDK, "js"))[0];
  const imported = [...script.matchAll(/from "(@turnkey\/[^"]+)"/g)].map(([, name]) => name);
  assert.deepEqual(named.map(([, name]) => name).sort(), imported.sort());
  for (const [, name, version] of named) assert.equal(version, dependencies[name], name);
});

test("the web app's client logs a user in with the override", async () => {
  const [, script] = await textsOf("README.md", SDK, "js");
  await copyFile(path.join(ROOT, "clients/turnkey-core-override.mjs"), path.join(tour, "turnkey-core-override.mjs"));
  const contact = freshEmail();
  // What the page takes from its build and from its user.
  await writeFile(
    path.join(tour, "page.mjs"),
    `Object.assign(globalThis, ${JSON.stringify({ ...server.env, contact })});
     globalThis.askTheUserForTheCode = async () => {
       for (;;) {
         const { messages } = await (await fetch(VESTIBULE_URL + "/dev/messages?to=" + contact)).json();
         if (messages.length > 0) return messages[0].otpCode;
       }
     };`,
  );
  await writeFile(path.join(tour, "app.mjs"), `${script}\nconsole.log(sessionToken);\n`);
  const browser = path.join(ROOT, "e2e/node/support/browser.mjs");
  const output = await run("node", ["--import", browser, "--import", "./page.mjs", "app.mjs"], tour);
  const session = claimsOf(output.trim().split("\n").at(-1));
  assert.equal(session.session_type, "SESSION_TYPE_READ_WRITE");
  const found = await run(
    path.join(home, "target/release/vestibule"),
    ["request", "--path", "/public/v1/query/list_verified_suborgs", "--body", JSON.stringify({ filterType: "EMAIL", filterValue: contact })],
    home,
  );
  assert.deepEqual(JSON.parse(found), { organizationIds: [session.organization_id] });
});
