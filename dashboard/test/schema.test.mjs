import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { bounds, follow, kindOf, membersOf, nested } from "../docs/schema.js";

const root = {
  components: {
    schemas: {
      User: {
        type: "object",
        properties: { userId: { type: "string", format: "uuid" }, tags: { type: "array", items: { type: "string" } } },
        required: ["userId"],
      },
      Effect: { oneOf: [{ const: "EFFECT_ALLOW" }, { const: "EFFECT_DENY" }] },
      Again: { $ref: "#/components/schemas/User" },
    },
  },
};
const to = (name) => ({ $ref: `#/components/schemas/${name}` });

describe("a schema", () => {
  test("is followed through references to what it says", () => {
    assert.equal(follow(root, to("Again")), root.components.schemas.User);
    assert.deepEqual(follow(root, undefined), {});
  });

  test("is named in a word or two", () => {
    assert.equal(kindOf(root, { type: "string", format: "uuid" }), "uuid");
    assert.equal(kindOf(root, { type: "array", items: to("User") }), "list of object");
    assert.equal(kindOf(root, to("Effect")), "one of");
    assert.equal(kindOf(root, { anyOf: [to("User"), { type: "null" }] }), "object");
    assert.equal(kindOf(root, { type: "object", additionalProperties: { type: "string" } }), "object of string");
  });

  test("says what its values are bounded by", () => {
    assert.equal(bounds({ minLength: 1, maxLength: 256 }), "1 to 256 characters");
    assert.equal(bounds({ maxItems: 100 }), "at most 100 entries");
    assert.equal(bounds({ minimum: 1, pattern: "^a$" }), "at least 1, matches ^a$");
    assert.equal(bounds({}), "");
  });

  test("has the members of all its parts, later ones first", () => {
    const both = { allOf: [to("User"), { properties: { userId: { const: "x" } }, required: ["tags"] }] };
    const { members, required } = membersOf(root, both);
    assert.deepEqual(Object.keys(members), ["userId", "tags"]);
    assert.deepEqual(members.userId, { const: "x" });
    assert.deepEqual([...required].sort(), ["tags", "userId"]);
  });

  test("is opened for members and for values, and for nothing else", () => {
    assert.deepEqual(nested(root, to("Effect")), { enum: ["EFFECT_ALLOW", "EFFECT_DENY"] });
    assert.equal(nested(root, { type: "array", items: to("User") }), root.components.schemas.User);
    assert.equal(nested(root, { type: "string" }), undefined);
  });
});
