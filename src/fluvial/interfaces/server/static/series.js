// Series: what comes next, and how probable an event about it is.

import { ask, of, save } from "./api.js";
import { fan } from "./charts.js";
import { busy, el, form, menu, number, part, percent, quoted, say, short } from "./dom.js";

const QUANTILES = [0.1, 0.25, 0.5, 0.75, 0.9];
const BEFORE = 3; // horizons of the past that are shown

export function showSeries(model, main) {
  const choice = new Choice(model);
  main.append(forecast(model, choice), event(model, choice));
}

class Choice {
  constructor(model) {
    this.model = model;
    this.target = menu(model.targets.map(({ name }, i) => [i, name]));
    this.series = model.label ? menu(model.series.map((name) => [name, name])) : null;
    this.horizon = number(model.horizon, { min: 1, step: 1 });
    const series = this.series && el("label", {}, model.label, this.series);
    this.nodes = [el("label", {}, "Shown", this.target), series, el("label", {}, "Steps ahead", this.horizon)].filter(Boolean);
  }

  get asked() {
    return { horizon: Number(this.horizon.value), ...(this.series ? { series: [this.series.value] } : {}) };
  }
}

function forecast(model, choice) {
  const chart = el("div", { class: "chart tall" });
  const seed = number(0, { min: 0, step: 1 });
  const wish = () => ({ ...choice.asked, quantiles: QUANTILES, seed: Number(seed.value) });
  const take = async () => {
    const name = `${model.name}-forecast.csv`;
    await save(await ask(of(model, "forecast"), { json: wish(), accept: "text/csv" }), name);
    say(place, `Saved as ${name}.`);
  };
  const [node, place] = form(async (said) => {
    const json = wish();
    const steps = BEFORE * json.horizon;
    const before = ask(of(model, "past"), { json: { steps, ...(json.series ? { series: json.series } : {}) } });
    const ahead = await (await ask(of(model, "forecast"), { json })).json();
    const past = await (await before).json();
    const { name, unit } = model.targets[choice.target.value];
    const quantiles = QUANTILES.map((q) => ahead.columns[`${name} ${q}`]);
    const [low, , middle, , high] = quantiles.map((values) => short(values.at(-1)));
    const told = `In ${json.horizon} steps ${name} is ${middle} in the middle of the forecast, and with 80 % probability between ${low} and ${high}.`;
    const [was, comes] = [{ at: past.columns[model.time], values: past.columns[name] }, { at: ahead.columns[model.time], quantiles }];
    choice.example(`max(${quoted(name)}) > ${Number(quantiles[2].at(-1).toPrecision(4))}`);
    fan(chart, was, comes, unit ? `${name}, ${unit}` : name, told);
    say(said, told);
  }, ...choice.nodes, el("label", {}, "Seed", seed), el("button", { class: "main" }, "Forecast"),
  el("button", { type: "button", onclick: () => busy(node, place, take) }, "Save as CSV"));
  queueMicrotask(() => node.requestSubmit());
  const key = el("ul", { class: "key" }, el("li", { class: "drawn" }, "median, with the intervals that hold 50 % and 80 %"), el("li", { class: "came" }, "what came"));
  return part("What comes next", "From 1,000 paths that go on from the end of the table that the model was fitted to.", node, place, key, chart);
}

function event(model, choice) {
  const typed = el("input", { type: "text", size: 40, required: true, autocomplete: "off", spellcheck: "false" });
  choice.example = (words) => (typed.value ||= words);
  const [node, place] = form(async (said) => {
    const json = { event: typed.value, draws: 1000, ...choice.asked };
    const { columns } = await (await ask(of(model, "probability"), { json })).json();
    say(said, el("b", {}, percent(columns.probability[0])), `± ${percent(columns.error[0])}, from 1,000 paths: ${typed.value}, within ${json.horizon} steps`);
  }, el("label", { class: "wide" }, "Event", typed), el("button", { class: "main" }, "How likely?"));
  const intro = "Comparisons over the steps ahead: max, min, sum, mean, first, last of a column; any(...) or all(...) of a comparison.";
  return part("How likely is that?", intro, node, place);
}
