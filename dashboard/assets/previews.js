// Every message as it would be sent: one row per language, each with its subject, its text, and its HTML in light and dark.

import { getJson } from "./api.js";
import { byId, el } from "./dom.js";

const NAMES = { code: "Code by e-mail", login: "Log-in by e-mail", recovery: "Recovery by e-mail", sms: "Code by SMS" };

const query = (asked) => new URLSearchParams(Object.entries(asked).filter(([, value]) => value)).toString();

async function start() {
  const { messages, languages, templates } = await getJson("/dev/previews");
  const choice = { message: byId("message"), template: byId("template"), language: byId("language"), link: byId("link") };
  choice.message.append(...messages.map(({ name }) => el("option", { value: name }, NAMES[name] ?? name)));
  choice.language.append(...languages.map(({ tag, name, ownName }) => el("option", { value: tag }, `${name} · ${ownName}`)));

  function offerTemplates() {
    const before = choice.template.value;
    const sms = messages.find(({ name }) => name === choice.message.value).channel === "OTP_TYPE_SMS";
    const fitting = templates.filter((template) => (sms ? template.sms : template.email));
    const options = fitting.map(({ id, name, locale }) => el("option", { value: id }, locale ? `${name} (${locale})` : name));
    choice.template.replaceChildren(el("option", { value: "" }, "built in"), ...options);
    if (fitting.some(({ id }) => id === before)) choice.template.value = before;
  }

  let round = 0;
  async function show() {
    const current = (round += 1);
    const asked = { message: choice.message.value, template: choice.template.value, link: choice.link.checked && "true" };
    const wanted = languages.filter(({ tag }) => choice.language.value === "" || choice.language.value === tag);
    const shown = await Promise.all(
      wanted.map(async (language) => {
        const which = { ...asked, locale: language.tag };
        return sample(language, which, await getJson(`/dev/preview?${query(which)}`));
      }),
    );
    // A later choice has been made meanwhile.
    if (current !== round) return;
    byId("samples").replaceChildren(...shown);
    byId("said").textContent = `${shown.length} shown`;
  }

  const again = () => show().catch(broken);
  choice.message.addEventListener("change", () => {
    offerTemplates();
    again();
  });
  for (const control of [choice.template, choice.language, choice.link]) control.addEventListener("change", again);
  byId("choice").addEventListener("submit", (event) => event.preventDefault());
  offerTemplates();
  await show();
}

function sample({ tag, name, ownName, direction, reviewed }, which, { subject, text, segments, fault }) {
  const words = { lang: tag, dir: direction };
  const state = reviewed ? "reviewed" : "not reviewed by a native speaker";
  const head = el("h2", {}, name, " ", el("bdi", { ...words, class: "own-name" }, ownName));
  const facts = el("p", { class: "muted" }, `${tag} · ${direction === "rtl" ? "right to left" : "left to right"} · ${state}`);
  const parts = [head, facts];
  if (fault) parts.push(el("p", { class: "fault" }, `The template cannot be used: ${fault}`));
  if (segments !== undefined) {
    parts.push(el("p", { class: "bubble", dir: "auto" }, text), el("p", { class: "muted" }, `${segments} ${segments === 1 ? "segment" : "segments"}`));
    return el("li", { class: "sample", "data-tag": tag }, ...parts);
  }
  parts.push(el("p", { class: "subject", dir: "auto" }, subject));
  // The message is somebody's HTML: it comes from its own address into a frame that may do nothing.
  const frames = ["light", "dark"].map((scheme) =>
    el("iframe", {
      class: `letter ${scheme}`,
      sandbox: "",
      loading: "lazy",
      src: `/dev/preview/html?${query({ ...which, scheme })}`,
      title: `${NAMES[which.message]} in ${name}, ${scheme}`,
    }),
  );
  parts.push(el("div", { class: "frames" }, ...frames));
  parts.push(el("details", {}, el("summary", {}, "Plain text"), el("pre", { class: "letter-text", dir: "auto" }, text)));
  return el("li", { class: "sample", "data-tag": tag }, ...parts);
}

function broken(error) {
  byId("broken").textContent = `The messages could not be loaded: ${error.message}`;
  byId("broken").hidden = false;
}

start().catch(broken);
