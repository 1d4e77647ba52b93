// The page of `vestibule dev`: puts the inbox, the login form, the clock and the hints together.

import { createClient, getJson } from "./api.js";
import { createClock } from "./clock.js";
import { byId, el, icon } from "./dom.js";
import { createFlow } from "./flow.js";
import { showHints } from "./hints.js";
import { createInbox } from "./inbox.js";
import { createLogin } from "./login.js";
import { tickSession } from "./session.js";

const trace = (...children) => {
  byId("trace").append(el("li", {}, ...children));
  byId("trace-empty").hidden = true;
};

function recordExchange({ path, status, milliseconds, stamp }) {
  const outcome = status === 0 ? "no answer" : String(status);
  trace(
    el("span", { class: `outcome ${status === 200 ? "good" : "bad"}` }, outcome),
    el("code", {}, ...path.split(/(?<=\/)/).flatMap((part) => [part, el("wbr")])),
    el("span", { class: "muted" }, `${Math.max(1, Math.round(milliseconds))} ms`),
    stamp && el("span", { class: "stamp" }, `signed in ${stamp}`),
  );
}

const recordCheck = (sentence) => trace(el("span", { class: "outcome check" }, icon("check")), el("span", {}, sentence));

async function start() {
  if (!globalThis.crypto?.subtle) {
    throw new Error("The browser offers its cryptography only to https and to this machine. Open the page at http://127.0.0.1.");
  }
  const config = await getJson("/dev/config");
  const client = createClient({ authProxyConfigId: config.authProxyConfigId, record: recordExchange });
  const options = await client.proxy("wallet_kit_config", {});
  byId("trace").replaceChildren();
  byId("trace-empty").hidden = false;
  const server = { ...config, ...options, organizationId: config.organizationId };

  let login;
  let inbox;
  const clock = await createClock((time) => {
    inbox?.tick(time);
    tickSession(time);
  });
  inbox = createInbox({ now: clock.now, onUse: (code) => login.use(code), onMessage: () => login.offer() });
  const flow = createFlow({ server, client, check: recordCheck, now: clock.now });
  login = createLogin({ flow, server, inbox, now: clock.now });
  showHints(server);
}

start().catch((error) => {
  byId("broken").hidden = false;
  byId("broken").textContent = `This page could not start. ${error.message}`;
});
