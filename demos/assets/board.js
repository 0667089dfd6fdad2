// Leaderboards by task and data. The value is JSON (see _board.py); what is chosen and sorted stays in the browser.
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".board-root");
const ALL = "";
const state = { task: "", place: {}, language: ALL, tier: ALL, sort: "score" };
let [data, say] = [null, null];

const percentages = (metric) => /^(accuracy|exact_match|macro_|f1|precision|recall)/.test(metric);
const shown = (metric, value) => (percentages(metric) ? `${(100 * value).toFixed(1)}%` : scoreText(value));
const readable = (metric) => metricName(metric, say);
const taskName = (task) => say[`task_${task}`] || task;

function button(className, text, pressed, act) {
  const made = make("button", className, text);
  made.type = "button";
  if (pressed !== null) made.setAttribute("aria-pressed", pressed);
  made.addEventListener("click", act);
  return made;
}

function choice(title, options, value, act) {
  const box = make("label", "choice");
  const select = make("select");
  for (const [key, text] of options) {
    const option = make("option", "", text);
    option.value = key;
    option.selected = key === value;
    select.append(option);
  }
  select.addEventListener("change", () => act(select.value));
  box.append(make("span", "", title), select);
  return box;
}

function bar(board, [value, low, high]) {
  const track = make("span", "track");
  const top = percentages(board.metric) ? 1 : ["bleu", "chrf"].includes(board.metric) ? 100 : 0;
  if (!top) return track;
  const stretch = (from, to, className) => {
    const part = make("span", className);
    part.style.left = `${(100 * from) / top}%`;
    part.style.width = `${(100 * (to - from)) / top}%`;
    return part;
  };
  track.append(stretch(0, value, "fill"));
  if (low !== null) track.append(stretch(low, high, "interval"));
  return track;
}

function scoreCell(board, score) {
  const cell = make("td", "score");
  if (!score) {
    cell.append(make("span", "value", "–"), make("small", "", say.unmeasured));
    return cell;
  }
  const [value, low, high, rows] = score;
  cell.append(make("span", "value", shown(board.metric, value)));
  if (low !== null) cell.append(make("small", "", `${shown(board.metric, low)} – ${shown(board.metric, high)}`));
  if (rows) cell.append(make("small", "rows", `${rows.toLocaleString()} ${say.rows}`));
  cell.append(bar(board, score));
  return cell;
}

function speedCell(speed) {
  const cell = make("td", "speed");
  if (speed === true) cell.append(make("span", "measuring", say.measuring));
  else if (!speed) cell.append("–");
  else {
    const [first, perSecond, unit] = speed;
    cell.append(make("span", "value", `${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)} ${say[`unit_${unit}`]}`));
    cell.append(make("small", "", `${say[`first_${unit}`]} ${Math.round(first)} ms`));
  }
  return cell;
}

function labelled(cell, title) {
  cell.dataset.title = title;
  return cell;
}

function nameCell(id, model, rank) {
  const cell = make("th", "name");
  cell.scope = "row";
  const open = button("open", titled(id, model.title, say), null, () => {
    root.dataset.chosen = id; // not in the value, which the server writes anew while speeds are measured
    trigger("input");
    document.getElementById("models-chosen")?.scrollIntoView({ behavior: "smooth", block: "start" });
  });
  open.title = say.open;
  const about = make("small");
  about.append(make("span", `tier ${model.tier}`, say[`tier_${model.tier}`]), ` ${model.languages.slice(0, 6).join(" ")}${model.languages.length > 6 ? " …" : ""}`);
  cell.append(make("span", "rank", rank || ""), open, about);
  if (model.absent.length) cell.append(make("small", "reason", `✕ ${say.absent} ${absence(model.absent.slice(0, 1), say)}`));
  return cell;
}

function commandRow(board, [, score, command], model) {
  const line = make("tr", model.absent.length ? "how absent" : "how");
  const cell = make("td");
  cell.colSpan = 6;
  if (command) {
    const more = make("details");
    const code = make("pre", "", command);
    code.tabIndex = 0;
    more.append(make("summary", "", score ? say.measured_by : say.measure_by), copyButton("copy", [say.copy, say.copied], () => command), code);
    cell.append(more);
  } else cell.append(make("small", "", say.no_measure));
  line.append(cell);
  return line;
}

function modelRows(board, row, rank) {
  const [id, score] = row;
  const model = data.models[id];
  const line = make("tr", model.absent.length ? "absent" : "");
  line.append(
    nameCell(id, model, score ? rank : 0),
    labelled(scoreCell(board, score), readable(board.metric)),
    labelled(speedCell(model.speed), say.speed),
    labelled(make("td", "number", model.size[1]), say.size),
    labelled(make("td", "number", model.parameters[1]), say.parameters),
    labelled(make("td", "", model.licence), say.licence),
  );
  return [line, commandRow(board, row, model)];
}

function baselineRow(board, [name, score]) {
  const line = make("tr", "baseline");
  const title = make("th", "name");
  title.scope = "row";
  title.append(make("span", "rank"), make("span", "", say[`baseline_${name}`] || name), make("small", "", say.baseline));
  line.append(title, labelled(scoreCell(board, score), readable(board.metric)));
  const rest = make("td");
  rest.colSpan = 4;
  line.append(rest);
  return line;
}

// Lists of [key, row]; what has no key stands last.
function sorted(board, rows) {
  const sign = { score: board.lower ? 1 : -1, speed: -1, size: 1, parameters: 1 }[state.sort];
  const keys = {
    score: ([, score]) => score?.[0],
    speed: ([id]) => data.models[id].speed?.[1],
    size: ([id]) => data.models[id].size[0],
    parameters: ([id]) => data.models[id].parameters[0],
  };
  const key = keys[state.sort];
  return [...rows].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left === undefined || right === undefined) return (left === undefined) - (right === undefined);
    return sign * (left - right);
  });
}

function table(board) {
  const made = make("table");
  const head = make("tr");
  const columns = [["name", say.model], ["score", readable(board.metric) || say.score], ["speed", say.speed], ["size", say.size], ["parameters", say.parameters], ["licence", say.licence]];
  for (const [key, title] of columns) {
    const cell = make("th");
    cell.scope = "col";
    if (["name", "licence"].includes(key)) cell.textContent = title;
    else {
      cell.setAttribute("aria-sort", state.sort === key ? "other" : "none");
      cell.append(button("sort", title, null, () => {
        state.sort = key;
        draw();
        root.querySelector(`[aria-sort=other] button`)?.focus();
      }));
    }
    head.append(cell);
  }
  const top = make("thead");
  top.append(head);
  const body = make("tbody");
  const fits = ([id]) => {
    const { tier, languages } = data.models[id];
    return (state.tier === ALL || tier === state.tier) && (state.language === ALL || languages.includes(state.language));
  };
  const rows = sorted(board, board.rows.filter(fits));
  const ranks = new Map(sorted(board, board.rows).map(([id], place) => [id, place + 1]));
  const lines = rows.map((row) => ({ value: row[1]?.[0], made: modelRows(board, row, state.sort === "score" ? ranks.get(row[0]) : 0) }));
  const filtered = state.tier !== ALL || state.language !== ALL;
  if (state.sort === "score" && !filtered) {
    for (const each of board.baselines) {
      const worse = lines.findIndex(({ value }) => value === undefined || (board.lower ? value > each[1][0] : value < each[1][0]));
      lines.splice(worse < 0 ? lines.length : worse, 0, { value: each[1][0], made: [baselineRow(board, each)] });
    }
  }
  body.append(...lines.flatMap((line) => line.made));
  made.append(top, body);
  return rows.length ? made : make("p", "none", say.none);
}

function draw() {
  data = props.value ? JSON.parse(props.value) : null;
  say = strings(props);
  const opened = root.contains(document.activeElement) ? document.activeElement.dataset.key : "";
  root.replaceChildren();
  if (!data) return;
  const tasks = new Map(data.tasks);
  if (!tasks.has(state.task)) state.task = data.tasks[0][0];
  const boards = tasks.get(state.task);
  const place = Math.min(state.place[state.task] || 0, boards.length - 1);
  const board = boards[place];
  const set = (change) => {
    Object.assign(state, change);
    draw();
  };
  const bar = make("div", "tasks");
  for (const task of tasks.keys()) {
    const chip = button("task", taskName(task), task === state.task, () => set({ task, sort: "score" }));
    chip.dataset.key = `task-${task}`;
    bar.append(chip);
  }
  const languages = [...new Set(Object.values(data.models).flatMap((model) => model.languages))].sort();
  const filters = make("div", "filters");
  const add = (key, made) => {
    made.querySelector("select").dataset.key = key;
    filters.append(made);
  };
  if (boards.length > 1) {
    const names = boards.map((each, number) => [String(number), dataName(each.title, say)]);
    add("data", choice(say.data, names, String(place), (value) => set({ place: { ...state.place, [state.task]: Number(value) } })));
  }
  add("language", choice(say.language, [[ALL, say.all], ...languages.map((each) => [each, each])], state.language, (language) => set({ language })));
  add("tier", choice(say.tier, [[ALL, say.all], ["embedded", say.tier_embedded], ["hub", say.tier_hub], ["remote", say.tier_remote]], state.tier, (tier) => set({ tier })));
  const direction = board.lower ? say.lower : say.higher;
  root.append(bar, filters);
  root.append(make("p", "about", board.metric ? `${dataName(board.title, say)} · ${readable(board.metric)} ${direction}` : say.nothing));
  root.append(table(board), make("p", "note", say.how));
  if (opened) root.querySelector(`[data-key="${opened}"]`)?.focus();
}

draw();
watch(["value", "label"], draw);
