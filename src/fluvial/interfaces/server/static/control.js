// What is known of one column: a menu, and for numbers and times sliders with boxes beside them.

import { el, menu } from "./dom.js";

const MODES = [["any", "any value"], ["is", "exactly"], ["low", "at least"], ["high", "at most"], ["between", "between"]];
const GAP = ["gap", "missing"];

export class Control {
  constructor(column, gaps, changed) {
    this.column = column;
    this.changed = changed;
    this.labels = column.categories.length > 0;
    const context = column.role === "context";
    const missing = gaps && !context ? [GAP] : [];
    const name = `${column.name}: what is known`;
    const choices = column.categories.map((label, i) => [String(i), label]);
    const modes = context ? MODES.slice(0, 2) : MODES;
    const options = this.labels ? [MODES[0], ...choices, ...missing] : [...modes, ...missing];
    this.menu = menu(options, { "aria-label": name, onchange: () => this.#chosen() });
    this.ends = this.labels ? [] : ["low", "high"].map((end) => this.#end(end));
    this.node = el("div", { class: "known" }, this.menu, ...this.ends.flatMap((e) => [e.slider, e.box]));
    this.#show();
  }

  #end(end) {
    const { name, kind } = this.column;
    const say = () => (this.menu.value === "is" ? name : `${name}, ${end === "low" ? "from" : "to"}`);
    const box = el("input", { type: kind === "time" ? "text" : "number", step: "any", "aria-label": `${name}, ${end}` });
    const slider = el("input", { type: "range", min: 0, max: 1, "aria-label": `${name}, ${end}` });
    slider.addEventListener("input", () => {
      box.value = this.ticks[slider.value];
      slider.setAttribute("aria-valuetext", box.value);
      this.changed();
    });
    box.addEventListener("input", () => {
      this.#place({ slider, box });
      this.changed();
    });
    return { slider, box, end, say };
  }

  // The places of the sliders, once they are known.
  set places(ticks) {
    if (this.ticks || !ticks) return;
    this.ticks = ticks;
    for (const each of this.ends) {
      each.slider.max = ticks.length - 1;
      each.slider.disabled = ticks.length < 2;
      each.box.value = ticks[Math.round((ticks.length - 1) * (each.end === "low" ? 0.5 : 0.9))];
      this.#place(each);
    }
  }

  #place({ slider, box }) {
    const beyond = this.ticks.findIndex((tick) => (this.column.kind === "time" ? tick >= box.value : tick >= Number(box.value)));
    slider.value = beyond < 0 ? this.ticks.length - 1 : beyond;
    slider.setAttribute("aria-valuetext", box.value);
  }

  #chosen() {
    this.#show();
    this.changed();
  }

  #show() {
    const mode = this.menu.value;
    for (const { slider, box, end, say } of this.ends) {
      const hidden = !(mode === "between" || mode === end || (mode === "is" && end === "low"));
      for (const each of [slider, box]) {
        each.hidden = hidden;
        each.setAttribute("aria-label", say());
      }
    }
  }

  reset() {
    this.menu.value = "any";
    this.#show();
  }

  get fixed() {
    return this.menu.value !== "any";
  }

  #value(end) {
    const text = this.ends[end].box.value;
    return this.column.kind === "time" || text === "" ? text : Number(text);
  }

  // As the server takes it.
  get condition() {
    const mode = this.menu.value;
    if (mode === "gap") return null;
    if (this.labels) return this.column.categories[Number(mode)];
    if (mode === "is") return this.#value(0);
    return { low: mode === "high" ? null : this.#value(0), high: mode === "low" ? null : this.#value(1) };
  }

  get words() {
    const [mode, low, high] = [this.menu.value, this.ends[0]?.box.value, this.ends[1]?.box.value];
    const told = { gap: "missing", is: low, low: `at least ${low}`, high: `at most ${high}`, between: `between ${low} and ${high}` };
    return `${this.column.name} ${this.labels && mode !== "gap" ? this.column.categories[Number(mode)] : told[mode]}`;
  }
}
