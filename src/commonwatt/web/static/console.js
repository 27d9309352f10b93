// Long series come alive: each stands on the page as SVG from the server and is drawn again,
// with a pointer that reads values and a way to zoom, once it is about to be seen. Without this script,
// and in print, the SVG stays. Colours are those of the styles, so dark mode follows.

const assets = document.getElementById("console-script").dataset;
const loaded = new Map();
const drawings = new Set();

function load(src) {
  if (!loaded.has(src)) {
    loaded.set(src, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = src;
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
    }));
  }
  return loaded.get(src);
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const series = (i) => colour(`--s${i % 9}`);
const alpha = (hex, share) => hex + Math.round(share * 255).toString(16).padStart(2, "0");
const round = (v) => (Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en") : String(+v.toPrecision(4)));
const said = (data) => (v) => (v == null ? "–" : data.unit === "%" ? `${+(v * 100).toPrecision(4)}%` : `${round(v)}${data.unit ? ` ${data.unit}` : ""}`);

// uPlot: long series over a number, and live ones.
function longOptions(data, box) {
  const ink = colour("--soft");
  const grid = { stroke: colour("--grid"), width: 1 };
  const axis = { stroke: ink, grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const value = said(data);
  const areas = data.form === "areas";
  const lines = data.series.map((one, i) => ({
    label: one.label,
    stroke: series(i),
    width: areas ? 1 : 1.6,
    fill: areas ? alpha(series(i), 0.8) : undefined,
    paths: data.step ? uPlot.paths.stepped({ align: 1 }) : undefined,
    points: { show: false },
    value: (_, v, k, at) => value(areas && k > 1 && v != null ? v - data.series[k - 2].values[at] : v),
  }));
  if (data.line) lines.push({ label: data.line.label, stroke: colour("--ink"), width: 1.3, dash: [5, 4], paths: data.step ? uPlot.paths.stepped({ align: 1 }) : undefined, points: { show: false }, value: (_, v) => value(v) });
  // The zone of the server's own times, which stand on the same page; never the browser's.
  const zone = document.documentElement.dataset.timeZone;
  return {
    width: box.clientWidth,
    height: 270,
    tzDate: (s) => uPlot.tzDate(new Date(s * 1e3), zone),
    scales: { x: { time: data.form === "live" }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 1) * 1.04 || 1] } },
    axes: [{ ...axis, size: 28, gap: 4, label: data.x_label || undefined, labelSize: 16, labelGap: 0, labelFont: "11px system-ui, sans-serif" }, { ...axis, size: 56 }],
    series: [{ label: data.x_label || "", value: (_, v) => (v == null ? "–" : data.form === "live" ? new Date(v * 1000).toLocaleTimeString(document.documentElement.lang, { timeZone: zone }) : round(v)) }, ...lines],
    bands: areas ? data.series.slice(1).map((_, i) => ({ series: [i + 2, i + 1] })) : [],
    cursor: { drag: { x: true, y: false } },
    legend: { show: false },
    hooks: { setCursor: [(plot) => readout(plot, data, box)] },
  };
}

// What stands under the pointer, in words beside the legend.
function readout(plot, data, box) {
  const line = box.closest("figure").querySelector(".readout"), at = plot.cursor.idx;
  if (!line) return;
  line.textContent = at == null ? "" : plot.series.map((one, i) => `${one.label || data.x_label} ${one.value(plot, plot.data[i][at], i, at)}`).join(" · ");
}

function drawLong(data, box) {
  const columns = [data.x, ...data.series.map((one) => one.values), ...(data.line ? [data.line.values] : [])];
  const plot = new uPlot(longOptions(data, box), columns, box);
  const watch = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: 270 }));
  watch.observe(box);
  return () => { watch.disconnect(); plot.destroy(); };
}

// A live chart asks for what is new every second while it can be seen, and keeps ten minutes.
function drawLive(data, box, feed) {
  const kept = [[], ...data.series.map(() => [])];
  const plot = new uPlot(longOptions(data, box), kept, box);
  let since = 0, timer = 0, over = false;
  async function step() {
    if (document.hidden) return;
    const url = new URL(feed, location.href);
    url.searchParams.set("since", since);
    const answer = await fetch(url, { headers: { accept: "application/json" } }).catch(() => null);
    if (!answer || !answer.ok) return;
    const news = await answer.json();
    news.rows.forEach((row) => row.forEach((v, i) => kept[i].push(v)));
    if (kept[0].length > 600) kept.forEach((column) => column.splice(0, column.length - 600));
    if (news.rows.length) { since = news.since; plot.setData(kept); }
    over = news.over;
    if (over) clearInterval(timer);
  }
  timer = setInterval(step, 1000);
  step();
  return () => { clearInterval(timer); plot.destroy(); };
}

// Which colour stands for what: the drawing that is replaced carried it.
function legend(data) {
  const list = document.createElement("ul");
  list.className = "legend";
  const entries = data.series.map((one, i) => [`s${i % 9}`, one.label]);
  if (data.line) entries.push(["dashed", data.line.label]);
  for (const [kind, label] of entries) {
    const item = document.createElement("li"), swatch = document.createElement("span");
    swatch.className = `swatch ${kind}`;
    item.append(swatch, label);
    list.append(item);
  }
  return list;
}

async function draw(figure) {
  const plot = figure.querySelector(".plot");
  const answer = await fetch(figure.dataset.src, { headers: { accept: "application/json" } });
  if (!answer.ok) return;
  const data = await answer.json();
  await load(assets.uplot);
  const still = [...plot.childNodes];
  const box = document.createElement("div");
  box.className = "live";
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `${data.heading} ${data.caption}`);
  plot.replaceChildren(box);
  if (data.series.length > 1 || data.line) plot.before(legend(data));
  plot.insertAdjacentHTML("afterend", '<p class="readout" aria-hidden="true"></p>');
  const entry = { plot, still, redraw: null, end: null };
  entry.redraw = () => { entry.end?.(); box.replaceChildren(); entry.end = data.form === "live" ? drawLive(data, box, plot.dataset.feed) : drawLong(data, box); };
  entry.redraw();
  drawings.add(entry);
  figure.dataset.drawn = "";
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    draw(entry.target).catch(() => {});
  }
}, { rootMargin: "200px" });
document.querySelectorAll("figure.chart[data-src]").forEach((figure) => seen.observe(figure));

// Paper gets the drawing without script, which fits any width.
addEventListener("beforeprint", () => drawings.forEach((one) => { if (one.still.length) { one.box = one.plot.firstChild; one.plot.replaceChildren(...one.still); } }));
addEventListener("afterprint", () => drawings.forEach((one) => { if (one.still.length && one.box) one.plot.replaceChildren(one.box); }));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawings.forEach((one) => one.redraw()));

// A slider says its value while it moves, and the page follows when it is let go.
document.querySelectorAll('input[type="range"]').forEach((input) => {
  const output = input.parentElement.querySelector("output");
  input.addEventListener("input", () => { output.value = input.value; });
  input.addEventListener("change", () => input.form.requestSubmit());
});
