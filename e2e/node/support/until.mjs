const POLL_EVERY_MS = 25;
const DEADLINE_MS = 15_000;

/** Asks `probe` again and again until it answers something, and gives up at a deadline. */
export async function until(what, probe) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== null && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited ${DEADLINE_MS} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_EVERY_MS));
  }
}
