// The HTTP API as this page uses it: JSON in, JSON out, and one kind of error.

import { apiKeyStamp, attestedStamp } from "./stamp.js";

/** A refusal by the server, with its own text, or a failure to reach it (`status` 0). */
export class ApiError extends Error {
  constructor(message, { status = 0, code, reason } = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.reason = reason;
  }
}

const offline = () => new ApiError("The server does not answer. Is `vestibule dev` still running?");

async function exchange(path, init) {
  const response = await fetch(path, { cache: "no-store", ...init }).catch(() => {
    throw offline();
  });
  const body = await response.json().catch(() => undefined);
  if (response.ok && body !== undefined) return { status: response.status, body };
  const message = body?.message ?? `${response.status} ${response.statusText}`;
  throw new ApiError(message, { status: response.status, code: body?.code, reason: body?.turnkeyErrorCode });
}

export const getJson = async (path) => (await exchange(path, {})).body;

const send = (path, text, headers) =>
  exchange(path, { method: "POST", body: text, headers: { "Content-Type": "application/json", ...headers } });

export const postJson = async (path, value) => (await send(path, JSON.stringify(value), {})).body;

/**
 * A client of the auth proxy and of the public API. `record` hears of every exchange:
 * `{path, status, milliseconds, stamp}`.
 */
export function createClient({ authProxyConfigId, record }) {
  async function recorded(path, text, headers, stamp) {
    const started = performance.now();
    const note = (status) => record({ path, status, milliseconds: performance.now() - started, stamp });
    try {
      const { status, body } = await send(path, text, headers);
      note(status);
      return body;
    } catch (error) {
      note(error.status);
      throw error;
    }
  }

  return {
    proxy: (name, body) =>
      recorded(`/v1/${name}`, JSON.stringify(body), { "X-Auth-Proxy-Config-Id": authProxyConfigId }),

    async submitAttested(name, key, verificationToken, body) {
      const text = JSON.stringify(body);
      const stamp = await attestedStamp(key, verificationToken, text);
      return recorded(`/public/v1/submit/${name}`, text, { "X-Stamp-Attested": stamp }, "X-Stamp-Attested");
    },

    async query(name, key, body) {
      const text = JSON.stringify(body);
      const stamp = await apiKeyStamp(key, text);
      return recorded(`/public/v1/query/${name}`, text, { "X-Stamp": stamp }, "X-Stamp");
    },
  };
}
