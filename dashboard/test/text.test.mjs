import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { fromBase64Url, fromHex } from "../assets/bytes.js";
import { ago, duration } from "../assets/clock.js";
import { complaint, tidy } from "../assets/contact.js";

describe("a contact", () => {
  test("loses outer white space, and a number its separators", () => {
    assert.equal(tidy("email", "  You+tag@Example.com "), "You+tag@Example.com");
    assert.equal(tidy("sms", " +1 (555) 555-0100 "), "+15555550100");
  });

  test("is complained about only when it cannot be one", () => {
    for (const good of ["you@example.com", "you@localhost"]) assert.equal(complaint("email", good), undefined);
    for (const bad of ["", "you", "you@", "a b@example.com", "a@b@c"]) assert.ok(complaint("email", bad), bad);
    assert.equal(complaint("sms", "+15555550100"), undefined);
    for (const bad of ["", "5555550100", "+0155555501", "+1"]) assert.ok(complaint("sms", bad), bad);
  });
});

describe("a span of time", () => {
  test("is told in at most two units", () => {
    assert.equal(duration(0), "0 s");
    assert.equal(duration(899.9), "14 min 59 s");
    assert.equal(duration(3900), "1 h 5 min");
    assert.equal(duration(90061, 1), "1 d");
    assert.equal(duration(-5), "0 s");
  });

  test("that has passed is told as a person would", () => {
    const noon = Date.parse("2026-01-02T12:00:00Z");
    assert.equal(ago(noon, noon + 5_000), "just now");
    assert.equal(ago(noon, noon + 185_000), "3 min ago");
    assert.doesNotMatch(ago(noon, noon + 3 * 86_400_000), /:/);
  });
});

describe("a text that is not what it claims", () => {
  test("is refused as hex", () => {
    for (const bad of ["abc", "zz", "0x12", undefined]) assert.throws(() => fromHex(bad), /hex/);
  });

  test("is refused as base64url", () => {
    for (const bad of ["a+b/", "ab==", "a b", undefined]) assert.throws(() => fromBase64Url(bad), /base64url/);
  });
});
