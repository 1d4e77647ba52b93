// One fresh `vestibule serve`, with SMS and captchas through two stand-ins in this process: what a production server is given.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const BINARY = process.env.VESTIBULE_BIN
  ? path.resolve(process.env.VESTIBULE_BIN)
  : fileURLToPath(new URL("../../../target/debug/vestibule", import.meta.url));

/** An HTTP server on this machine that hands every body to `answer` and sends what that returns, as JSON. */
export async function standIn(answer) {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer(body)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/**
 * Starts a server whose configuration ends with `more`, and makes an organization with an auth proxy. Secrets go into its
 * environment.
 */
export async function serve(more, secrets) {
  const directory = await mkdtemp(path.join(tmpdir(), "vestibule-e2e-"));
  const options = { cwd: directory, env: { ...process.env, ...secrets } };
  const run = async (...args) => (await promisify(execFile)(BINARY, args, options)).stdout;
  await writeFile(
    path.join(directory, "vestibule.toml"),
    `[server]\nlisten = "127.0.0.1:0"\ndata_dir = "data"\n[keys]\nfile = "keys.json"\n${more}`,
  );
  await run("keys", "generate", "--out", "keys.json");

  const child = spawn(BINARY, ["serve", "--config", "vestibule.toml"], { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const log = [];
  createInterface({ input: child.stderr }).on("line", (line) => log.push(line));
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    process.removeListener("exit", kill);
    await rm(directory, { recursive: true, force: true });
  };
  const lines = createInterface({ input: child.stdout });
  const ready = once(lines, "line").then(([line]) => /^ready (http:\/\/\S+)/.exec(line)[1]);
  const url = await Promise.race([
    ready,
    ended.then(() => Promise.reject(new Error(`the server ended before it was ready\n${log.join("\n")}`))),
  ]);
  const made = JSON.parse(await run("org", "create", "--config", "vestibule.toml", "--name", "Shop", "--auth-proxy"));
  /** A request of the organization's backend, stamped by the program itself. */
  const request = (to, body) => {
    const env = { ...options.env, VESTIBULE_ORGANIZATION_ID: made.organizationId, VESTIBULE_API_PRIVATE_KEY: made.apiPrivateKey };
    const args = ["request", "--url", url, "--path", to, "--body", JSON.stringify(body)];
    return promisify(execFile)(BINARY, args, { ...options, env });
  };
  return { url, stop, log, request, ...made };
}
