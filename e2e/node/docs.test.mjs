// The documentation against the source: what it lists is all there is, what it points at exists.
import assert from "node:assert/strict";
import { access, readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { ROOT } from "./support/pages.mjs";

const text = (file) => readFile(path.join(ROOT, file), "utf8");
const exists = (file) => access(path.join(ROOT, file)).then(() => true, () => false);

async function pages() {
  const inDirectory = async (directory) =>
    (await readdir(path.join(ROOT, directory))).filter((name) => name.endsWith(".md")).map((name) => path.join(directory, name));
  return [...(await inDirectory(".")), ...(await inDirectory("docs")), ...(await inDirectory("docs/decisions")), "clients/README.md"];
}

/** The part of an anchor that the headings of a page make, as code hosts do. */
const anchor = (heading) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").trim().replaceAll(" ", "-");

test("every link between pages leads somewhere", async () => {
  let links = 0;
  for (const page of await pages()) {
    const source = (await text(page)).replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
    for (const [, target] of source.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file, fragment] = target.split("#");
      const resolved = file === "" ? page : path.join(path.dirname(page), file);
      assert.ok(await exists(resolved), `${page} links to ${target}`);
      if (fragment) {
        const headings = [...(await text(resolved)).matchAll(/^#+ +(.+)$/gm)].map(([, heading]) => anchor(heading));
        assert.ok(headings.includes(fragment), `${page} links to ${target}; there is ${headings.join(", ")}`);
      }
      links += 1;
    }
  }
  assert.ok(links > 20, `${links} links`);
});

test("every file that a page names in backticks is there", async () => {
  let files = 0;
  for (const page of await pages()) {
    for (const [, named] of (await text(page)).matchAll(/`((?:crates|docs|e2e|clients|testdata|dashboard|xtask)\/[\w./-]*)`/g)) {
      assert.ok(await exists(named), `${page} names ${named}`);
      files += 1;
    }
  }
  assert.ok(files > 30, `${files} files`);
});

test("the walk through the architecture names functions of the files it names", async () => {
  let steps = 0;
  for (const line of (await text("docs/architecture.md")).split("\n")) {
    const step = /^\| \d+ \| `([^`]+)` \| (.+?) \|/.exec(line);
    if (!step) continue;
    const source = await text(step[1]);
    for (const [, name] of step[2].matchAll(/`(\w+)`/g)) {
      assert.match(source, new RegExp(`\\bfn ${name}\\b`), `${step[1]} has a function ${name}`);
      steps += 1;
    }
  }
  assert.ok(steps >= 15, `${steps} functions`);
});

/** What a file of the wire crate says is read and not answered yet. */
async function pendingIn(file) {
  const list = /const PENDING: &\[&str\] = &\[([^\]]*)\];/.exec(await text(file));
  return [...(list?.[1] ?? "").matchAll(/"(\w+)"/g)].map(([, name]) => name);
}

test("the page on compatibility lists every activity type with its path, and no other", async () => {
  const page = await text("docs/compatibility.md");
  const table = [...(await text("crates/wire/src/activity_type.rs")).matchAll(/^ {4}\w+: "(\w+)" "(\w*)" on "(\w+)"/gm)];
  assert.ok(table.length >= 25, `${table.length} types`);
  const listed = new Map();
  for (const [, name, types] of page.matchAll(/^\| `(\w+)` \| (`ACTIVITY_TYPE_[^|]+) \|/gm)) {
    for (const [, type] of types.matchAll(/`(\w+)`/g)) listed.set(type, name);
  }
  const pending = await pendingIn("crates/wire/src/activity_type.rs");
  const served = table.filter(([, kind]) => !pending.includes(kind));
  const there = new Map(served.map(([, kind, version, name]) => [`ACTIVITY_TYPE_${kind}${version}`, name]));
  assert.deepEqual([...listed].sort(), [...there].sort());
});

test("the page on compatibility lists every query and every endpoint of the auth proxy", async () => {
  const page = await text("docs/compatibility.md");
  const section = (heading) => page.split(`\n## ${heading}\n`)[1].split("\n## ")[0];
  for (const [heading, file] of [
    ["Queries", "crates/wire/src/query.rs"],
    ["Auth proxy", "crates/wire/src/proxy.rs"],
  ]) {
    const pending = await pendingIn(file);
    const names = [...(await text(file)).matchAll(/^ {4}"(\w+)": \w+ =>/gm)].map(([, name]) => name);
    assert.ok(names.length >= 11, `${names.length} in ${file}`);
    for (const name of names) {
      assert.equal(section(heading).includes(`\`${name}\``), !pending.includes(name), `${heading}: ${name}`);
    }
  }
});

test("the page on compatibility lists every error with its status and codes, and no other", async () => {
  const source = await text("crates/wire/src/refusal.rs");
  const display = source.slice(source.indexOf("impl fmt::Display for Refusal"));
  const arm = /Self::(\w+)[^;]*?=>\s*(?:\{\s*)?(?:f\.write_str|write!)\(\s*(?:f,\s*)?"((?:[^"\\]|\\.)*)"/g;
  // The HTTP crate's own test holds this table against the mapping and is exhaustive by construction.
  const rows = (await text("crates/http/tests/refusals.rs")).matchAll(/^ {4}(\w+)(?:\(_\)| \{ \.\. \})? = [\s\S]*?=>\s+(\d+) (\d+) "(\w*)";$/gm);
  const codes = new Map([...rows].map(([, variant, status, code, reason]) => [variant, [status, code, reason || "-"]]));
  assert.ok(codes.size >= 60, `${codes.size} rows`);
  const there = [];
  const seen = new Set();
  for (const [, variant, message] of display.matchAll(arm)) {
    assert.ok(codes.has(variant), `${variant} has a row`);
    seen.add(variant);
    there.push([...codes.get(variant), message.replaceAll('\\"', '"').replaceAll(/\{\w*\}/g, "<>")].join(" | "));
  }
  assert.deepEqual([...codes.keys()].filter((variant) => !seen.has(variant)), [], "each variant has a message");
  const listed = [...(await text("docs/compatibility.md")).matchAll(/^\| (\d{3}) \| (\d+) \| (\S+) \| (`+)(.+?)\4 \|$/gm)].map(
    ([, status, code, reason, , message]) => [status, code, reason, message.trim().replaceAll(/<[^>]+>/g, "<>")].join(" | "),
  );
  assert.deepEqual(listed.sort(), there.sort());
});
