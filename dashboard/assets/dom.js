// The few helpers this page needs to build elements. Text always goes in as text.

export const byId = (id) => document.getElementById(id);

/** An element with properties (`class`, `data-*`, `aria-*` and handlers like `onclick` included) and children. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon out of the sprite in index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Says a sentence to screen readers without moving anything. */
export function announce(sentence) {
  byId("live").textContent = sentence;
}

/** A button that copies what `text()` gives at that moment and says so for a while. */
export function copyButton(label, text) {
  const caption = el("span", {}, "Copy");
  const button = el("button", { type: "button", class: "quiet small", "aria-label": label }, icon("copy"), caption);
  button.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(text()).then(
      () => true,
      () => false,
    );
    caption.textContent = copied ? "Copied" : "Not allowed";
    announce(copied ? "Copied." : "The browser did not allow copying.");
    setTimeout(() => (caption.textContent = "Copy"), 1600);
  });
  return button;
}

/** JSON, indented, with member names and values told apart by colour. */
export function jsonBlock(value) {
  const pre = el("pre", { class: "json", tabindex: "0" });
  const pieces = JSON.stringify(value, null, 2).split(/("(?:[^"\\]|\\.)*"(?=:))|("(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b|-?\d[\d.eE+-]*)/);
  pieces.forEach((piece, index) => {
    if (piece === undefined || piece === "") return;
    const kind = [undefined, "json-name", "json-value"][index % 3];
    pre.append(kind ? el("span", { class: kind }, piece) : piece);
  });
  return pre;
}
