// A table: fix some of its columns and see the others change.

import { ask, of } from "./api.js";
import { bars, pair } from "./charts.js";
import { Control } from "./control.js";
import { complain, el, menu, part, percent, said, say, short } from "./dom.js";
import { askEvent, download, judgeRow, scoreFile } from "./questions.js";

const DRAWS = 1000;
const PATIENCE = 250; // milliseconds without a change before it is asked

export function showTable(model, main) {
  const view = new Explorer(model);
  main.append(view.columns, view.together);
  if (model.any_given) main.append(askEvent(model, view));
  if (model.scores) main.append(judgeRow(model), scoreFile(model));
  main.append(download(model, view));
  view.refresh();
}

class Explorer {
  constructor(model) {
    this.model = model;
    const askable = (column) => model.any_given || column.role === "context";
    this.cards = model.columns.map((column) => this.#card(column, askable(column)));
    this.controls = this.cards.map((card) => card.control).filter(Boolean);
    this.status = said();
    this.reset = el("button", { type: "button", onclick: () => this.#reset(), disabled: true }, "Reset");
    const intro = model.any_given
      ? "Say what is known of any columns: a value, a range, a label. The others follow."
      : `${model.model} cannot be asked what follows from any columns (mixed can)${this.controls.length ? "; its context can be fixed" : ""}.`;
    const key = el("ul", { class: "key" }, el("li", { class: "drawn" }, "draws from the model"), this.data = el("li", {}, "the table"));
    const cards = el("div", { class: "cards" }, ...this.cards.map((card) => card.node));
    const told = el("div", { class: "told" }, this.status, this.controls.length ? this.reset : null);
    this.columns = part("What follows from what", intro, told, key, cards);
    this.ready = new Promise((resolve) => (this.told = resolve));
    this.grid = cards;
    this.together = this.#pairs();
  }

  #card(column, askable) {
    const control = askable ? new Control(column, this.model.any_cells, () => this.#changed()) : null;
    const chart = el("div", { class: "chart" });
    const middle = el("p", { class: "middle" });
    const unit = column.unit ? el("span", { class: "soft" }, ` ${column.unit}`) : null;
    const node = el("section", { class: "card", "aria-label": column.name }, el("h3", {}, column.name, unit), control?.node, chart, middle);
    return { column, control, chart, middle, node };
  }

  #pairs() {
    const options = this.model.columns.map((column, i) => [i, column.name]);
    this.axes = ["across", "up"].map((_, i) => menu(options, { onchange: () => this.refresh() }));
    const rank = ({ kind, categories }) => (categories.length ? 2 : kind === "integer" ? 1 : 0);
    const order = this.model.columns.map((column, i) => [rank(column), i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    this.axes.forEach((axis, i) => (axis.value = order[Math.min(i, order.length - 1)][1]));
    this.picture = el("div", { class: "chart tall" });
    this.pairSaid = el("p", { class: "middle" });
    const choice = el("div", { class: "row" }, el("label", {}, "Across", this.axes[0]), el("label", {}, "Up", this.axes[1]));
    return part("Two columns together", "Points are draws, given what is fixed above; the shade behind them is the table.", choice, this.picture, this.pairSaid);
  }

  get known() {
    const found = { given: {}, context: {} };
    for (const control of this.controls.filter((c) => c.fixed)) {
      found[control.column.role === "context" ? "context" : "given"][control.column.name] = control.condition;
    }
    return { given: filled(found.given), context: filled(found.context) };
  }

  get words() {
    return this.controls.filter((control) => control.fixed).map((control) => control.words).join(", ");
  }

  #changed() {
    for (const { node, control } of this.cards) node.classList.toggle("fixed", Boolean(control?.fixed));
    this.reset.disabled = !this.words;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), PATIENCE);
  }

  #reset() {
    for (const control of this.controls) control.reset();
    this.#changed();
  }

  // One question at a time: of those that come up meanwhile only the last is asked.
  async refresh() {
    this.again = true;
    if (this.asking) return;
    this.asking = true;
    this.grid.setAttribute("aria-busy", "true");
    while (this.again) {
      this.again = false;
      try {
        const pair = this.axes.map((axis) => this.model.columns[axis.value].name);
        const json = { n: DRAWS, ...this.known, pair };
        const found = await (await ask(of(this.model, "marginals"), { json })).json();
        if (!this.again) this.#show(found);
      } catch (error) {
        complain(this.status, error);
      }
    }
    this.asking = false;
    this.grid.removeAttribute("aria-busy");
  }

  #show(found) {
    const rows = found.rows ? `${found.rows.toLocaleString("en")} rows of the table, as counts` : "the run keeps no rows of its table, so none are shown";
    this.data.replaceChildren(rows);
    const given = this.words ? `given ${this.words}` : "with nothing fixed";
    say(this.status, `${found.n.toLocaleString("en")} draws ${given}. The outermost bars of numbers count all that is beyond them.`);
    found.columns.forEach((column, i) => {
      const { control, chart, middle, column: known } = this.cards[i];
      if (control) control.places = column.ticks;
      const told = summary(column);
      middle.replaceChildren(told);
      bars(chart, column, known.categories.length > 0, `${known.name}: ${told}`);
    });
    this.told(found.columns);
    const columns = this.axes.map((axis) => found.columns[axis.value]);
    const missing = found.pair.missing ? ` In ${percent(found.pair.missing)} of the draws one of the two is missing.` : "";
    this.pairSaid.replaceChildren(`${found.pair.x.length} draws are shown.${missing}`);
    pair(this.picture, columns, found.pair, `${columns[1].name} against ${columns[0].name}, ${found.pair.x.length} draws`);
  }
}

const filled = (known) => (Object.keys(known).length ? known : null);

function summary({ at, others, drawn, data, ticks }) {
  const missing = [["drawn", drawn], ["in the table", data]].filter(([, side]) => side?.missing > 0);
  const gaps = missing.map(([where, side]) => `${percent(side.missing)} missing ${where}`);
  if (ticks) {
    const middle = `median ${short(drawn.middle)}${data ? `, in the table ${short(data.middle)}` : ""}`;
    return [middle, ...gaps].join("; ");
  }
  const names = others ? [...at, `${others} others`] : at;
  const best = drawn.shares.indexOf(Math.max(...drawn.shares));
  const table = data ? `, in the table ${percent(data.shares[best])}` : "";
  return [`mostly ${names[best]}: ${percent(drawn.shares[best])}${table}`, ...gaps].join("; ");
}
