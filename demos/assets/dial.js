// The confidence dial: answer only above a probability, and what that does to coverage and accuracy on validation rows.
// The value is JSON (see _dial.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".dial-root");
const percent = (share) => `${(100 * share).toFixed(1)}%`;
let least = 0; // in hundredths; kept from one answer to the next

function verdict(data, say) {
  const silent = data.score * 100 < least;
  const told = make("p", silent ? "told silent" : "told");
  told.setAttribute("aria-live", "polite");
  const sure = `${named(data.label, say)} ${percent(data.score)}`;
  told.textContent = silent ? `◌ ${say.withheld} ${percent(data.score)} < ${least}%` : `✓ ${say.answered} ${sure}`;
  element.closest(".results")?.toggleAttribute("data-withheld", silent);
  return told;
}

function table(sets, say) {
  const made = make("table");
  const head = make("tr");
  for (const title of [say.data, say.coverage, say.accuracy]) {
    const cell = make("th", "", title);
    cell.scope = "col";
    head.append(cell);
  }
  const top = make("thead");
  top.append(head);
  const body = make("tbody");
  sets.forEach(({ title, rows, shares }, number) => {
    const [coverage, accuracy, low, high] = shares[least];
    const line = make("tr");
    const name = make("th", "", title);
    name.scope = "row";
    name.prepend(make("span", `key n${number}`));
    name.append(make("small", "", `${rows.toLocaleString()} ${say.rows}`));
    const right = make("td", "", accuracy === null ? "–" : percent(accuracy));
    if (accuracy !== null) right.append(make("small", "", `${percent(low)} – ${percent(high)}`));
    line.append(name, make("td", "", percent(coverage)), right);
    body.append(line);
  });
  made.append(top, body);
  return made;
}

function curve(sets, say) {
  const lines = sets.map(({ shares }) => {
    const known = shares.filter(([, accuracy]) => accuracy !== null);
    const [coverage, accuracy] = shares[least];
    return { points: known.map((each) => each.slice(0, 2)), mark: accuracy === null ? null : [coverage, accuracy] };
  });
  const lowest = Math.min(...lines.flatMap(({ points }) => points.map(([, accuracy]) => accuracy)));
  const from = Math.max(0, Math.floor(lowest * 10 - 0.01) / 10);
  const whole = (share) => `${Math.round(100 * share)}%`;
  const x = { from: 0, to: 1, ticks: [0, 0.25, 0.5, 0.75, 1], title: say.coverage, show: whole };
  const y = { from, to: 1, ticks: [from, (1 + from) / 2, 1], title: say.accuracy, show: whole };
  return lineChart({ lines, x, y, title: `${say.accuracy} / ${say.coverage}` });
}

function slider(say, changed) {
  const box = make("label", "slider");
  const range = make("input");
  Object.assign(range, { type: "range", min: 0, max: 99, step: 1, value: least });
  const shown = make("output", "", `${least}%`);
  range.addEventListener("input", () => {
    least = Number(range.value);
    shown.textContent = `${least}%`;
    changed();
  });
  const scale = make("span", "scale");
  scale.append(range, shown);
  box.append(make("span", "", say.above), scale);
  return box;
}

function draw() {
  root.replaceChildren();
  element.closest(".results")?.removeAttribute("data-withheld");
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const say = strings();
  const panel = make("div", "panel");
  const show = () => {
    panel.replaceChildren(verdict(data, say));
    if (!data.sets.length) return panel.append(make("p", "note", say.unknown));
    panel.append(table(data.sets, say), curve(data.sets, say), make("p", "note", say.how));
  };
  root.append(make("h3", "", say.title), slider(say, show), panel);
  show();
}

draw();
watch(["value", "label"], draw);
