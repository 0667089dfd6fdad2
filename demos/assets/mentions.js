// Draws the names of a text with how often they occur. The value is JSON (see _mentions.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".mentions-root");

function row([name, kind, count, sentences, score], most, say) {
  const line = make("tr");
  const title = make("th", "", name);
  title.scope = "row";
  const type = make("td");
  type.append(make("span", `kind ${kind}`, named(kind, say)));
  const times = make("td", "number");
  const bar = make("span", "bar");
  bar.style.width = `${(100 * count) / most}%`;
  times.append(make("span", "count", count), bar);
  line.append(title, type, times, make("td", "number", sentences), make("td", "number", `${Math.round(100 * score)}%`));
  return line;
}

function table(data, say) {
  const made = make("table");
  const head = make("tr");
  for (const [title, className] of [
    [say.name, ""],
    [say.kind, ""],
    [say.count, "number"],
    [say.sentences, "number"],
    [say.score, "number"],
  ]) {
    const cell = make("th", className, title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = make("tbody");
  const most = Math.max(...data.rows.map(([, , count]) => count));
  body.append(...data.rows.map((each) => row(each, most, say)));
  const top = make("thead");
  top.append(head);
  made.append(top, body);
  return made;
}

function draw() {
  root.replaceChildren();
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const say = strings(props);
  if (!data.rows.length) {
    root.append(make("p", "none", say.none));
    return;
  }
  root.append(make("h3", "", say.title), table(data, say));
  if (data.more) root.append(make("p", "none", `${say.more} ${data.more}`));
}

draw();
watch(["value", "label"], draw);
