// Thumbs under an answer, and a comment once one is chosen. The value is JSON (see _feedback.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".feedback-root");
const WAIT_MS = 8000; // then a click counts again, if no answer came
const THUMB = "M4 10h3v10H4zM9 10l4-7a2 2 0 0 1 2 2.4L14.4 9H19a2 2 0 0 1 2 2.4l-1.3 7a2 2 0 0 1-2 1.6H9z";
let sentAt = 0;
let draft = { id: "", text: "" };

function send(data, thumbs, comment) {
  if (Date.now() - sentAt < WAIT_MS) return; // double clicks send once
  sentAt = Date.now();
  const say = strings(props);
  props.value = JSON.stringify({ ...data, thumbs, comment, language: say.language });
  trigger("input");
}

function drawing() {
  const picture = svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" });
  picture.append(svg("path", { d: THUMB }));
  return picture;
}

function thumb(data, name, say) {
  const chosen = (data.thumbs ?? data.kept) === name;
  const button = make("button", `thumb ${name}`);
  button.append(drawing(), say[`thumb_${name}`]);
  button.type = "button";
  button.dataset.part = name;
  button.setAttribute("aria-pressed", chosen);
  button.addEventListener("click", () => send(data, name, data.comment));
  return button;
}

function remark(data, say) {
  const form = make("form", "remark");
  const label = make("label", "", say.comment);
  const field = make("textarea");
  Object.assign(field, { rows: 2, maxLength: data.most, value: draft.id === data.id ? draft.text : data.comment });
  field.dataset.part = "comment";
  field.addEventListener("input", () => { draft = { id: data.id, text: field.value }; });
  label.append(field);
  const button = make("button", "", say.send);
  button.type = "submit";
  button.dataset.part = "send";
  form.append(label, button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(data, data.kept, field.value);
  });
  return form;
}

function told(data, say) {
  if (data.error) return make("p", "told bad", `✕ ${say[`error_${data.error}`]}`);
  if (!data.kept) return make("p", "told", "");
  return make("p", "told", `✓ ${data.comment ? say.kept_comment : say.kept}`);
}

function draw() {
  const focused = root.contains(document.activeElement) ? document.activeElement.dataset.part : "";
  root.replaceChildren();
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const say = strings(props);
  if (!("thumbs" in data)) sentAt = 0; // the server has answered
  const box = make("div", "box");
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", say.question);
  if (data.id) {
    const row = make("div", "row");
    row.append(make("span", "question", say.question), thumb(data, "up", say), thumb(data, "down", say));
    box.append(row);
    box.append(make("p", "note", say.told));
    if (data.dataset) box.append(make("p", "note", `${say.dataset} ${data.dataset}`));
    if (data.kept) box.append(remark(data, say));
  }
  const result = told(data, say);
  result.setAttribute("role", data.error ? "alert" : "status");
  box.append(result);
  root.append(box);
  if (focused) root.querySelector(`[data-part="${focused}"]`)?.focus();
}

draw();
watch(["value", "label"], draw);
