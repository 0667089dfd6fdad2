// Draws the likeliest labels of a text as bars. The value is JSON (see _labels.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".labels-root");

const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)}%`;

function row(name, share, place) {
  const line = make("li", place ? "row" : "row first");
  const bar = make("span", "bar");
  bar.append(make("i"));
  bar.firstChild.style.width = `${100 * share}%`;
  line.append(make("span", "name", name), make("span", "share", percent(share)), bar);
  return line;
}

function draw() {
  root.replaceChildren();
  const say = strings();
  root.append(make("p", "heading", say.title));
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const name = (label) => (data.own ? label : named(label, say));
  const list = make("ol");
  list.append(...data.rows.map(([label, share], place) => row(name(label), share, place)));
  root.append(make("h2", "", name(data.rows[0][0])), list);
}

draw();
watch(["value", "label"], draw);
