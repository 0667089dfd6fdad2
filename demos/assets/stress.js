// Lists a text's other forms with the answers to them. The value is JSON (see _stress.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".stress-root");

// The text, with the words marked that the original does not have.
function marked(text, original) {
  const box = make("span", "form");
  const known = new Set(original.split(/\s+/));
  for (const part of text.split(/(\s+)/)) {
    box.append(part.trim() && !known.has(part) && known.size > 1 ? make("mark", "", part) : part);
  }
  return box;
}


// What came out, in words: by the kind of task.
function answer({ label, score }, { kind, own }, say) {
  const box = make("span", "answer");
  if (kind === "entities") box.textContent = `${label} ${say.names_again}`;
  else if (kind === "answer") box.textContent = `${label ? `“${label}”` : say.not_in_text} ${percent(score)}`;
  else if (kind === "translate") box.textContent = `chrF ${Math.round(100 * score)}`;
  else box.textContent = `${own ? label : named(label, say)} ${percent(score)}`;
  return box;
}

function names(title, list) {
  const line = make("p", "names");
  line.append(make("span", "note", title), ` ${list.join(", ")}`);
  return line;
}

function row(each, data, say) {
  const item = make("li", each.same && each.flipped ? "turned" : "");
  const head = make("p", "head");
  const change = say[`change_${each.change}`] || each.change;
  const several = Object.keys(data.written).length > 1;
  head.append(make("b", "", several ? `${say[`field_${each.field}`]} · ${change}` : change), answer(each, data, say));
  if (each.same) head.append(make("span", each.flipped ? "bad" : "good", each.flipped ? `✕ ${say.another}` : `✓ ${say.same}`));
  else head.append(make("span", "note", each.flipped ? say.meaning_turned : say.meaning_kept));
  item.append(head, marked(each.text, data.written[each.field]));
  if (data.kind === "translate") item.append(make("p", "names", `→ ${each.label}`));
  if (each.lost.length) item.append(names(say.lost, each.lost));
  if (each.new.length) item.append(names(say.new, each.new));
  return item;
}

function draw() {
  root.replaceChildren();
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const say = strings(props);
  const [flips, tried] = data.flips;
  const verdict = make("p", flips ? "verdict turned" : "verdict held");
  verdict.textContent = flips ? `✕ ${say.turned} ${flips}/${tried}` : `✓ ${say.held} ${tried}/${tried}`;
  const list = make("ul");
  list.append(...data.rows.map((each) => row(each, data, say)));
  root.append(verdict);
  if (data.kind !== "label") root.append(make("p", "note counted", say[`counted_${data.kind}`]));
  root.append(list);
}

draw();
watch(["value", "label"], draw);
