// What to try next from a terminal, with this server's own values filled in.

import { byId, copyButton, el } from "./dom.js";

function commands({ url, authProxyConfigId }) {
  return [
    {
      title: "Ask for a code, as an app would",
      text: `curl -s ${url}/v1/otp_init_v2 \\\n  -H 'X-Auth-Proxy-Config-Id: ${authProxyConfigId}' \\\n  -d '{"otpType":"OTP_TYPE_EMAIL","contact":"you@example.com"}'`,
    },
    { title: "Read it in a test", text: `curl -s '${url}/dev/messages?to=you@example.com'` },
    {
      title: "Let five minutes pass",
      text: `curl -s ${url}/dev/clock \\\n  -H 'Content-Type: application/json' -d '{"advanceSeconds":300}'`,
    },
    { title: "Keys a backend checks sessions with", text: `curl -s ${url}/.well-known/vestibule/keys` },
  ];
}

const SETTINGS = [
  ["url", "Base URL, for the API and the auth proxy alike"],
  ["organizationId", "Organization"],
  ["authProxyConfigId", "Auth proxy config"],
  ["bundleSignerPublicKey", "Bundle signer, public key"],
  ["sessionSignerPublicKey", "Session signer, public key"],
];

export function showHints(server) {
  byId("hints").replaceChildren(
    ...commands(server).map(({ title, text }) =>
      el("li", {}, el("h3", {}, title, copyButton(`Copy the command: ${title}`, () => text)), el("pre", { tabindex: "0" }, text)),
    ),
  );
  byId("settings").replaceChildren(
    ...SETTINGS.map(([name, label]) =>
      el(
        "div",
        {},
        el("dt", {}, label),
        el("dd", { class: "id" }, el("code", {}, server[name]), copyButton(`Copy: ${label}`, () => server[name])),
      ),
    ),
  );
}
