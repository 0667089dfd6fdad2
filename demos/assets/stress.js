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

function draw() {
  root.replaceChildren();
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const say = strings();
  const [flips, tried] = data.flips;
  const verdict = make("p", flips ? "verdict turned" : "verdict held");
  verdict.textContent = flips ? `✕ ${say.turned} ${flips}/${tried}` : `✓ ${say.held} ${tried}/${tried}`;
  const list = make("ul");
  for (const [change, text, label, score, flipped, sameMeaning] of data.rows) {
    const row = make("li", sameMeaning && flipped ? "turned" : "");
    const head = make("p", "head");
    head.append(make("b", "", say[`change_${change}`] || change), make("span", "answer", `${named(label, say)} ${Math.round(100 * score)}%`));
    if (sameMeaning) head.append(make("span", flipped ? "bad" : "good", flipped ? `✕ ${say.another}` : `✓ ${say.same}`));
    else head.append(make("span", "note", flipped ? say.meaning_turned : say.meaning_kept));
    row.append(head, marked(text, data.text));
    list.append(row);
  }
  root.append(verdict, list);
}

draw();
watch(["value", "label"], draw);
