// The confidence dial: answer only above a probability, and what that does to coverage and accuracy on validation rows.
// The value is JSON (see _dial.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".dial-root");
let least = 0; // in hundredths; kept from one answer to the next

const surely = ([text, score], { kind, own }, say) => `${kind === "label" && !own ? named(text, say) : text || say.not_in_text} ${percent(score, 1)}`;

// What is answered and what is held back; and the marks of the text that go with it.
function verdict(data, say) {
  const kept = data.answers.filter(([, score]) => score * 100 >= least);
  const back = data.answers.filter(([, score]) => score * 100 < least);
  const results = element.closest(".results");
  const told = make("p", back.length && !kept.length ? "told silent" : "told");
  told.setAttribute("aria-live", "polite");
  if (data.kind === "entity") {
    told.textContent = data.answers.length ? `${back.length ? "◌" : "✓"} ${say.names_shown} ${kept.length}/${data.answers.length}` : `✓ ${say.names_none}`;
    if (back.length) told.append(make("small", "", `${say.held_back} ${back.map((each) => surely(each, data, say)).join(", ")}`));
    const marks = results?.querySelectorAll(".wrapped .token.highlighted") ?? [];
    if (marks.length === data.answers.length) marks.forEach((mark, place) => mark.toggleAttribute("data-held", data.answers[place][1] * 100 < least));
    return told;
  }
  const [[, score]] = data.answers;
  told.textContent = back.length ? `◌ ${say.withheld} ${percent(score, 1)} < ${least}%` : `✓ ${say.answered} ${surely(data.answers[0], data, say)}`;
  results?.toggleAttribute("data-withheld", back.length > 0);
  return told;
}

function table({ kind, sets }, say) {
  const made = make("table");
  const head = make("tr");
  for (const title of [say.data, say[`coverage_${kind}`] ?? say.coverage, say[`accuracy_${kind}`] ?? say.accuracy, ...(kind === "label" ? [] : [say[`further_${kind}`]])]) {
    const cell = make("th", "", title);
    cell.scope = "col";
    head.append(cell);
  }
  const top = make("thead");
  top.append(head);
  const body = make("tbody");
  sets.forEach(({ title, rows, shares }, number) => {
    const [coverage, accuracy, low, high, further] = shares[least];
    const line = make("tr");
    const name = make("th", "", dataName(title, say));
    name.scope = "row";
    name.prepend(make("span", `key n${number}`));
    name.append(make("small", "", `${rows.toLocaleString()} ${say[`rows_${kind}`] ?? say.rows}`));
    const right = make("td", "", accuracy === null ? "–" : percent(accuracy, 1));
    if (accuracy !== null) right.append(make("small", "", `${percent(low, 1)} – ${percent(high, 1)}`));
    line.append(name, make("td", "", percent(coverage, 1)), right);
    if (kind !== "label") line.append(make("td", "", further === null ? "–" : percent(further, 1)));
    body.append(line);
  });
  made.append(top, body);
  return made;
}

function curve({ kind, sets }, say) {
  const [across, up] = [say[`coverage_${kind}`] ?? say.coverage, say[`accuracy_${kind}`] ?? say.accuracy];
  const lines = sets.map(({ shares }) => {
    const known = shares.filter(([, accuracy]) => accuracy !== null);
    const [coverage, accuracy] = shares[least];
    return { points: known.map((each) => each.slice(0, 2)), mark: accuracy === null ? null : [coverage, accuracy] };
  });
  const lowest = Math.min(...lines.flatMap(({ points }) => points.map(([, accuracy]) => accuracy)));
  const from = Math.max(0, Math.floor(lowest * 10 - 0.01) / 10);
  const whole = (share) => `${Math.round(100 * share)}%`;
  const x = { from: 0, to: 1, ticks: [0, 0.25, 0.5, 0.75, 1], title: across, show: whole };
  const y = { from, to: 1, ticks: [from, (1 + from) / 2, 1], title: up, show: whole };
  return lineChart({ lines, x, y, title: `${up} / ${across}` });
}

function slider(kind, say, changed) {
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
  box.append(make("span", "", say[`above_${kind}`] ?? say.above), scale);
  return box;
}

function draw() {
  root.replaceChildren();
  element.closest(".results")?.removeAttribute("data-withheld");
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const say = strings(props);
  const panel = make("div", "panel");
  const show = () => {
    panel.replaceChildren(verdict(data, say));
    if (!data.sets.length) return panel.append(make("p", "note", data.kind === "label" ? say.unknown : say.unknown_model));
    panel.append(table(data, say), curve(data, say), make("p", "note", say[`how_${data.kind}`] ?? say.how));
  };
  root.append(make("h3", "", say.title), slider(data.kind, say, show), panel);
  show();
}

draw();
watch(["value", "label"], draw);
