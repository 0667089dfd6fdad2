// Draws ranked completions with buttons that accept them, and asks for new ones when typing pauses.
// The value is JSON (see _completions.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".completions-root");
const editor = () => document.querySelector("#complete-prefix");
const PAUSE_MS = 450;
const SHOWN_LINES = 3; // as in _completions.py
let data = null;

// What a visitor accepts of a completion: its first word with the blanks before it, its first line, all of it.
const parts = {
  word: (text) => text.match(/^\s*(?:\w+|[^\w\s]+)/)?.[0] || text,
  line: (text) => text.match(/^\n*[^\n]*/)[0] || text,
  all: (text) => text,
};

// Whether the completions are of the code as it stands; the editor draws the last lines at least.
function isFresh() {
  const lines = [...(editor()?.querySelectorAll(".cm-line") || [])].map((line) => line.textContent);
  return Boolean(data?.done) && lines.slice(-SHOWN_LINES).join("\n") === data.before;
}

function accept(number, part) {
  const text = data?.candidates[number]?.text;
  if (!text || !isFresh()) return;
  const accepted = parts[part](text);
  const rest = text.slice(accepted.length);
  // The others go another way: they stay only as long as they begin alike.
  const candidates = data.candidates
    .filter((each, place) => place === number || each.text.startsWith(accepted))
    .map((each) => ({ ...each, text: each.text.slice(accepted.length) }));
  const before = (data.before + accepted).split("\n").slice(-SHOWN_LINES).join("\n");
  const left = rest ? { ...data, before, candidates } : { before, candidates: [], done: true, accepted: true };
  props.value = JSON.stringify({ ...left, accepted });
  draw();
  trigger("input");
}

function button(title, hint, onClick) {
  const made = make("button", "", title);
  made.type = "button";
  if (hint) made.append(make("kbd", "", hint));
  made.addEventListener("click", onClick);
  return made;
}

function verdict(candidate, say) {
  const list = make("p", "verdicts");
  const tell = (text, kind = "") => list.append(make("span", kind, text));
  if (candidate.probability !== undefined) tell(`${Math.round(100 * candidate.probability)}% ${say.probability}`);
  if (candidate.parses === true) tell(`✓ ${say.parses}`, "good");
  if (candidate.parses === false) tell(`△ ${say.does_not_parse}`, "bad");
  if (candidate.doctests) {
    const [passed, failed, , late] = candidate.doctests;
    tell(`${failed || late ? "✕" : "✓"} ${say.doctests} ${passed}/${passed + failed}${late ? ` (${say.too_slow})` : ""}`, failed || late ? "bad" : "good");
  }
  return list;
}

function findings(candidate, say) {
  const found = candidate.findings || [];
  const report = candidate.doctests?.[2];
  if (!found.length && !report) return [];
  const fold = make("details", "findings");
  fold.append(make("summary", "", found.length ? `${say.findings} ${found.length}` : say.doctests));
  for (const [line, rule, message] of found) fold.append(make("p", "", `${line} · ${rule} · ${message}`));
  if (report) fold.append(make("pre", "", report));
  return [fold];
}

function candidateBox(candidate, number, say) {
  const box = make("section", "candidate");
  box.setAttribute("aria-label", `${say.candidate} ${number + 1}`);
  const code = make("pre");
  code.append(make("span", "before", data.before), make("span", "text", candidate.text));
  code.tabIndex = 0;
  box.append(code);
  if (data.done && !candidate.text.trim()) box.append(make("p", "none", say.nothing));
  box.append(verdict(candidate, say), ...findings(candidate, say));
  if (data.done && candidate.text) {
    const bar = make("div", "accept");
    const first = number === 0;
    bar.append(
      button(say.accept, first ? "Tab" : "", () => accept(number, "all")),
      button(say.word, first ? "Ctrl →" : "", () => accept(number, "word")),
      button(say.line, first ? "Ctrl ↓" : "", () => accept(number, "line")),
    );
    box.append(bar);
  }
  return box;
}

function draw() {
  data = props.value ? JSON.parse(props.value) : null;
  root.replaceChildren();
  root.classList.remove("stale");
  const say = strings(props);
  if (!data) {
    root.append(make("p", "none waiting", say.waiting));
    return;
  }
  if (data.cut) root.append(make("p", "none", `${say.cut} ${data.cut}`));
  if (data.done && !data.candidates.length) root.append(make("p", "none waiting", say.accepted));
  root.append(...data.candidates.map((each, number) => candidateBox(each, number, say)));
}

let pause = 0;
function onTyping() {
  clearTimeout(pause);
  root.classList.add("stale");
  if (!document.querySelector("#complete-live input")?.checked) return;
  pause = setTimeout(() => document.querySelector("#complete-typed")?.click(), PAUSE_MS);
}

function onKey(event) {
  const part = event.key === "Tab" && !event.shiftKey && !event.ctrlKey ? "all"
    : event.ctrlKey && event.key === "ArrowRight" ? "word"
    : event.ctrlKey && event.key === "ArrowDown" ? "line" : "";
  if (!part || !isFresh() || !data.candidates[0]?.text) return;
  event.preventDefault();
  event.stopPropagation();
  accept(0, part);
}

draw();
watch(["value", "label"], draw);
const within = (selector, react) => (event) => event.target.closest?.(selector) && react(event);
document.addEventListener("input", within("#complete-prefix", onTyping), true);
document.addEventListener("keydown", within("#complete-prefix", onKey), true);
document.addEventListener("click", within("#complete-clear", () => clearTimeout(pause)), true);
