// Draws sentences beside their translations, and lights the words that belong together.
// The value is JSON (see _pairs.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".pairs-root");
const links = new WeakMap(); // word → [[word, weight], …], strongest first
let data = null;

const chosenOf = (sentence) => sentence.chosen || 0;
const candidates = (sentence) => [sentence.target.map(([text]) => text).join(""), ...sentence.others];
const translationOf = (sentence) => candidates(sentence)[chosenOf(sentence)];

function side(segments, language, label) {
  const box = make("div", "side");
  if (language) box.lang = language;
  const words = new Map();
  for (const [text, number] of segments) {
    if (number < 0) {
      box.append(text);
      continue;
    }
    const word = make("span", "word", text);
    word.setAttribute("role", "option");
    word.setAttribute("aria-selected", "false");
    word.tabIndex = words.size ? -1 : 0; // one stop of the Tab key a side, arrows within it
    words.set(number, word);
    box.append(word);
  }
  if (words.size) {
    box.setAttribute("role", "listbox");
    box.setAttribute("aria-orientation", "horizontal");
    box.setAttribute("aria-label", label);
  }
  return [box, words];
}

function link(from, to, found, say) {
  const ends = new Map();
  const add = (word, other, weight) => word && other && ends.set(word, [...(ends.get(word) || []), [other, weight]]);
  for (const [source, target, weight] of found) {
    add(from.get(source), to.get(target), weight);
    add(to.get(target), from.get(source), weight);
  }
  for (const [word, others] of ends) {
    others.sort((one, other) => other[1] - one[1]);
    links.set(word, others);
    word.setAttribute("aria-description", `${say.stands_for} ${others.map(([other]) => other.textContent).join(", ")}`);
  }
}

function notes(sentence, say) {
  const list = make("div", "notes");
  if (sentence.unsure) list.append(make("p", "badge unsure", `⚠ ${say.unsure}`));
  if (sentence.known) list.append(make("p", "badge", `✓ ${say.known}`));
  if (sentence.kept) {
    list.append(make("p", "badge", sentence.kept === "no_words" ? say.kept_no_words : say.kept_target_language));
  }
  for (const [term, translation, applied] of sentence.terms) {
    const text = `${applied ? "✓" : "✕"} ${applied ? say.applied : say.missed} ${term} → ${translation}`;
    list.append(make("p", applied ? "badge term" : "badge unsure", text));
  }
  return list;
}

function others(sentence, redraw, say, open) {
  const fold = make("details", "others");
  fold.open = open;
  fold.append(make("summary", "", `${say.others} ${sentence.others.length}`));
  candidates(sentence).forEach((text, number) => {
    const button = make("button", "other");
    button.type = "button";
    button.append(make("span", "", text));
    button.lastChild.lang = data.target;
    button.setAttribute("aria-pressed", String(number === chosenOf(sentence)));
    button.title = say.use;
    button.addEventListener("click", () => {
      sentence.chosen = number;
      redraw(number);
      publish();
    });
    fold.append(button);
  });
  return fold;
}

// Source words across, translation down; each row says where that word of the translation looked.
function heatTable({ source, target, weights }) {
  const table = make("table");
  const head = make("tr");
  head.append(make("td"));
  const heading = (text, scope, language) => {
    const cell = make("th");
    cell.append(make("span", "", text));
    cell.scope = scope;
    cell.lang = language;
    return cell;
  };
  head.append(...source.map((word) => heading(word, "col", data.source)));
  table.append(head);
  weights.forEach((row, place) => {
    const line = make("tr");
    line.append(heading(target[place], "row", data.target));
    row.forEach((weight, column) => {
      const cell = make("td", weight > 55 ? "cell deep" : "cell", weight >= 5 ? weight : "");
      cell.style.setProperty("--weight", `${weight}%`);
      cell.title = `${target[place]} ← ${source[column]} ${weight}%`;
      line.append(cell);
    });
    table.append(line);
  });
  return table;
}

function heat(sentence, say) {
  const fold = make("details", "heat");
  const scroller = make("div", "scroller");
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "group");
  scroller.setAttribute("aria-label", say.heat);
  fold.append(make("summary", "", say.heat), make("p", "hint", say.heat_hint), scroller);
  fold.addEventListener("toggle", () => {
    if (fold.open && !scroller.firstChild) scroller.append(heatTable(sentence.map));
  });
  return fold;
}

function fill(row, sentence, say, open) {
  const untouched = chosenOf(sentence) === 0;
  const target = untouched ? sentence.target : [[translationOf(sentence), -1]];
  const [from, sources] = side(untouched ? sentence.source : [[sentence.source.map(([text]) => text).join(""), -1]],
    data.source, say.source_words);
  const [to, targets] = side(target, data.target, say.target_words);
  if (untouched) link(sources, targets, sentence.links, say);
  from.classList.add("from");
  to.classList.add("to");
  const pair = make("div", "sides");
  pair.append(from, to);
  const parts = [pair, notes(sentence, say)];
  if (sentence.place) parts.unshift(make("p", "place", sentence.place));
  if (sentence.back) {
    const back = make("p", "back", `↩ ${say.back} `);
    const text = make("span", "", sentence.back);
    text.lang = data.source;
    back.append(text, ` · chrF\u00a0${sentence.chrf}`);
    parts.push(back);
  }
  if (untouched && sentence.map) parts.push(heat(sentence, say));
  if (sentence.others.length) {
    const redraw = (number) => {
      fill(row, sentence, say, true);
      row.querySelectorAll("button.other")[number]?.focus();
    };
    parts.push(others(sentence, redraw, say, open));
  }
  row.replaceChildren(...parts);
}

function draw() {
  data = props.value ? JSON.parse(props.value) : null;
  const say = strings(props);
  if (!data || !say.title) return root.replaceChildren();
  const parts = [make("h3", "", say[data.title])];
  if (data.sentences.some((sentence) => sentence.links.length)) parts.push(make("p", "hint", say.hint));
  if (data.chrf !== null) parts.push(make("p", "hint", `${say.chrf} ${data.chrf}`));
  const list = make("ol", "");
  for (const sentence of data.sentences) {
    const row = make("li", sentence.unsure ? "row doubtful" : "row");
    fill(row, sentence, say, false);
    list.append(row);
  }
  parts.push(list);
  if (data.more) parts.push(make("p", "hint", `${say.more} ${data.more}`));
  root.replaceChildren(...parts);
}

function publish() {
  const text = data.sentences.map((sentence) => (sentence.lead || "") + translationOf(sentence)).join("") + data.tail;
  props.value = JSON.stringify({ ...data, text });
  trigger("input");
}

function light(word) {
  for (const lit of root.querySelectorAll(".lit, .linked")) {
    lit.classList.remove("lit", "linked");
    lit.style.removeProperty("--weight");
    lit.setAttribute("aria-selected", "false");
  }
  if (!word || !links.has(word)) return;
  word.classList.add("lit");
  word.setAttribute("aria-selected", "true");
  for (const [other, weight] of links.get(word)) {
    other.classList.add("linked");
    other.style.setProperty("--weight", `${Math.min(100, weight)}%`);
  }
}

function move(event) {
  const word = event.target.closest(".word");
  if (!word || event.altKey || event.ctrlKey || event.metaKey) return;
  const words = [...word.parentElement.querySelectorAll(".word")];
  const place = words.indexOf(word);
  const partner = links.get(word)?.[0]?.[0];
  const next = {
    ArrowRight: words[place + 1], ArrowLeft: words[place - 1], Home: words[0], End: words.at(-1),
    ArrowDown: word.closest(".from") ? partner : null, ArrowUp: word.closest(".to") ? partner : null,
  }[event.key];
  if (next === undefined && !event.key.startsWith("Arrow")) return;
  event.preventDefault();
  next?.focus();
}

root.addEventListener("pointerover", (event) => light(event.target.closest(".word") || focused()));
root.addEventListener("pointerleave", () => light(focused()));
root.addEventListener("focusout", () => light(null));
root.addEventListener("focusin", (event) => {
  const word = event.target.closest(".word");
  light(word);
  if (!word) return;
  for (const other of word.parentElement.querySelectorAll(".word")) other.tabIndex = other === word ? 0 : -1;
});
root.addEventListener("keydown", move);
const focused = () => (root.contains(document.activeElement) ? document.activeElement.closest(".word") : null);
watch(["value", "label"], draw);
draw();
