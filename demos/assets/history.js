// Keeps the finished runs of this visit in the tab's session storage, and lists them. The value is one run as JSON (see
// _history.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".history-root");
const KEY = "llm-core-history";
const MOST = 100; // runs
const MOST_CHARS = 500_000; // at two bytes each, 1 MB
const COLUMNS = ["time", "tab", "model", "seconds", "asked", "answer", "link"];
let runs = [];

function load() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(KEY) || "[]");
    runs = Array.isArray(stored) ? stored : [];
  } catch {
    // no storage here, or not ours: then this page alone remembers
  }
}

function save() {
  runs = runs.slice(-MOST);
  while (runs.length && JSON.stringify(runs).length > MOST_CHARS) runs.shift();
  try {
    if (runs.length) sessionStorage.setItem(KEY, JSON.stringify(runs));
    else sessionStorage.removeItem(KEY);
  } catch {
    // as above
  }
}

const titleOf = (tabs) => {
  const titles = tabs.map((id) => document.querySelector(`[role=tab][data-tab-id="${CSS.escape(id)}"]`)?.textContent.trim());
  return titles.filter(Boolean).join(" › ") || tabs.join(" › ");
};

// Code is completed at each pause in typing: what has only grown since then is one run.
const typedOn = (before, run) =>
  before.tab === run.tab && before.model === run.model && before.asked !== run.asked && run.asked.startsWith(before.asked);

function take() {
  if (!props.value) return;
  const { tabs, model, model_id, ...run } = JSON.parse(props.value);
  if (runs.some(({ id }) => id === run.id)) return;
  const entry = { ...run, model: titled(model_id, model, strings(props)), time: new Date().toISOString(), tab: titleOf(tabs) };
  const before = runs.at(-1);
  if (before && typedOn(before, entry)) runs.pop();
  runs.push(entry);
  save();
}

function download(name, type, text) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(new Blob([text], { type }));
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
}

const told = () => runs.map((run) => Object.fromEntries(COLUMNS.map((name) => [name, name === "link" && run.link ? location.origin + location.pathname + run.link : run[name]])));

// A spreadsheet must not take a text for a formula.
const cell = (value) => `"${String(value).replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
const csv = () => "\ufeff" + [COLUMNS, ...told().map((run) => COLUMNS.map((name) => run[name]))].map((row) => row.map(cell).join(",")).join("\r\n");

function row(run, say) {
  const item = make("li");
  const head = make("p", "head");
  head.append(make("b", "", run.tab), make("span", "", new Date(run.time).toLocaleTimeString()), make("span", "", `${run.model} · ${run.seconds} s`));
  const body = make("div", "body");
  body.append(make("p", "asked", run.asked || "–"), make("p", "answer", `→ ${run.answer || "–"}`));
  item.append(head, body);
  if (run.link) {
    const again = make("a", "again", say.restore);
    again.href = location.pathname + run.link;
    item.append(again);
  }
  return item;
}

function draw() {
  const say = strings(props);
  const open = root.querySelector("details")?.open;
  const box = make("details");
  box.open = Boolean(open);
  box.append(make("summary", "", `${say.title} (${runs.length})`), make("p", "note", say.lead));
  if (runs.length) {
    const actions = make("div", "actions");
    for (const [name, act] of [
      ["json", () => download("history.json", "application/json", JSON.stringify(told(), null, 2))],
      ["csv", () => download("history.csv", "text/csv", csv())],
      ["clear", () => { runs = []; save(); draw(); }],
    ]) {
      const button = make("button", name, { json: say.json, csv: say.csv, clear: say.clear }[name]);
      button.type = "button";
      button.addEventListener("click", act);
      actions.append(button);
    }
    const list = make("ol");
    for (const run of runs.toReversed()) list.append(row(run, say));
    box.append(actions, list);
  } else {
    box.append(make("p", "note", say.none));
  }
  root.replaceChildren(box);
}

load();
take();
draw();
watch(["value", "label"], () => { take(); draw(); });
