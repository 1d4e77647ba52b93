// The inbox: every message the server would have sent, as it comes.

import { getJson } from "./api.js";
import { ago } from "./clock.js";
import { announce, byId, copyButton, el, icon } from "./dom.js";

const SHOWN_AT_FIRST = 8;

const idsOf = (messages) => new Set(messages.map(({ id }) => id));

/** `onUse(code)` is called for a code the visitor picks; `onMessage(message)` for each one that arrives live. */
export function createInbox({ now, onUse, onMessage }) {
  let messages = [];
  const cards = new Map();
  const list = byId("messages");
  const filter = byId("filter");
  let shownAtMost = SHOWN_AT_FIRST;
  let waitingFor;

  const belongs = (message) => waitingFor !== undefined && message.otpCode && message.otpId === waitingFor.otpId;

  function render() {
    const wanted = filter.value.trim().toLowerCase();
    const found = messages.filter(({ to }) => to.toLowerCase().includes(wanted));
    const shown = found.slice(0, shownAtMost).map((message) => {
      if (!cards.has(message.id)) cards.set(message.id, createCard(message, { onUse, now }));
      const card = cards.get(message.id);
      card.offer(belongs(message));
      return card.element;
    });
    // Only what moved is touched, so that focus and open messages stay as they are.
    for (const element of [...list.children]) if (!shown.includes(element)) element.remove();
    shown.forEach((element, index) => {
      if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    });
    byId("inbox-empty").hidden = messages.length > 0;
    byId("inbox-none").hidden = messages.length === 0 || shown.length > 0;
    byId("filter-row").hidden = messages.length === 0;
    byId("inbox-count").textContent = messages.length === 0 ? "" : String(messages.length);
    byId("inbox-more").hidden = found.length <= shownAtMost;
    byId("inbox-more").textContent = `Show ${found.length - shownAtMost} older`;
  }

  async function reload() {
    const before = idsOf(messages);
    const { messages: stored } = await getJson("/dev/messages");
    // The server's list is newest first; what arrived while it was under way may be missing from it.
    const listed = idsOf(stored);
    messages = [...messages.filter(({ id }) => !before.has(id) && !listed.has(id)), ...stored];
    const kept = idsOf(messages);
    for (const id of cards.keys()) if (!kept.has(id)) cards.delete(id);
    render();
  }

  function arrive(message) {
    if (messages.some(({ id }) => id === message.id)) return;
    messages.unshift(message);
    render();
    cards.get(message.id)?.element.classList.add("fresh");
    const what = message.channel === "sms" ? "Text message" : "E-mail";
    announce(`${what} for ${message.to}${message.otpCode ? `, code ${[...message.otpCode].join(" ")}` : ""}.`);
    onMessage(message);
  }

  function connect() {
    const status = byId("status");
    const say = (state, text) => {
      status.dataset.state = state;
      byId("status-text").textContent = text;
    };
    const events = new EventSource("/dev/events");
    // What came while nobody listened is in the list, so it is read again on every connection.
    events.addEventListener("open", () => reload().then(() => say("live", "live"), (error) => say("lost", error.message)));
    events.addEventListener("error", () => say("lost", "reconnecting"));
    events.addEventListener("message", (event) => arrive(JSON.parse(event.data)));
  }

  filter.addEventListener("input", render);
  byId("inbox-more").addEventListener("click", () => {
    const firstOlder = shownAtMost;
    shownAtMost = Infinity;
    render();
    list.children[firstOlder]?.querySelector("button").focus();
  });
  connect();
  return {
    /** Offers the codes of this attempt (its `otpId`) to be used; with nothing, offers none. */
    awaiting(attempt) {
      waitingFor = attempt;
      render();
    },
    /** The newest message that carries the code of this attempt. */
    codeFor: (otpId) => messages.find((message) => message.otpId === otpId && message.otpCode),
    tick: (time) => cards.forEach((card) => card.tick(time)),
  };
}

function createCard(message, { onUse, now }) {
  const { id, channel, to, subject, text, html, otpCode, credentialBundle, createdAt } = message;
  const sent = Date.parse(createdAt);
  const time = el("time", { datetime: createdAt, title: new Date(sent).toLocaleString() }, ago(sent, now()));
  const title = subject || text.split("\n")[0];
  const body = el("div", { class: "message-body", id: `message-${id}`, hidden: true });
  const head = el(
    "button",
    { type: "button", class: "message-head", "aria-expanded": "false", "aria-controls": `message-${id}`, onclick: toggle },
    el("span", { class: `channel ${channel}` }, icon(channel)),
    el("span", { class: "message-to" }, el("span", { class: "hidden-text" }, channel === "sms" ? "Text to " : "E-mail to "), to),
    time,
    el("span", { class: "message-title" }, title),
    icon("chevron"),
  );
  const use = el("button", { type: "button", class: "primary small", onclick: () => onUse(otpCode), hidden: true }, "Use this code");
  const code = otpCode
    ? el("p", { class: "message-code" }, el("code", {}, otpCode), use, copyButton(`Copy the code ${otpCode}`, () => otpCode))
    : undefined;
  const bundle = credentialBundle
    ? el("p", { class: "message-code" }, el("code", {}, `${credentialBundle.slice(0, 9)}…`), copyButton("Copy the bundle", () => credentialBundle))
    : undefined;
  const element = el("li", { class: "message", "data-id": id, "data-otp-id": message.otpId || undefined }, head, code ?? bundle, body);

  function toggle() {
    const open = body.hidden;
    if (open && body.childElementCount === 0) body.append(...messageBody(message));
    body.hidden = !open;
    head.setAttribute("aria-expanded", String(open));
  }

  return {
    element,
    offer(wanted) {
      use.hidden = !wanted;
      element.classList.toggle("awaited", wanted);
    },
    tick: (at) => (time.textContent = ago(sent, at)),
  };

  // The message is somebody's HTML: it comes from its own address into a frame that may do nothing.
  function* messageBody() {
    if (message.from) yield el("p", { class: "message-from" }, "from ", message.from);
    if (html) {
      const src = `/dev/messages/${encodeURIComponent(id)}/html`;
      yield el("iframe", { class: "letter", sandbox: "", src, title: `The e-mail “${title}” as HTML` });
      yield el("details", {}, el("summary", {}, "Plain text"), el("pre", { class: "letter-text" }, text));
    } else {
      yield el("pre", { class: "letter-text" }, text);
    }
  }
}
