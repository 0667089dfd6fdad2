// Draws a run over a table: how far it is, what came up, how good it is. The value is JSON (see _batch_view.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".batch-root");
const FIXED = ["answer", "translate", "entities"]; // their categories are ours, those of the others are labels of models
const OUT_OF_100 = ["bleu", "chrf"];

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function progress(data, say) {
  const box = make("div", "progress");
  const bar = make("progress");
  bar.max = data.total;
  bar.value = data.done;
  bar.setAttribute("aria-label", say.progress);
  const parts = [`${count(data.done)} / ${count(data.total)} ${say.rows}`];
  if (data.rate) parts.push(`${data.rate.toFixed(data.rate < 10 ? 1 : 0)} ${say.per_second}`);
  if (!data.ended && data.remaining) parts.push(`${say.left} ${duration(data.remaining)}`);
  if (data.errors) parts.push(`${say.errors} ${count(data.errors)}`);
  if (data.resumed) parts.push(`${say.resumed} ${count(data.resumed)}`);
  box.append(bar, make("p", "line", parts.join(" · ")));
  if (data.ended && data.done < data.total) box.append(make("p", "stopped", say.stopped));
  return box;
}

const categoryName = (data, say, name) =>
  (FIXED.includes(data.task) && say[`category_${name.toLowerCase()}`]) || name;

function bars(title, entries, name) {
  const box = make("section", "half");
  const list = make("ul", "bars");
  const most = Math.max(...entries.map(([, value]) => value));
  const all = entries.reduce((sum, [, value]) => sum + value, 0);
  for (const [key, value] of entries) {
    const row = make("li");
    const bar = make("span", "bar");
    bar.append(make("span", "fill"));
    bar.firstChild.style.width = percent(value / most, 1);
    bar.setAttribute("aria-hidden", "true");
    row.append(make("b", "", name(key)), bar, make("span", "value", `${count(value)} · ${percent(value / all)}`));
    list.append(row);
  }
  box.append(make("h3", "", title), list);
  return box;
}

function figures(data, say) {
  const list = make("dl", "figures");
  const add = (title, value, detail) => {
    const item = make("div");
    const shown = make("dd", "", value);
    if (detail) shown.append(make("small", "", ` ${detail}`));
    item.append(make("dt", "", title), shown);
    list.append(item);
  };
  for (const [metric, value, interval] of data.scores) {
    const raw = OUT_OF_100.includes(metric);
    const written = (number) => (raw ? number.toFixed(1) : percent(number, 1));
    add(say[`metric_${metric}`] || metric, written(value), interval && interval.map(written).join(" – "));
  }
  if (data.confidence !== null) add(say.confidence, percent(data.confidence, 1));
  return list;
}

function mistakes(data, say) {
  const box = make("section");
  const list = make("ol", "mistakes");
  for (const [row, text, predicted, truth, sure] of data.mistakes) {
    const item = make("li");
    const head = make("p", "head");
    head.append(make("span", "number", `${say.row} ${count(row)}`));
    head.append(make("span", "good", `${say.truth} ${truth || "–"}`));
    head.append(make("span", "bad", `${say.given} ${predicted || "–"}${sure === null ? "" : ` ${percent(sure)}`}`));
    item.append(head, make("p", "text", text));
    list.append(item);
  }
  box.append(make("h3", "", `${say.mistakes} ${data.mistakes.length} / ${count(data.mistakesTotal)}`), list);
  return box;
}

function draw() {
  if (!props.value) return root.replaceChildren();
  const data = JSON.parse(props.value);
  const say = strings(props);
  const parts = [progress(data, say)];
  if (data.ended && (data.scores.length || data.confidence !== null)) parts.push(figures(data, say));
  if (data.ended && data.scores.length) parts.push(make("p", "hint", `${say.scored} ${count(data.scored)}. ${say.interval}`));
  if (data.ended && data.unknown.length) parts.push(make("p", "warning", `${say.unknown} ${data.unknown.slice(0, 8).join(", ")}`));
  if (data.counts.length) parts.push(bars(say.distribution, data.counts, (name) => categoryName(data, say, name)));
  if (data.more) parts.push(make("p", "hint", `${say.more} ${data.more}`));
  if (data.ended && data.names.length) parts.push(bars(say.names, data.names, (name) => name));
  if (data.ended && data.matrix) {
    const wide = data.matrix.labels.length > 6;
    const titles = { title: say.matrix, hint: say.matrix_hint, truth: say.truth, given: say.given };
    const table = matrix(data.matrix, titles);
    table.className = wide ? "" : "half";
    parts.push(table);
  }
  if (data.ended && data.mistakes.length) parts.push(mistakes(data, say));
  root.replaceChildren(...parts);
}

draw();
watch(["value", "label"], draw);
