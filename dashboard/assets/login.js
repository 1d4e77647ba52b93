// The form that walks through the login: contact, code, session.

import { complaint, tidy } from "./contact.js";
import { announce, byId, el, icon } from "./dom.js";
import { hideSession, showSession } from "./session.js";

const STEPS = ["contact", "code", "session"];
const FIELDS = {
  email: { label: "E-mail address", type: "email", autocomplete: "email", inputmode: "email", placeholder: "you@example.com" },
  sms: { label: "Phone number", type: "tel", autocomplete: "tel", inputmode: "tel", placeholder: "+1 555 555 0100" },
};

// What to do next, for refusals a newcomer meets. The server's own words always stand before it.
const ADVICE = {
  MAX_OTP_INITIATED:
    "A contact gets at most three codes in three minutes. Use the newest one, or move the clock forward by three minutes.",
};
const WRONG_CODE = "A code works once, for five minutes, and allows three tries. The newest one is in the inbox.";

export function createLogin({ flow, server, inbox, now }) {
  const contactForm = byId("contact-form");
  const codeForm = byId("code-form");
  const contactInput = byId("contact");
  const codeInput = byId("code");
  const length = Number(server.otpLength);
  let attempt;
  let verified;

  const kind = () => contactForm.elements.kind.value;

  function show(step) {
    byId("contact-step").hidden = step !== "contact";
    byId("code-step").hidden = step !== "code";
    byId("session").hidden = step !== "session";
    STEPS.forEach((name, index) => {
      const item = byId(`step-${name}`);
      item.classList.toggle("done", index < STEPS.indexOf(step));
      if (name === step) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
    inbox.awaiting(step === "code" ? attempt : undefined);
    byId("offer").hidden = true;
    if (step === "code") offer();
  }

  function fail(error, slot, input) {
    const refusal = byId("login-error");
    const advice = ADVICE[error.reason] ?? (error.message.includes("Invalid OTP code") ? WRONG_CODE : undefined);
    refusal.replaceChildren(
      icon("alert"),
      el("span", {}, el("strong", {}, error.message), advice && el("span", { class: "advice" }, advice)),
    );
    slot.append(refusal);
    refusal.hidden = false;
    input?.setAttribute("aria-invalid", "true");
    input?.focus();
    input?.select();
  }

  function calm() {
    byId("login-error").hidden = true;
    byId("login-error").replaceChildren();
    for (const input of [contactInput, codeInput]) input.removeAttribute("aria-invalid");
  }

  /** Runs one step with its button busy; a refusal is shown at `input`. */
  async function during(form, input, step) {
    const button = form.querySelector("[type=submit]");
    if (button.getAttribute("aria-busy") === "true") return;
    calm();
    button.setAttribute("aria-busy", "true");
    try {
      await step();
    } catch (error) {
      fail(error, form.querySelector(".refusal-slot"), input);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  async function send() {
    const contact = tidy(kind(), contactInput.value);
    const wrong = complaint(kind(), contact);
    if (wrong) throw new Error(wrong);
    byId("trace").replaceChildren();
    attempt = await flow.requestCode(kind(), contact);
    verified = undefined;
    byId("sent-to").textContent = contact;
    setCode("");
    show("code");
    codeInput.focus();
  }

  async function enter() {
    const code = codeInput.value;
    if (code === "") throw new Error("Type the code from the message.");
    // When a later step fails the code is spent already: go on from there instead of verifying it again.
    verified ??= await flow.verifyCode(attempt, code);
    const session = await flow.openSession(attempt, verified);
    await showSession(session, { flow, now, onLeave: leave });
    show("session");
    byId("session-title").focus();
    announce(`Logged in. ${session.genuine ? "Signature checked." : "The signature of the session is wrong."}`);
  }

  function leave() {
    hideSession();
    attempt = undefined;
    verified = undefined;
    calm();
    show("contact");
    contactInput.focus();
  }

  function setCode(typed) {
    const wanted = server.otpAlphanumeric ? /[^0-9A-Z]/g : /\D/g;
    codeInput.value = typed.toUpperCase().replace(wanted, "").slice(0, length);
    const cells = [...byId("cells").children];
    cells.forEach((cell, index) => cell.classList.toggle("filled", index < codeInput.value.length));
  }

  /** Fills a code in, as if typed, and leaves the last word to the visitor. */
  function use(code) {
    if (byId("code-step").hidden) return;
    calm();
    setCode(code);
    codeForm.querySelector("[type=submit]").focus();
    codeForm.scrollIntoView({ block: "nearest" });
  }

  /** Offers the code beside the input: on a phone the inbox is out of sight. */
  function offer() {
    const message = attempt && inbox.codeFor(attempt.otpId);
    if (!message || byId("code-step").hidden) return;
    byId("offer-code").textContent = message.otpCode;
    byId("offer").hidden = false;
    byId("offer-use").onclick = () => use(message.otpCode);
  }

  function chooseKind() {
    const { label, ...attributes } = FIELDS[kind()];
    byId("contact-label").textContent = label;
    for (const [name, value] of Object.entries(attributes)) contactInput.setAttribute(name, value);
    contactInput.value = "";
    calm();
  }

  for (const choice of contactForm.querySelectorAll("[name=kind]")) {
    choice.addEventListener("change", chooseKind);
    choice.closest("label").hidden = !server.enabledProviders.includes(choice.value);
  }
  const first = contactForm.querySelector("label:not([hidden]) > [name=kind]");
  if (first) first.checked = true;

  codeInput.setAttribute("inputmode", server.otpAlphanumeric ? "text" : "numeric");
  codeInput.closest(".code-field").style.setProperty("--cells", String(length));
  byId("cells").replaceChildren(...Array.from({ length }, () => el("span")));
  byId("code-hint").textContent = `${length} ${server.otpAlphanumeric ? "letters and digits" : "digits"}, good for a few minutes.`;

  codeInput.addEventListener("input", () => {
    calm();
    setCode(codeInput.value);
  });
  contactInput.addEventListener("input", calm);
  contactForm.addEventListener("submit", (event) => {
    event.preventDefault();
    during(contactForm, contactInput, send);
  });
  codeForm.addEventListener("submit", (event) => {
    event.preventDefault();
    during(codeForm, codeInput, enter);
  });
  byId("resend").addEventListener("click", () => during(codeForm, undefined, send));
  byId("change-contact").addEventListener("click", leave);

  chooseKind();
  show("contact");
  byId("login").removeAttribute("aria-busy");
  return { use, offer };
}
