// The server's clock, which `dev` can move forward, and the control that does so.

import { postJson } from "./api.js";
import { announce, byId } from "./dom.js";

/** "1 h 5 min", or "1 h" in one unit. */
export function duration(seconds, most = 2) {
  const units = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const parts = [];
  let rest = Math.max(0, Math.floor(seconds));
  for (const [size, name] of units) {
    if (rest >= size && parts.length < most) parts.push(`${Math.floor(rest / size)} ${name}`);
    rest %= size;
  }
  return parts.join(" ") || "0 s";
}

/** "just now", "3 min ago", then the time of day, then the date. */
export function ago(then, now) {
  const seconds = (now - then) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  const sameDay = new Date(then).toDateString() === new Date(now).toDateString();
  return new Date(then).toLocaleString([], sameDay ? { timeStyle: "short" } : { month: "short", day: "numeric" });
}

/** Runs `tick` once now and then each second with the server's time. */
export async function createClock(tick) {
  let offset = 0;
  const now = () => Date.now() + offset;

  function show() {
    byId("clock-time").textContent = new Date(now()).toLocaleTimeString([], { timeStyle: "short" });
    byId("clock-offset").textContent = offset >= 1000 ? `+${duration(offset / 1000, 1)}` : "";
    byId("clock-offset").title = `${duration(offset / 1000)} ahead`;
    tick(now());
  }

  async function advance(seconds) {
    const { offsetSeconds } = await postJson("/dev/clock", { advanceSeconds: seconds });
    offset = offsetSeconds * 1000;
    show();
  }

  for (const button of document.querySelectorAll("[data-advance]")) {
    button.addEventListener("click", async () => {
      const seconds = Number(button.dataset.advance);
      try {
        await advance(seconds);
        byId("clock-note").textContent = "Everything but the clock on your wall is later now.";
        announce(`The server's clock went forward by ${duration(seconds)}.`);
      } catch (error) {
        byId("clock-note").textContent = error.message;
      }
    });
  }

  const panel = document.querySelector(".clock");
  document.addEventListener("click", (event) => panel.contains(event.target) || (panel.open = false));
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    panel.open = false;
    panel.querySelector("summary").focus();
  });

  // Advancing by nothing asks how far the clock is ahead already: it survives a restart of the server.
  await advance(0);
  setInterval(show, 1000);
  return { now };
}
