// What all drawn views share (see _drawn.py): elements, also of SVG, percentages, a button that copies, and the strings of the view's table.
// Every text becomes a text node: nothing is ever parsed as HTML.
const make = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};
const svg = (tag, attributes = {}, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
};
const copyButton = (className, [title, done], text) => {
  const button = make("button", className, title);
  button.type = "button";
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(text());
    button.textContent = done;
  });
  return button;
};
// What visitors call a label of ours: the view's table holds the table `labels`, too. Others are called what they are.
const named = (label, say) => say[`labels.${label.toLowerCase().replace(/[^a-z]+/g, "_")}`] ?? label;
const strings = (props) => Object.fromEntries((props.label || "").split("\n").map((line) => line.split("\t")));
const percent = (share, digits = share > 0 && share < 0.1 ? 1 : 0) => `${(100 * share).toFixed(digits)}%`;
