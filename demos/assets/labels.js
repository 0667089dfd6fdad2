// Draws the likeliest labels of a text as bars. The value is JSON (see _labels.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".labels-root");

function draw() {
  root.replaceChildren();
  const say = strings(props);
  root.append(make("p", "heading", say.title));
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const name = (label) => (data.own ? label : named(label, say));
  const list = make("ol");
  list.append(...data.rows.map(([label, share], place) => barRow("li", place === 0, name(label), share)));
  root.append(make("h2", "", name(data.rows[0][0])), list);
}

draw();
watch(["value", "label"], draw);
