// Charts, drawn by Plotly. It reads some HTML in what it is given, so text from data is escaped before.

const FEW = 15; // values of a number, whose points are spread so that they are seen
const waiting = new WeakMap();
const drawn = new Set();
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting && waiting.has(target)) render(target);
  }
}, { rootMargin: "300px" });

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const node of drawn) node.isConnected ? render(node) : drawn.delete(node);
});

export const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const cut = (text, length = 16) => escaped(String(text).length > length ? `${String(text).slice(0, length - 1)}…` : text);
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function render(node) {
  const { traces, layout } = waiting.get(node)();
  const ink = color("soft");
  const axis = { gridcolor: color("line"), zerolinecolor: color("line"), fixedrange: true, automargin: true };
  const full = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, dragmode: false,
    font: { family: "system-ui, sans-serif", size: 12, color: ink }, margin: { l: 8, r: 8, t: 4, b: 8 }, ...layout,
    xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
  };
  drawn.add(node);
  return Plotly.react(node, traces, full, { displayModeBar: false, responsive: true, doubleClick: false });
}

function draw(node, description, make) {
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", description);
  waiting.set(node, make);
  drawn.has(node) ? render(node) : seen.observe(node);
}

const at = (column) => (column.others ? [...column.at, `${column.others} others`] : column.at);

// One column: bars of the table's rows behind those of the draws.
export function bars(node, column, labels, description) {
  draw(node, description, () => {
    const places = at(column);
    const of = (what) => column[what]?.shares ?? places.map(() => null);
    const common = { type: "bar", hovertemplate: "%{customdata}<extra></extra>" };
    const words = (what, name) => of(what).map((share, i) => `${escaped(places[i])}: ${(100 * share).toFixed(1)} % ${name}`);
    const data = { ...common, customdata: words("data", "of the table"), marker: { color: color("data") } };
    const draws = { ...common, customdata: words("drawn", "of the draws"), marker: { color: color("drawn") } };
    if (labels) {
      const names = places.map((_, i) => i);
      const side = { orientation: "h", y: names };
      const traces = [{ ...draws, ...side, x: of("drawn") }, { ...data, ...side, x: of("data") }];
      const yaxis = { tickvals: names, ticktext: places.map((p) => cut(p)), autorange: "reversed", showgrid: false };
      const height = 40 + Math.max(72, 26 * places.length);
      return { traces, layout: { barmode: "group", bargap: 0.25, height, yaxis, xaxis: { tickformat: ".0%", nticks: 4, rangemode: "tozero" } } };
    }
    const traces = [
      { ...data, x: places, y: of("data") },
      { ...draws, x: places, y: of("drawn"), opacity: 0.72 },
    ];
    const yaxis = { visible: false, rangemode: "tozero" };
    return { traces, layout: { barmode: "overlay", bargap: 0.04, height: 128, yaxis, xaxis: { showgrid: false, nticks: 6 } } };
  });
}

const few = (column) => column.at.length > 1 && column.at.length <= FEW && typeof column.at[0] === "number";
const jitter = (i, salt) => ((((i + 1) * 0.6180339887 * salt) % 1) - 0.5) * 0.6;

// Two columns: draws as points before the table's counts.
export function pair(node, columns, together, description) {
  draw(node, description, () => {
    const [x, y] = columns.map((column, i) => {
      const labels = !column.ticks;
      const values = i ? together.y : together.x;
      const apart = labels ? 1 : few(column) ? column.at[1] - column.at[0] : 0;
      return {
        points: apart ? values.map((v, j) => v + apart * jitter(j, i ? 7.3 : 1)) : values,
        at: labels ? at(column).map((_, k) => k) : column.at,
        axis: {
          title: { text: cut(column.name, 40) }, showgrid: false, zeroline: false,
          ...(labels ? { tickvals: at(column).map((_, k) => k), ticktext: at(column).map((p) => cut(p, 12)) } : {}),
        },
      };
    });
    const scale = [[0, color("paper")], [1, color("data")]];
    const shade = together.data?.map((row) => row.map(Math.sqrt));
    const smooth = columns.some((column) => !column.ticks || few(column)) ? { xgap: 1, ygap: 1 } : { zsmooth: "fast" };
    const behind = { type: "heatmap", x: x.at, y: y.at, z: shade, colorscale: scale, showscale: false, hoverinfo: "skip", ...smooth };
    const points = { type: "scatter", mode: "markers", x: x.points, y: y.points, hoverinfo: "skip",
      marker: { color: color("drawn"), size: 5, opacity: 0.65 } };
    return { traces: shade ? [behind, points] : [points], layout: { height: 420, xaxis: x.axis, yaxis: y.axis } };
  });
}

// A series: what came, and behind it the intervals of what comes next.
export function fan(node, past, ahead, unit, description) {
  draw(node, description, () => {
    const band = (low, high, name, opacity) => [
      { type: "scatter", x: ahead.at, y: low, mode: "lines", line: { width: 0 }, hoverinfo: "skip" },
      { type: "scatter", x: ahead.at, y: high, mode: "lines", line: { width: 0 }, fill: "tonexty", hoverinfo: "skip",
        fillcolor: `${color("drawn")}${opacity}`, name },
    ];
    const line = (x, y, name, shade) => ({ type: "scatter", x, y, mode: "lines", name, line: { color: color(shade), width: 2 } });
    const [lowest, low, middle, high, highest] = ahead.quantiles;
    const traces = [
      ...band(lowest, highest, "80 % interval", "33"), ...band(low, high, "50 % interval", "4d"),
      line(past.at, past.values, "what came", "ink"), line(ahead.at, middle, "median", "drawn"),
    ];
    const yaxis = { title: { text: cut(unit, 40) } };
    return { traces, layout: { height: 360, yaxis, xaxis: { showgrid: false, nticks: 7 }, hovermode: "x" } };
  });
}
