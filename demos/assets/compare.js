// Draws what several models said to the same, side by side. The value is JSON (see _compare.py and _outcomes.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".compare-root");
let say = {};

const seconds = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`);

function figures(column) {
  const parts = [];
  if (column.first !== null) parts.push([say.first, seconds(column.first)]);
  parts.push([say.total, seconds(column.total)]);
  if (column.speed) parts.push(["", `${column.speed} ${say["status.per_second"]}`]);
  if (column.tokens) parts.push(["", `${column.tokens} ${say.tokens}`]);
  if (column.cost) parts.push([say["remote.cost"], column.cost]);
  const line = make("p", "figures");
  for (const [name, value] of parts) line.append(make("span", "", `${name} ${value}`.trim()));
  return line;
}

// Where a model runs; on which device, once it has answered.
function tier(column) {
  const name = say[`remote.tier_${column.tier}`];
  return column.device && column.tier !== "remote" ? `${name} · ${column.device.toUpperCase()}` : name;
}

function head(column) {
  const box = make("div", "head");
  box.append(make("h3", "", column.title ? titled(column.id, column.title, say) : "–"));
  if (column.settings) box.append(make("code", "settings", column.settings));
  const facts = make("p", "facts");
  if (column.tier) facts.append(make("span", `tier ${column.tier}`, tier(column)));
  if (column.size) facts.append(make("span", "", `${column.size} ${say.on_disk}`));
  if (column.licence) facts.append(make("span", "licence", column.licence));
  if (column.price) facts.append(make("span", "price", `${column.price} ${say["remote.per_million"]}`));
  if (column.terms) facts.append(make("span", "terms", `⚠ ${termsOf(column.terms, say)}`));
  if (column.asked) facts.append(make("span", "", say.asked_note));
  if (column.title) {
    if (!column.scores.length) facts.append(make("span", "", say.not_measured));
    for (const score of column.scores) facts.append(make("span", "", scoreLine(score, say)));
  }
  box.append(facts);
  return box;
}

function state(column) {
  if (column.state === "failed") {
    const [key, detail] = column.error;
    return make("p", "failed", `${(say[key] || key).replaceAll("**", "")} ${detail}`.trim());
  }
  if (column.state === "done") return figures(column);
  return make("p", "busy", `${say["status." + column.state]} ${column.detail}`.trim());
}

// What visitors call a label; one of their own is never translated.
const labelled = (label, column) => (column.own ? label : named(label, say));

function labels(outcome, column) {
  const box = make("div", "bars");
  if (!outcome.rows.length) {
    box.append(make("p", "winner", outcome.label ? `★ ${labelled(outcome.label, column)}` : say.no_label), make("p", "note", say.no_probabilities));
    return box;
  }
  for (const [label, share] of outcome.rows) {
    const won = label === outcome.label;
    const name = labelled(label, column);
    box.append(barRow("div", won, won ? `★ ${name}` : name, share));
  }
  return box;
}

function words(outcome) {
  const box = make("div", outcome.code ? "said code" : "said");
  if (outcome.empty) box.append(make("em", "", say.no_answer));
  for (const [text, own] of outcome.pieces) box.append(own ? make("ins", "", text) : text);
  const notes = make("p", "note");
  if (typeof outcome.probability === "number") notes.append(make("span", "", `${say.probability} ${percent(outcome.probability)}`));
  if (outcome.long) notes.append(make("span", "", say.too_long));
  if (typeof outcome.share === "number") {
    notes.append(make("span", "share", outcome.share === 1 ? `✓ ${say.same_words}` : `${say.shared_words} ${percent(outcome.share)}`));
  }
  const both = make("div");
  both.append(box, notes);
  return both;
}

function spans(outcome) {
  const both = make("div");
  const box = make("div", "said");
  for (const [text, label, own] of outcome.pieces) {
    if (!label) {
      box.append(text);
      continue;
    }
    const mark = make("mark", own ? "own" : "", text);
    mark.append(make("sub", "", label));
    box.append(mark);
  }
  const notes = make("p", "note");
  notes.append(make("span", "", `${say.found} ${outcome.count}`));
  if (outcome.own) notes.append(make("span", "", `${say.only_spans} ${outcome.own}`));
  both.append(box, notes);
  if (outcome.not_in_text.length) both.append(make("p", "note invented", `⚠ ${say.invented} ${outcome.not_in_text.join(" · ")}`));
  return both;
}

// One line on whether they agree, once all have answered.
function verdict(columns) {
  const all = columns.map((column) => column.outcome);
  if (all.length < 2 || all.some((outcome) => !outcome)) return "";
  if (all[0].kind === "labels") {
    const labels = columns.map((column) => (column.outcome.label ? labelled(column.outcome.label, column) : say.no_label));
    return all.every((outcome) => outcome.same) ? `✓ ${say.same_label} ${labels[0]}` : `≠ ${say.other_label} ${labels.join(" · ")}`;
  }
  if (all[0].kind === "spans") return all.every((outcome) => !outcome.own) ? `✓ ${say.same_spans}` : "";
  return all.some((outcome) => outcome.share < 1) ? say.only_here : "";
}

function draw() {
  say = strings(props);
  root.replaceChildren();
  if (!props.value) {
    root.append(make("p", "none", say.none));
    return;
  }
  const data = JSON.parse(props.value);
  const summary = make("p", "verdict", data.done ? verdict(data.columns) : "");
  summary.setAttribute("aria-live", "polite");
  const grid = make("div", "columns");
  for (const column of data.columns) {
    const card = make("section", `column ${column.state}`);
    card.setAttribute("aria-label", `${titled(column.id, column.title, say)} ${column.settings}`.trim());
    card.append(head(column), state(column));
    if (column.outcome) card.append({ labels, words, spans }[column.outcome.kind](column.outcome, column));
    grid.append(card);
  }
  root.append(summary, grid);
}

draw();
watch(["value", "label"], draw);
