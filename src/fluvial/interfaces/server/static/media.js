// Images and sound: new ones, and the way between two images.

import { ask, of } from "./api.js";
import { el, form, menu, number, part, say } from "./dom.js";

const SEEDS = 1e6;
const other = () => Math.floor(Math.random() * SEEDS);

function labelled(model) {
  const menus = model.labels.map(({ name, categories }) => {
    const chosen = menu([["", "any"], ...categories.map((label) => [label, label])]);
    return { name, chosen, node: el("label", {}, name, chosen) };
  });
  const context = () => {
    const known = menus.filter(({ chosen }) => chosen.value !== "");
    if (known.length && known.length < menus.length) throw new Error("choose all labels, or none of them");
    return known.length ? Object.fromEntries(known.map(({ name, chosen }) => [name, chosen.value])) : null;
  };
  return { nodes: menus.map(({ node }) => node), context };
}

function temperature() {
  const box = number(1, { min: 0.1, max: 2, step: 0.1 });
  return { box, node: el("label", {}, "Temperature", box) };
}

async function address(found, old) {
  if (old) URL.revokeObjectURL(old);
  return URL.createObjectURL(await found.blob());
}

export function showImages(model, main) {
  main.append(sheet(model));
  if (model.answers.includes("interpolate")) main.append(between(model));
  if (model.answers.includes("edit")) main.append(changed(model));
}

function sheet(model) {
  const [n, seed, heat, labels] = [number(16, { min: 1, max: 256, step: 1 }), number(0, { min: 0, step: 1 }), temperature(), labelled(model)];
  const image = el("img", { class: "sheet", alt: "", hidden: true });
  const link = el("a", { download: `${model.name}.png`, hidden: true }, "Save this sheet");
  const [node, place] = form(async (said) => {
    const json = { n: Number(n.value), seed: Number(seed.value), temperature: Number(heat.box.value), context: labels.context() };
    link.href = image.src = await address(await ask(of(model, "sample"), { json, accept: "image/png" }), image.src);
    image.alt = `${json.n} images that the model drew, seed ${json.seed}`;
    image.hidden = link.hidden = false;
    say(said, `${json.n} images of seed ${json.seed}.${json.temperature === 1 ? "" : " At another temperature than 1 they are of another density than the fitted one."}`);
  }, el("label", {}, "Images", n), el("label", {}, "Seed", seed), heat.node, ...labels.nodes, el("button", { class: "main" }, "Draw"),
  el("button", { type: "button", onclick: () => { seed.value = other(); node.requestSubmit(); } }, "Draw others"));
  queueMicrotask(() => node.requestSubmit());
  return part("New images", `${model.height} × ${model.width} pixels each. The same seed gives the same images.`, node, place, image, link);
}

function between(model) {
  const [first, second, labels] = [number(0, { min: 0, step: 1 }), number(1, { min: 0, step: 1 }), labelled(model)];
  const image = el("img", { class: "sheet", alt: "", hidden: true });
  const [node, place] = form(async (said) => {
    const json = { seeds: [Number(first.value), Number(second.value)], context: labels.context() };
    image.src = await address(await ask(of(model, "interpolate"), { json, accept: "image/png" }), image.src);
    image.alt = `Eight images on the way from the image of seed ${json.seeds[0]} to that of seed ${json.seeds[1]}`;
    image.hidden = false;
    say(said, `From the image of seed ${json.seeds[0]} to that of seed ${json.seeds[1]}.`);
  }, el("label", {}, "From seed", first), el("label", {}, "To seed", second), ...labels.nodes, el("button", { class: "main" }, "Go"));
  return part("From one image to another", "The way leads through the model's noise, so each step is an image of its own.", node, place, image);
}

function changed(model) {
  const [seed, labels] = [number(0, { min: 0, step: 1 }), labelled(model)];
  const image = el("img", { class: "sheet", alt: "", hidden: true });
  let waiting = 0;
  const sliders = model.attributes.map((name) => {
    const slider = el("input", { type: "range", min: -3, max: 3, step: 0.25, value: 0 });
    const shown = el("b", {}, "0");
    slider.addEventListener("input", () => {
      shown.textContent = signed(slider.value);
      slider.setAttribute("aria-valuetext", signed(slider.value));
      clearTimeout(waiting);
      waiting = setTimeout(() => node.requestSubmit(), 250);
    });
    return { name, slider, node: el("label", { class: "slide" }, el("span", {}, `${name[0].toUpperCase()}${name.slice(1)} `, shown), slider) };
  });
  const [node, place] = form(async (said) => {
    const moves = Object.fromEntries(sliders.map(({ name, slider }) => [name, Number(slider.value)]));
    const json = { seed: Number(seed.value), moves, context: labels.context() };
    image.src = await address(await ask(of(model, "edit"), { json, accept: "image/png" }), image.src);
    const told = sliders.map(({ name, slider }) => `${name} ${signed(slider.value)}`).join(", ");
    image.alt = `The image of seed ${json.seed}, and beside it the same one with ${told}`;
    image.hidden = false;
    say(said, `The image of seed ${json.seed}, and beside it the same one with ${told}.`);
  }, el("label", {}, "Image of seed", seed), ...labels.nodes, ...sliders.map((each) => each.node), el("button", { class: "main" }, "Change"));
  return part("More or less of something", "In the model's noise, in which 1 is the difference between the training images that have most of it and those that have least.", node, place, image);
}

const signed = (text) => (Number(text) > 0 ? `+${Number(text)}` : String(Number(text)).replace("-", "−"));

export function showSound(model, main) {
  const seconds = number(Math.min(Number(model.seconds.toPrecision(2)), 10), { min: 0.1, step: 0.1 });
  const [seed, heat, labels] = [number(0, { min: 0, step: 1 }), temperature(), labelled(model)];
  const players = el("div", { class: "players" });
  const [node, place] = form(async (said) => {
    const json = { seconds: Number(seconds.value), temperature: Number(heat.box.value), context: labels.context() };
    for (const old of players.querySelectorAll("audio")) URL.revokeObjectURL(old.src);
    players.replaceChildren();
    for (const number of [0, 1, 2]) {
      const own = Number(seed.value) + number;
      const src = await address(await ask(of(model, "sample"), { json: { ...json, seed: own }, accept: "audio/wav" }));
      const words = `Seed ${own}${json.context ? `, ${Object.values(json.context).join(", ")}` : ""}`;
      players.append(el("figure", {}, el("figcaption", {}, words), el("audio", { controls: true, src, "aria-label": words })));
    }
    say(said, "Three recordings.");
  }, el("label", {}, "Seconds", seconds), el("label", {}, "Seed", seed), heat.node, ...labels.nodes, el("button", { class: "main" }, "Draw"));
  main.append(part("New recordings", `${model.rate.toLocaleString("en")} samples a second. The same seed gives the same recording.`, node, place, players));
}
