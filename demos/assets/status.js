// Draws the status line of a run, and other lines of facts. The value is JSON (see _status.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".status-root");

function piece(given, say) {
  if (typeof given === "string") return given;
  return given.say ? say[given.say] ?? given.say : titled(given.model, given.title, say);
}

function draw() {
  const say = strings(props);
  const { parts = [], warning } = props.value ? JSON.parse(props.value) : {};
  const told = (pieces) => pieces.map((each) => piece(each, say)).join(" ");
  root.replaceChildren(...parts.map((part) => make("span", "", told(part))));
  if (warning) root.append(make("span", "instead", told(warning)));
}

draw();
watch(["value", "label"], draw);
