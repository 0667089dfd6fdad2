// Draws a text with labels on its stretches. The value is JSON (see _labels.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".marked-root");

function piece([text, label], say) {
  if (!label) return document.createTextNode(text);
  const mark = make("mark", label, text);
  mark.append(make("span", "tag", named(label, say)));
  return mark;
}

function draw() {
  root.replaceChildren();
  const say = strings(props);
  root.append(make("p", "heading", say.title));
  if (!props.value) return;
  const text = make("p", "text");
  text.append(...JSON.parse(props.value).pieces.map((each) => piece(each, say)));
  root.append(text);
}

draw();
watch(["value", "label"], draw);
