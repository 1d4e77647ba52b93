// @turnkey/core is made for browsers: it keeps key pairs in IndexedDB and sessions in localStorage.
// Import this before it.
import "fake-indexeddb/auto";

const items = new Map();

globalThis.window = globalThis;
globalThis.document = {};
globalThis.localStorage = {
  getItem: (key) => items.get(key) ?? null,
  setItem: (key, value) => void items.set(key, String(value)),
  removeItem: (key) => void items.delete(key),
  clear: () => items.clear(),
  key: (index) => [...items.keys()][index] ?? null,
  get length() {
    return items.size;
  },
};
window.location = { hostname: "localhost", origin: "http://localhost:3000", href: "http://localhost:3000/" };

/** Forgets every session, as a new browser profile would. */
export const freshProfile = () => items.clear();
