// Elements. Whatever comes from data enters as text, never as HTML.

let count = 0;

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null).map((c) => (c instanceof Node ? c : String(c))));
  return node;
}

export function part(title, intro, ...children) {
  const id = `part-${(count += 1)}`;
  const words = intro ? el("p", { class: "soft" }, intro) : null;
  return el("section", { class: "part", "aria-labelledby": id }, el("h2", { id }, title), words, ...children);
}

export const said = () => el("p", { class: "said", role: "status" });

export function say(node, ...words) {
  node.classList.remove("wrong");
  node.replaceChildren(...words.map((word) => (word instanceof Node ? word : String(word))));
}

export function complain(node, error) {
  node.classList.add("wrong");
  node.replaceChildren(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
}

const pending = new WeakMap();

// Run a task of a button or a form, behind those that it has begun; what goes wrong is said.
export function busy(node, place, task) {
  const begun = (pending.get(node) ?? Promise.resolve()).then(() => run(node, place, task));
  pending.set(node, begun);
  return begun;
}

async function run(node, place, task) {
  node.setAttribute("aria-busy", "true");
  say(place, "Computing …");
  try {
    await task();
  } catch (error) {
    complain(place, error);
  } finally {
    node.removeAttribute("aria-busy");
  }
}

export function form(task, ...children) {
  const place = said();
  const node = el("form", { class: "row", novalidate: true }, ...children);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(node, place, () => task(place));
  });
  return [node, place];
}

export const number = (value, attributes = {}) => el("input", { type: "number", value, step: "any", ...attributes });

export function menu(options, attributes = {}) {
  return el("select", attributes, ...options.map(([value, text]) => el("option", { value }, text)));
}

// A column's name as events have it.
export const quoted = (name) => (/^[A-Za-z_]\w*$/.test(name) ? name : `\`${name}\``);

export function short(value) {
  if (typeof value !== "number") return value === null || value === undefined ? "–" : String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString("en");
  return Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

export function percent(share) {
  const value = 100 * share;
  if (value === 0 || value === 100) return `${value} %`;
  if (value < 0.01) return `${value.toExponential(1)} %`;
  if (value > 99.99) return "> 99.99 %";
  return `${Number(value.toPrecision(value > 99 ? 4 : 3))} %`;
}
