// Draws the words of a text by how much each moved the answer. The value is JSON (see _explain.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".explain-root");
const FAINT = 0.03; // of the strongest word; weaker ones are not coloured
const STRONG = 0.3; // of the strongest word; these are underlined, too
const LISTED = 5;

const signed = (weight) => `${weight < 0 ? "−" : "+"}${Math.abs(weight).toFixed(2)}`;
const side = (weight) => (weight < 0 ? "against" : "for");

function word([text, weight], most, say) {
  const share = weight === null || !most ? 0 : Math.abs(weight) / most;
  if (share < FAINT) return document.createTextNode(text);
  const mark = make("mark", `${side(weight)}${share >= STRONG ? " strong" : ""}`, text);
  mark.style.setProperty("--share", share.toFixed(3));
  mark.title = `${signed(weight)} ${weight < 0 ? say.against : say.for}`;
  mark.setAttribute("aria-description", mark.title);
  return mark;
}

function passage(title, pieces, most, say, cut) {
  const box = make("div", "passage");
  if (title) box.append(make("p", "note", title));
  const text = make("p", "words");
  if (cut[0]) text.append("… ");
  text.append(...pieces.map((piece) => word(piece, most, say)));
  if (cut[1]) text.append(" …");
  box.append(text);
  return box;
}

function list(title, rows, most, say) {
  const box = make("div", "strongest");
  box.append(make("h4", "", title));
  if (!rows.length) box.append(make("p", "note", say.no_word));
  const items = make("ol");
  for (const [text, weight] of rows) {
    const item = make("li", side(weight));
    const bar = make("span", "bar");
    bar.style.width = `${(100 * Math.abs(weight)) / most}%`;
    item.append(make("span", "text", text), make("span", "number", signed(weight)), bar);
    items.append(item);
  }
  box.append(items);
  return box;
}

function choices(data, say) {
  const box = make("div", "choices");
  box.append(make("span", "note", say.choose));
  for (const [label, score, text, start, current] of data.choices) {
    const button = make("button", "", `${text ? `${text} · ` : ""}${named(label, say)} ${percent(score)}`);
    button.type = "button";
    button.setAttribute("aria-pressed", current);
    button.addEventListener("click", () => {
      button.disabled = true;
      const chosen = data.kind === "entities" ? { start } : { label };
      props.value = JSON.stringify({ ...data, chosen });
      trigger("input");
    });
    box.append(button);
  }
  return box;
}

function title(data, say) {
  const [label, score, text] = data.explained;
  if (data.kind === "answer") return text ? `${say.why} “${text}”` : say.why_missing;
  return `${say.why} ${text ? `“${text}” · ` : ""}${named(label, say)} (${percent(score)})`;
}

function legend(say) {
  const box = make("p", "legend");
  box.append(make("mark", "against strong", say.against), make("span", "scale"), make("mark", "for strong", say.for));
  box.setAttribute("aria-hidden", "true");
  return box;
}

function draw() {
  root.replaceChildren();
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const say = strings(props);
  const weighted = [...data.question, ...data.text].filter(([, weight]) => weight !== null);
  const most = Math.max(0, ...weighted.map(([, weight]) => Math.abs(weight)));
  const worth = weighted.filter(([text, weight]) => Math.abs(weight) >= FAINT * most && /[\p{L}\p{N}]/u.test(text));
  const strongest = (sign) => worth.filter(([, weight]) => weight * sign > 0).sort((a, b) => sign * (b[1] - a[1])).slice(0, LISTED);
  root.append(make("h3", "", title(data, say)));
  if (data.choices.length > 1) root.append(choices(data, say));
  root.append(legend(say));
  if (data.question.length) root.append(passage(say.question, data.question, most, say, [false, false]));
  root.append(passage(data.question.length ? say.passage : "", data.text, most, say, data.cut));
  const lists = make("div", "lists");
  lists.append(list(say.most_for, strongest(1), most, say), list(say.most_against, strongest(-1), most, say));
  const figure = data.kind === "answer" ? (value) => value.toFixed(1).replace("-", "−") : percent;
  const sum = `${say[`sum_${data.kind}`]} ${figure(data.from)} → ${figure(data.to)}. ${say.missed} ${percent(data.missed)}`;
  root.append(lists, make("p", "note check", sum), make("p", "note", data.measured ? `${say.caveat} ${say.measured}` : say.caveat));
}

draw();
watch(["value", "label"], draw);
