// Reading of JSON schemas, as far as the descriptions of this server use them.

/** The schema that a reference stands for. */
export function follow(root, schema) {
  if (schema?.$ref === undefined) return schema ?? {};
  const path = schema.$ref.replace(/^#\//, "").split("/");
  return follow(root, path.reduce((inside, name) => inside?.[name], root));
}

/** The schema that is not null, where null is the other choice. */
function present(root, schema) {
  const said = follow(root, schema);
  const choices = (said.anyOf ?? []).filter((choice) => choice.type !== "null" && (choice.$ref || choice.type));
  return choices.length === 1 ? follow(root, choices[0]) : said;
}

/** The type in one or two words. */
export function kindOf(root, schema) {
  const said = present(root, schema);
  if (said.type === "array") return `list of ${kindOf(root, said.items ?? {})}`;
  if (said.oneOf?.every((choice) => choice.const !== undefined) || said.enum) return "one of";
  if (said.additionalProperties?.type) return `object of ${said.additionalProperties.type}`;
  if (said.allOf) return "object";
  const kind = Array.isArray(said.type) ? said.type.filter((type) => type !== "null").join(" or ") : said.type;
  return said.format === "uuid" || said.format === "email" ? said.format : (kind ?? "any");
}

/** What a value is bounded by, in words. */
export function bounds(schema) {
  const said = [];
  const range = (least, most, unit) => {
    if (least && most) said.push(`${least} to ${most} ${unit}`.trim());
    else if (most) said.push(`at most ${most} ${unit}`.trim());
    else if (least) said.push(`at least ${least} ${unit}`.trim());
  };
  range(schema.minLength, schema.maxLength, "characters");
  range(schema.minItems, schema.maxItems, "entries");
  range(schema.minimum, schema.maximum, "");
  if (schema.pattern) said.push(`matches ${schema.pattern}`);
  return said.join(", ");
}

/** Members of an object, those of all its parts together, and which of them are required. */
export function membersOf(root, schema) {
  const said = present(root, schema);
  const members = { ...said.properties };
  const required = new Set(said.required ?? []);
  for (const part of said.allOf ?? []) {
    const inner = membersOf(root, part);
    for (const [name, member] of Object.entries(inner.members)) members[name] = member;
    for (const name of inner.required) required.add(name);
  }
  return { members, required };
}

/** What is worth opening: an object with members, an enum, or a list of those. */
export function nested(root, schema) {
  const said = present(root, schema);
  if (said.type === "array") return nested(root, said.items ?? {});
  if (said.oneOf?.every((choice) => choice.const !== undefined)) return { enum: said.oneOf.map((choice) => choice.const) };
  if (said.enum) return said;
  return said.properties || said.allOf ? said : undefined;
}
