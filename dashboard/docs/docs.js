// Shows the two descriptions of the API. Everything on the page comes out of them.
import { byId, el } from "./dom.js";
import { bounds, follow, kindOf, membersOf, nested } from "./schema.js";

const SOURCES = ["openapi/public.json", "openapi/proxy.json"];

/** What a member may be, in words; what is inside of it opens on demand. */
function member(root, name, schema, needed) {
  const said = follow(root, schema);
  const item = el(
    "li",
    { class: "member" },
    el("code", {}, name),
    el("span", { class: "kind" }, kindOf(root, schema)),
    needed ? el("span", { class: "needed" }, "required") : undefined,
  );
  const limits = bounds(said);
  if (limits) item.append(el("span", { class: "bounds" }, limits));
  const about = schema.description ?? said.description;
  if (about) item.append(el("span", { class: "about muted" }, about));
  const inner = nested(root, schema);
  if (inner) item.append(onDemand("more", () => inside(root, inner)));
  return item;
}

function onDemand(caption, content) {
  const details = el("details", {}, el("summary", {}, caption));
  details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(content()), { once: true });
  return details;
}

/** The members of an object, or the values of an enum. */
function inside(root, schema) {
  if (schema.enum) {
    return el("p", { class: "values" }, ...schema.enum.map((value) => el("code", {}, JSON.stringify(value))));
  }
  const { members, required } = membersOf(root, schema);
  const entries = Object.entries(members);
  if (entries.length === 0) return el("p", { class: "muted" }, "No members.");
  return el("ul", { class: "members" }, ...entries.map(([name, inner]) => member(root, name, inner, required.has(name))));
}

/** Of an activity the parameters of each version: the members around them are the same everywhere. */
function request(root, sent) {
  const parts = [];
  for (const version of sent.oneOf ?? [sent]) {
    if (version.title) parts.push(el("h4", {}, version.title));
    parts.push(inside(root, version.properties?.parameters ?? version));
  }
  return parts;
}

/** Of an activity what stands in its result; all of it opens on demand. */
function answer(root, answered) {
  const results = answered.properties?.activity?.allOf?.[1].properties.result.properties ?? {};
  const parts = Object.entries(results).flatMap(([key, result]) => [
    el("h4", {}, `activity.result.${key}`),
    inside(root, result),
  ]);
  return parts.length ? [...parts, el("h4", {}, "The whole answer"), inside(root, answered)] : [inside(root, answered)];
}

function body(root, operation) {
  const sent = operation.requestBody?.content["application/json"].schema;
  const answered = operation.responses["200"].content["application/json"].schema;
  return el(
    "div",
    { class: "body" },
    sent && el("section", {}, el("h3", {}, "Request"), ...request(root, sent)),
    el("section", {}, el("h3", {}, "Answer"), ...answer(root, answered)),
  );
}

function card(root, path, method, operation) {
  const details = el(
    "details",
    { class: "operation", id: `${operation.tags[0].replaceAll(" ", "-")}-${operation.operationId}` },
    el("summary", {}, el("code", {}, `${method.toUpperCase()} ${path}`), el("span", {}, operation.summary ?? "")),
  );
  details.addEventListener("toggle", () => details.append(body(root, operation)), { once: true });
  details.dataset.text = `${path} ${operation.summary} ${JSON.stringify(operation.requestBody ?? "")}`.toLowerCase();
  return details;
}

function groups(root) {
  const byTag = new Map();
  for (const [path, item] of Object.entries(root.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const tag = operation.tags[0];
      byTag.set(tag, [...(byTag.get(tag) ?? []), card(root, path, method, operation)]);
    }
  }
  const heading = (tag) => tag[0].toUpperCase() + tag.slice(1);
  return [...byTag].map(([tag, cards]) => el("section", { class: "group" }, el("h2", {}, heading(tag)), ...cards));
}

function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const group of document.querySelectorAll(".group")) {
    let shown = 0;
    for (const operation of group.querySelectorAll(".operation")) {
      operation.hidden = !words.every((word) => operation.dataset.text.includes(word));
      shown += operation.hidden ? 0 : 1;
    }
    group.hidden = shown === 0;
    found += shown;
  }
  byId("found").textContent = words.length ? `${found} found` : "";
}

/** Opens the operation that the address names. */
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(target instanceof HTMLDetailsElement)) return;
  target.open = true;
  target.scrollIntoView();
}

async function start() {
  const operations = byId("operations");
  try {
    const roots = await Promise.all(
      SOURCES.map(async (source) => {
        const response = await fetch(source);
        if (!response.ok) throw new Error(`${source}: ${response.status}`);
        return response.json();
      }),
    );
    byId("about").textContent = roots[0].info.description;
    operations.append(...roots.flatMap(groups));
    byId("search").addEventListener("input", search);
    addEventListener("hashchange", reveal);
    reveal();
  } catch (error) {
    byId("broken").textContent = `The description could not be loaded (${error.message}).`;
    byId("broken").hidden = false;
  }
  operations.removeAttribute("aria-busy");
}

start();
