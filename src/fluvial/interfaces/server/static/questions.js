// Questions about a table: how likely, how odd, which rows of a file; and new rows to take along.

import { ask, of, save } from "./api.js";
import { busy, el, form, menu, number, part, percent, quoted, say, short } from "./dom.js";

const RATE = 0.01; // of ordinary rows that are called unusual
const SHOWN = 10;
const EXAMPLES = 5;
const EVERY = 0.999999; // a rate at which each row gets its reason

const literal = (value) => (typeof value === "string" ? `'${value.replace(/\\/g, "\\\\").replace(/'/g, "\\'")}'` : String(value));

export function askEvent(model, view) {
  const typed = el("input", { type: "text", size: 40, required: true, autocomplete: "off", spellcheck: "false" });
  const [node, place] = form(async (said) => {
    const json = { event: typed.value, ...view.known };
    const found = await (await ask(of(model, "probability"), { json })).json();
    const how = found.exact ? "exactly" : `± ${percent(found.error)}, from ${found.draws.toLocaleString("en")} draws`;
    say(said, el("b", {}, percent(found.probability)), `${how}: ${typed.value}${view.words ? `, given ${view.words}` : ""}`);
  }, el("label", { class: "wide" }, "Event", typed), el("button", { class: "main" }, "How likely?"));
  const chips = el("div", { class: "row", role: "group", "aria-label": "Parts to begin with" });
  const chip = (event) => {
    const add = () => {
      typed.value = typed.value ? `${typed.value} and ${event}` : event;
      typed.focus();
    };
    return el("button", { type: "button", class: "plain", onclick: add }, event);
  };
  view.ready.then((columns) => {
    const some = columns.filter((_, i) => model.columns[i].role !== "context").slice(0, EXAMPLES);
    chips.replaceChildren(...some.map((column) => chip(example(column))));
  });
  const intro = "Comparisons of columns, joined by and, or, not. What is fixed above counts as known.";
  return part("How likely is that?", intro, node, chips, place);
}

function example({ name, at, ticks, drawn }) {
  if (ticks) return `${quoted(name)} > ${literal(drawn.middle)}`;
  return `${quoted(name)} == ${literal(at[drawn.shares.indexOf(Math.max(...drawn.shares)) % at.length])}`;
}

export function judgeRow(model) {
  const fields = model.columns.map((column) => {
    const labels = column.categories.map((label, i) => [i, label]);
    const input = labels.length ? menu([["", "–"], ...labels]) : el("input", { type: column.kind === "time" ? "text" : "number", step: "any" });
    return { column, input, node: el("label", { class: "field" }, el("span", {}, column.name), input) };
  });
  const value = ({ column, input }) => {
    if (input.value === "") return null;
    if (column.categories.length) return column.categories[Number(input.value)];
    return column.kind === "time" ? input.value : Number(input.value);
  };
  const fill = async () => {
    const json = { n: 1, seed: Math.floor(Math.random() * 1e9) };
    const { columns } = await (await ask(of(model, "sample"), { json })).json();
    for (const { column, input } of fields) {
      const [cell] = columns[column.name];
      const label = column.categories.indexOf(cell);
      input.value = cell === null ? "" : column.categories.length ? (label < 0 ? "" : label) : cell;
    }
    say(place, "A row that the model drew. Change a cell, and ask how odd it is.");
  };
  const [node, place] = form(async (said) => {
    for (const field of fields) field.node.classList.remove("odd");
    const row = Object.fromEntries(fields.map((field) => [field.column.name, value(field)]));
    const found = await (await ask(`${of(model, "detect")}?rate=${EVERY}`, { json: { rows: [row] } })).json();
    const [p, why, name, score] = ["p", "why", "column", "log_prob"].map((key) => found.columns[key][0]);
    const none = p * (model.compared_with + 1) < 1.5; // of the held-out rows
    const odd = p <= RATE || none;
    const blamed = fields.find((field) => field.column.name === name);
    if (odd && blamed) blamed.node.classList.add("odd");
    const share = none ? `None of the ${model.compared_with.toLocaleString("en")} held-out rows is` : `${percent(p)} of ordinary rows are`;
    const judged = `${share} as unusual or more (log p ${score === null ? "is that of an impossible row" : `${short(score)} nats`}).`;
    say(said, el("b", { class: odd ? "bad" : "good" }, odd ? "Odd" : "Ordinary"), judged, reason(odd, name, why));
  }, el("button", { class: "main" }, "How odd?"), el("button", { type: "button", onclick: () => busy(node, place, fill) }, "Draw a row"));
  const intro = "Type a row, or let the model draw one. An empty cell is a missing one.";
  node.prepend(el("div", { class: "cells" }, ...fields.map((field) => field.node)));
  node.classList.remove("row");
  return part("Is this row odd?", intro, node, place);
}

function reason(odd, name, why) {
  if (!why) return "";
  const sentence = `${why[0].toUpperCase()}${why.slice(1)}.`;
  return name ? ` ${odd ? "The cell that makes it so" : "The least usual cell"}: ${name}. ${sentence}` : ` ${sentence}`;
}

export function scoreFile(model) {
  const file = el("input", { type: "file", accept: ".csv,.parquet,text/csv", required: true });
  const results = el("div");
  const post = (accept, more) => ask(`${of(model, "detect")}?rate=${RATE}${more}`, {
    accept, body: file.files[0], type: file.files[0].name.endsWith(".parquet") ? "application/vnd.apache.parquet" : "text/csv",
  });
  const [node, place] = form(async (said) => {
    results.replaceChildren();
    if (!file.files.length) throw new Error("choose a file first");
    const found = await (await post("application/json", "")).json();
    say(said, `${found.columns.p.length.toLocaleString("en")} rows are scored.`);
    const order = found.columns.p.map((p, i) => [p, i]).sort((a, b) => a[0] - b[0]).slice(0, SHOWN).map(([, i]) => i);
    const name = `${file.files[0].name.replace(/\.\w+$/, "")}-scored.csv`;
    const take = () => busy(node, place, async () => {
      await save(await post("text/csv", "&escape_formulas=true"), name);
      say(place, `Saved as ${name}.`);
    });
    results.replaceChildren(
      el("button", { type: "button", onclick: take }, "Save all scores as CSV"), unusual(found.columns, order),
      el("ul", { class: "notes" }, ...found.notes.map((note) => el("li", {}, note))),
    );
  }, el("label", {}, "CSV or Parquet file", file), el("button", { class: "main" }, "Score it"));
  const intro = "A file with these columns: each row gets its log-probability, how unusual it is, and why. It is read by this server alone.";
  return part("Score a file", intro, node, place, results);
}

function unusual(columns, order) {
  const head = el("tr", {}, ...["row", "log p", "as unusual", "why"].map((name, i) => el("th", { scope: "col", class: i < 3 ? "n" : "" }, name)));
  const body = order.map((i) => el("tr", {},
    el("td", { class: "n" }, short(columns.row[i])), el("td", { class: "n" }, short(columns.log_prob[i])),
    el("td", { class: "n" }, percent(columns.p[i])),
    el("td", { class: "why" }, columns.unusual[i] ? [columns.column[i], columns.why[i]].filter(Boolean).join(": ") || "unusual" : "ordinary")));
  const caption = el("caption", {}, `The ${order.length} most unusual rows, counted from 0 as in the saved file, and the share of ordinary rows as unusual as each`);
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Most unusual rows" },
    el("table", {}, caption, el("thead", {}, head), el("tbody", {}, ...body)));
}

export function download(model, view) {
  const [n, seed] = [number(1000, { min: 1, max: 1000000, step: 1 }), number(0, { min: 0, step: 1 })];
  const given = el("input", { type: "checkbox", checked: true });
  const [node, place] = form(async (said) => {
    const json = { n: Number(n.value), seed: Number(seed.value), ...(given.checked ? view.known : {}) };
    await save(await ask(`${of(model, "sample")}?escape_formulas=true`, { json, accept: "text/csv" }), `${model.name}-sample.csv`);
    say(said, `Saved ${json.n.toLocaleString("en")} rows as ${model.name}-sample.csv${given.checked && view.words ? `, given ${view.words}` : ""}.`);
  }, el("label", {}, "Rows", n), el("label", {}, "Seed", seed),
  view.controls.length ? el("label", { class: "check" }, given, "given what is fixed above") : null, el("button", { class: "main" }, "Save as CSV"));
  return part("New rows", "The same seed gives the same rows.", node, place);
}
