// What a login yields: who it is, for how long, the decoded JWT, and a signed request that proves the key works.

import { duration } from "./clock.js";
import { byId, copyButton, el, icon, jsonBlock } from "./dom.js";

let current;

const identifier = (text, what) => el("span", { class: "id" }, el("code", {}, text), copyButton(`Copy the ${what}`, () => text));

const row = (term, ...details) => el("div", {}, el("dt", {}, term), el("dd", {}, ...details));

/** Shows the session in place of the form. `onLeave` is called when the visitor logs out. */
export async function showSession(session, { flow, now, onLeave }) {
  const { claims, header, token, genuine, contact, isNew } = session;
  const expiry = el("span", { id: "expiry" });
  const answer = el("div", { id: "whoami-answer", "aria-live": "polite" });
  const ask = el("button", { type: "button", class: "primary", id: "whoami" }, icon("key"), "Whoami with the session key");

  ask.addEventListener("click", async () => {
    ask.setAttribute("aria-busy", "true");
    try {
      answer.replaceChildren(jsonBlock(await flow.whoami(session)));
    } catch (error) {
      answer.replaceChildren(el("p", { class: "refusal" }, icon("alert"), el("strong", {}, error.message)));
    } finally {
      ask.removeAttribute("aria-busy");
    }
  });

  byId("session").replaceChildren(
    el(
      "div",
      { class: "welcome" },
      el("h3", { id: "session-title", tabindex: "-1" }, isNew ? "Welcome." : "Welcome back."),
      signatureMark(genuine),
      el("p", { class: "muted" }, isNew ? "A new account was made for " : "Logged in to the account of ", el("strong", {}, contact), "."),
    ),
    el(
      "dl",
      { class: "facts" },
      row("Organization", identifier(claims.organization_id, "organization id")),
      row("User", el("span", { id: "user-id" }, identifier(claims.user_id, "user id"))),
      row("Kind", claims.session_type),
      row("Expires", expiry),
    ),
    el("div", { class: "actions" }, ask, el("button", { type: "button", class: "quiet", onclick: onLeave }, "Log out")),
    answer,
    el(
      "details",
      { class: "jwt", open: true },
      el("summary", {}, "The session JWT"),
      el("h4", {}, "Header"),
      jsonBlock(header),
      el("h4", {}, "Payload"),
      jsonBlock(claims),
      el("h4", {}, "As it travels ", copyButton("Copy the session JWT", () => token)),
      coloured(token),
      el(
        "p",
        { class: "muted" },
        "Its signature covers SHA-256 of SHA-256, so an ordinary JWT library refuses it. The session key was made in this tab, cannot be exported, and is gone when you reload.",
      ),
    ),
  );
  current = { expiry, expires: claims.exp * 1000 };
  tickSession(now());
}

function signatureMark(genuine) {
  if (genuine) return el("span", { class: "mark good", id: "signature" }, icon("check"), "signature checked");
  return el("span", { class: "mark bad", id: "signature" }, icon("alert"), "signature wrong");
}

function coloured(token) {
  const pieces = token.split(".").flatMap((piece, index) => [
    ...(index === 0 ? [] : ["."]),
    el("span", { class: ["jwt-header", "jwt-payload", "jwt-signature"][index] }, piece),
  ]);
  return el("pre", { class: "token", tabindex: "0" }, ...pieces);
}

/** Keeps the countdown true to the server's clock. */
export function tickSession(time) {
  if (!current) return;
  const left = (current.expires - time) / 1000;
  current.expiry.classList.toggle("over", left <= 0);
  current.expiry.textContent =
    left > 0 ? `in ${duration(left)}` : "expired; the server refuses the session key from now on";
}

export function hideSession() {
  current = undefined;
  byId("session").replaceChildren();
}
