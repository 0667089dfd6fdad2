// One model: what it is, what it costs, how it did, how it learned, where its limits are. The value is JSON (see _card.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".card-root");
const short = (value) => Number(value.toPrecision(3)).toString();

function facts(data, say) {
  const list = make("dl");
  const rows = [["tier", say[`tier_${data.tier}`]], ...data.facts];
  if (data.terms) rows.push(["data", termsOf(data.terms, say)]);
  if (Array.isArray(data.speed)) {
    const [first, perSecond, unit] = data.speed;
    rows.push(["speed", `${short(perSecond)} ${say[`unit_${unit}`]}, ${say[`first_${unit}`]} ${Math.round(first)} ms`]);
  } else rows.push(["speed", data.speed ? say.measuring : data.tier === "hub" ? say.speed_by : "–"]);
  for (const [name, value] of rows) list.append(make("dt", "", say[`fact_${name}`] || name), make("dd", "", value));
  return list;
}

function scores(data, say) {
  const box = make("div", "scores");
  box.append(make("h4", "", say.scores));
  if (!data.scores.length) {
    box.append(make("p", "note", say.unmeasured));
    return box;
  }
  const made = make("table");
  const body = make("tbody");
  for (const [title, metric, value, low, high, rows] of data.scores) {
    const line = make("tr");
    const name = make("th", "", dataName(title, say));
    name.scope = "row";
    const figure = make("td", "", scoreText(value));
    if (low !== null) figure.append(make("small", "", `${scoreText(low)} – ${scoreText(high)}`));
    line.append(name, make("td", "", metricName(metric, say)), figure, make("td", "", rows ? `${rows.toLocaleString()} ${say.rows}` : ""));
    body.append(line);
  }
  made.append(body);
  box.append(made);
  return box;
}

function learning(curve, say) {
  const box = make("div", "learning");
  const all = [...curve.training, ...curve.validation];
  const steps = Math.max(...all.map(([step]) => step));
  const [low, high] = [Math.min(...all.map(([, loss]) => loss)), Math.max(...all.map(([, loss]) => loss))];
  const [from, to] = [Math.floor(low), Math.ceil(high)];
  const x = { from: 0, to: steps, ticks: [0, steps / 2, steps], title: say.step, show: (step) => Math.round(step).toLocaleString() };
  const y = { from, to, ticks: [from, (from + to) / 2, to], title: say.loss, show: (loss) => String(loss) };
  const lines = [{ points: curve.training }, { points: curve.validation }].filter(({ points }) => points.length);
  const keys = make("p", "keys");
  [say.training, say.validation].slice(0, lines.length).forEach((title, number) => {
    keys.append(make("span", `key n${number}`), make("span", "", title));
  });
  box.append(make("h4", "", say.learned), lineChart({ lines, x, y, title: say.learned }), keys);
  return box;
}

function draw() {
  root.replaceChildren();
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const say = strings(props);
  root.classList.toggle("absent", data.absent.length > 0);
  root.append(make("h3", "", titled(data.id, data.title, say)), make("p", "summary", summarised(data.id, data.summary, say)));
  if (data.absent.length) root.append(make("p", "reason", `✕ ${say.absent} ${absence(data.absent, say)}`));
  const sides = make("div", "sides");
  const [left, right] = [make("div"), make("div")];
  left.append(facts(data, say));
  if (data.hub) {
    const link = make("a", "", data.hub);
    Object.assign(link, { href: data.hub, target: "_blank", rel: "noopener noreferrer" });
    left.append(link);
  }
  if (data.limits) left.append(make("h4", "", say.limits), make("p", "limits", limitsOf(data.id, data.limits, say)));
  right.append(scores(data, say));
  if (data.curve.training) right.append(learning(data.curve, say));
  sides.append(left, right);
  root.append(sides);
}

draw();
watch(["value", "label"], draw);
