// Pages of the documentation as tests read them: what stands in their fenced blocks is run as it is written.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The repository. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** The fenced blocks of a page in order: `{ language, heading, text }`, where `heading` is the nearest one above. */
export async function blocksOf(page) {
  const blocks = [];
  let heading = "";
  let open = null;
  for (const line of (await readFile(path.join(ROOT, page), "utf8")).split("\n")) {
    const fence = /^```(\w*)/.exec(line);
    if (fence && open) {
      blocks.push(open);
      open = null;
    } else if (fence) {
      open = { language: fence[1], heading, text: "" };
    } else if (open) {
      open.text += `${line}\n`;
    } else if (line.startsWith("#")) {
      heading = line.replace(/^#+ */, "");
    }
  }
  if (open) throw new Error(`${page} ends within a fenced block`);
  return blocks;
}

/** The texts of all blocks in `language` under `heading`. */
export async function textsOf(page, heading, language) {
  const found = (await blocksOf(page)).filter((block) => block.heading === heading && block.language === language);
  if (found.length === 0) throw new Error(`${page} has no ${language} block under "${heading}"`);
  return found.map((block) => block.text);
}
