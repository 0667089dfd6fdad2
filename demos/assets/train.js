// Draws a training: how far it is, its curves, what it brought. The value is JSON (see _train_view.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".train-root");
const ENDED = ["done", "stopped", "failed"];

function progress(data, say) {
  const box = make("div", "progress");
  const bar = make("progress");
  bar.max = data.steps || 1;
  if (data.steps) bar.value = data.step;
  bar.setAttribute("aria-label", say[`phase_${data.phase}`]);
  const parts = [say[`phase_${data.phase}`]];
  if (data.steps) parts.push(`${say.step} ${count(data.step)} / ${count(data.steps)}`);
  if (data.left && data.phase === "training") parts.push(`${say.left} ${Math.max(1, Math.round(data.left))} s`);
  box.append(make("p", "state", parts.join(" · ")));
  if (!ENDED.includes(data.phase)) box.append(bar);
  return box;
}

function ticksUpTo(most) {
  const step = [0.1, 0.2, 0.25, 0.5, 1, 2, 5].find((size) => most / size <= 5) || most / 4;
  const ticks = [];
  for (let value = 0; value <= most + 1e-9; value += step) ticks.push(value);
  if (ticks.at(-1) < most) ticks.push(ticks.at(-1) + step);
  return { from: 0, to: ticks.at(-1), ticks, show: (value) => String(Number(value.toFixed(2))) };
}

function curves(data, say) {
  const { loss, kept_loss: checked, kept_accuracy: right } = data.curves;
  const last = data.steps || Math.max(1, ...[...loss, ...checked].map(([step]) => step));
  const x = { from: 0, to: last, ticks: [0, Math.round(last / 2), last], title: say.axis_step, show: String };
  const box = make("div", "curves");
  const latest = (points) => (points.length ? points.at(-1)[1] : null);
  const figure = (title, names, lines, y) => {
    const part = make("figure");
    const shown = lines.map((points, number) => [names[number], latest(points)]).filter(([, value]) => value !== null);
    const spoken = `${title}. ${shown.map(([name, value]) => `${name}: ${y.show(value)}`).join(", ")}`;
    const chart = lineChart({ lines: lines.map((points) => ({ points, mark: points.at(-1) })), x, y, title: spoken });
    const caption = make("figcaption");
    names.forEach((name, number) => {
      const value = latest(lines[number]);
      const key = make("span", "name");
      key.append(make("span", `key n${number}`), value === null ? name : `${name} ${y.show(value)}`);
      caption.append(key);
    });
    part.append(chart, caption);
    box.append(part);
  };
  const most = Math.max(0.5, ...[...loss, ...checked].map(([, value]) => value));
  figure(say.loss, [say.learned, say.kept_out], [loss, checked], { ...ticksUpTo(most), title: say.loss });
  const share = { from: 0, to: 1, ticks: [0, 0.25, 0.5, 0.75, 1], show: (value) => percent(value), title: say.accuracy };
  const before = data.before ? [[0, data.before.accuracy], [last, data.before.accuracy]] : [];
  figure(say.accuracy, [say.kept_out, say.before], [right, before], share);
  return box;
}

function figures(data, say) {
  const list = make("dl", "figures");
  const add = (title, value, detail, name) => {
    const item = make("div", name || "");
    item.append(make("dt", "", title), make("dd", "", value), make("p", "hint", detail));
    list.append(item);
  };
  const { accuracy, macro_f1: f1, parameters, seconds } = data.report;
  if (data.before) add(say.before, percent(data.before.accuracy), data.before.by_meaning ? say.by_meaning : say.untrained);
  const range = (ends) => (ends ? `${say.interval} ${percent(ends[0])} – ${percent(ends[1])}` : "");
  add(say.after, percent(accuracy[0]), range(accuracy[1]), "after");
  add(say.macro, percent(f1[0]), range(f1[1]));
  add(say.trained, `${count(parameters[0])}`, `${say.of} ${count(parameters[1])} · ${seconds} s`);
  return list;
}

function table(title, headings, rows, say) {
  const box = make("section");
  const made = make("table", "rows");
  const head = make("tr");
  for (const heading of headings) {
    const cell = make("th", "", heading);
    cell.scope = "col";
    head.append(cell);
  }
  made.append(make("thead"), make("tbody"));
  made.tHead.append(head);
  for (const cells of rows) {
    const line = make("tr");
    cells.forEach((value, place) => {
      const [text, name] = Array.isArray(value) ? value : [value, ""];
      const cell = make(place ? "td" : "th", name, text);
      if (!place) cell.scope = "row";
      line.append(cell);
    });
    made.tBodies[0].append(line);
  }
  box.append(make("h3", "", title), scrolling(made, title));
  return box;
}

function byLabel(data, say) {
  const share = (value) => (value === null ? "–" : percent(value));
  const rows = data.report.by_label.map(([label, rows, precision, recall, f1, interval]) => [
    label, count(rows), share(precision), share(recall),
    interval ? `${share(f1)} (${share(interval[0])} – ${share(interval[1])})` : share(f1),
  ]);
  return table(say.by_label, [say.label, say.rows, say.precision, say.recall, "F1"], rows, say);
}

function answers(data, say) {
  const told = (answer, sure, right) =>
    answer ? [`${answer === right ? "✓" : "✕"} ${answer} ${percent(sure)}`, answer === right ? "good" : "bad"] : "–";
  const rows = data.report.answers.map(([text, right, before, beforeSure, after, sure]) => [
    text, right, told(before, beforeSure, right), told(after, sure, right),
  ]);
  return table(say.answers, [say.text, say.right, say.before, say.after], rows, say);
}

function mistakes(data, say) {
  const box = make("section");
  const found = data.report.mistakes;
  box.append(make("h3", "", `${say.mistakes} ${found.length}`));
  const list = make("ol", "mistakes");
  for (const [text, right, given, sure] of found) {
    const item = make("li");
    const head = make("p", "head");
    head.append(make("span", "good", `${say.right}: ${right}`), make("span", "bad", `${say.given}: ${given} ${percent(sure)}`));
    item.append(head, make("p", "text", text));
    list.append(item);
  }
  if (found.length) box.append(list);
  return box;
}

function draw() {
  if (!props.value) return root.replaceChildren();
  const data = JSON.parse(props.value);
  const say = strings(props);
  const [learned, kept] = data.rows;
  const parts = [progress(data, say)];
  if (data.report) parts.push(figures(data, say));
  parts.push(curves(data, say));
  parts.push(make("p", "hint", `${say.divided} ${count(learned)} + ${count(kept)} · ${say.labels} ${data.labels}`));
  if (data.report) {
    const words = { title: say.matrix, hint: say.matrix_hint, truth: `${say.right}:`, given: `${say.given}:` };
    parts.push(byLabel(data, say), matrix(data.report.matrix, words), mistakes(data, say), answers(data, say));
  }
  root.replaceChildren(...parts);
}

draw();
watch(["value", "label"], draw);
