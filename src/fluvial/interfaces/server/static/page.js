// The page: which model, and what it is of.

import { ask, showToken } from "./api.js";
import { busy, complain, el, form } from "./dom.js";
import { showImages, showSound } from "./media.js";
import { showSeries } from "./series.js";
import { showTable } from "./tables.js";

const SHOWS = { tables: showTable, series: showSeries, images: showImages, sound: showSound };
const VERDICTS = { good: "good", "with care": "weak", "do not trust": "bad" };
const main = document.getElementById("model");
const which = document.getElementById("which");
const status = document.getElementById("said");

function show(model) {
  document.title = `${model.name}: fluvial`;
  const facts = [
    model.model,
    model.rows ? `fitted to ${model.rows.toLocaleString("en")} rows` : `a model of ${model.kind}`,
    !model.scores ? "it draws and has no probabilities" : model.exact ? "exact probabilities" : "log-probabilities are lower bounds",
  ];
  main.replaceChildren(el("h1", {}, model.name), el("p", { class: "soft" }, facts.join(" · ")), verdict(model));
  SHOWS[model.kind](model, main);
}

function verdict(model) {
  if (!model.verdict) return el("p", { class: "weak" }, "No report has examined this model, so there is no verdict on it.");
  const words = el("strong", { class: VERDICTS[model.verdict] }, model.verdict);
  if (!model.reasons.length) return el("p", {}, "Verdict of its report: ", words, ".");
  const reasons = el("ul", { class: "notes" }, ...model.reasons.map((reason) => el("li", {}, reason)));
  return el("details", {}, el("summary", {}, "Verdict of its report: ", words, ". Why?"), reasons);
}

function choose(models) {
  which.replaceChildren(...models.map((model, i) => el("option", { value: i }, model.name)));
  which.closest("p").hidden = models.length < 2;
  const named = models.findIndex((model) => `#${encodeURIComponent(model.name)}` === location.hash);
  which.value = Math.max(named, 0);
  which.onchange = () => {
    history.replaceState(null, "", `#${encodeURIComponent(models[which.value].name)}`);
    show(models[which.value]);
    status.replaceChildren(`Shown is ${models[which.value].name}.`);
  };
  show(models[which.value]);
}

function askForToken(sentence) {
  const typed = el("input", { type: "password", autocomplete: "current-password", required: true });
  const [node, place] = form(async () => {
    showToken(typed.value);
    choose(await (await ask("models")).json());
  }, el("label", {}, "Token", typed), el("button", { class: "main" }, "Open"));
  main.replaceChildren(el("h1", {}, "This server asks for a token"), el("p", {}, "It was given where the server was started."), node, place);
  if (sentence) complain(place, sentence);
  typed.focus();
}

async function start() {
  try {
    choose(await (await ask("models")).json());
  } catch (error) {
    if (error.status === 401) askForToken();
    else complain(status, error);
  }
}

start();
