// One fresh `vestibule dev` process in a temporary data directory, as a newcomer would start it.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { until } from "./until.mjs";

const DEFAULT_BINARY = fileURLToPath(new URL("../../../target/debug/vestibule", import.meta.url));
const READY_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 15_000;
const LOG_LINES_KEPT = 200;

/**
 * Starts a server and waits until it accepts connections.
 *
 * The answer carries what `dev.env` says (organizationId, apiPublicKey, ..., and as it stands: `env`), the inbox
 * (`message`, `messages`), the clock (`advanceClock`), where it runs (`binary`, `dataDir`) and `stop`, which ends the
 * process by its id and removes the data directory.
 */
export async function startServer() {
  const binary = process.env.VESTIBULE_BIN ? path.resolve(process.env.VESTIBULE_BIN) : DEFAULT_BINARY;
  const dataDir = await mkdtemp(path.join(tmpdir(), "vestibule-e2e-"));
  const child = spawn(binary, ["dev", "--data-dir", dataDir, "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", (error) => resolve({ error }));
  });
  // A server that outlives a test run that was itself ended would keep its port and directory.
  const killChild = () => child.kill("SIGKILL");
  process.once("exit", killChild);

  const log = [];
  const remember = (line) => {
    log.push(line);
    if (log.length > LOG_LINES_KEPT) log.shift();
  };
  createInterface({ input: child.stderr }).on("line", remember);

  const stop = async () => {
    child.kill("SIGTERM");
    const reaper = setTimeout(killChild, STOP_DEADLINE_MS);
    await exited;
    clearTimeout(reaper);
    process.removeListener("exit", killChild);
    await rm(dataDir, { recursive: true, force: true });
  };

  try {
    const url = await new Promise((resolve, reject) => {
      const deadline = setTimeout(
        () => reject(new Error(`no "ready" line within ${READY_DEADLINE_MS} ms\n${log.join("\n")}`)),
        READY_DEADLINE_MS,
      );
      createInterface({ input: child.stdout }).on("line", (line) => {
        remember(line);
        const ready = /^ready (http:\/\/\S+)/.exec(line);
        if (ready) {
          clearTimeout(deadline);
          resolve(ready[1]);
        }
      });
      exited.then(({ code, signal, error }) => {
        clearTimeout(deadline);
        reject(new Error(`${binary} ended before it was ready (${error ?? signal ?? code})\n${log.join("\n")}`));
      });
    });
    const env = parseEnv(await readFile(path.join(dataDir, "dev.env"), "utf8"));
    return { ...server(url, env, stop, log), env, binary, dataDir };
  } catch (error) {
    await stop();
    throw error;
  }
}

function server(url, env, stop, log) {
  const messages = async (to) => {
    const response = await fetch(`${url}/dev/messages?to=${encodeURIComponent(to)}`);
    if (!response.ok) throw new Error(`/dev/messages answered ${response.status}: ${await response.text()}`);
    return (await response.json()).messages;
  };
  return {
    url,
    log,
    stop,
    messages,
    organizationId: required(env, "VESTIBULE_ORGANIZATION_ID"),
    userId: required(env, "VESTIBULE_USER_ID"),
    apiPublicKey: required(env, "VESTIBULE_API_PUBLIC_KEY"),
    apiPrivateKey: required(env, "VESTIBULE_API_PRIVATE_KEY"),
    authProxyConfigId: required(env, "VESTIBULE_AUTH_PROXY_CONFIG_ID"),
    bundleSignerPublicKey: required(env, "VESTIBULE_BUNDLE_SIGNER_PUBLIC_KEY"),
    sessionSignerPublicKey: required(env, "VESTIBULE_SESSION_SIGNER_PUBLIC_KEY"),

    /** The message that carries the code of this attempt, once it has been delivered. */
    message: (to, otpId) =>
      until(`a message to ${to} for attempt ${otpId}`, async () =>
        (await messages(to)).find((message) => message.otpId === otpId),
      ),

    /** The code of this attempt, as its recipient reads it. */
    async code(to, otpId) {
      return (await this.message(to, otpId)).otpCode;
    },

    /** Moves the server's clock forward; it never moves back. */
    async advanceClock(advanceSeconds) {
      const response = await fetch(`${url}/dev/clock`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ advanceSeconds }),
      });
      if (!response.ok) throw new Error(`/dev/clock answered ${response.status}: ${await response.text()}`);
    },
  };
}

function parseEnv(text) {
  const entries = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);
  return Object.fromEntries(entries);
}

function required(env, name) {
  if (!env[name]) throw new Error(`dev.env has no ${name}`);
  return env[name];
}
