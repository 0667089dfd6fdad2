// Names of examples, and what Gradio says in English only, in the visitor's language: Gradio translates neither. The table of
// strings has what stands there, and what is to stand there; on an English page nothing.
const root = element.querySelector(".captions-root");
const WRITTEN = "[id$='-examples'] .gallery, .theme-buttons button";
const NAMED = ["aria-label", "title"];
const originals = new WeakMap(); // of text nodes
let say = {};

// Gradio's own node stays, so that it can go on writing into it.
function write(node) {
  const original = originals.get(node) ?? node.data.trim();
  const wanted = say[original] ?? original;
  if (node.data.trim() === wanted) return;
  originals.set(node, original);
  node.data = wanted;
}

// Of some names the end is ours, and translated already.
const BEGINS = /^(?:number input|range slider) for (?=.)/;
const captioned = (original) => {
  const [begin] = original?.match(BEGINS) ?? [""];
  return begin && say[begin.trim()] ? say[begin.trim()] + original.slice(begin.length) : say[original] ?? original;
};

function name(item, attribute) {
  const kept = `data-own-${attribute}`;
  const original = item.getAttribute(kept) ?? item.getAttribute(attribute);
  const wanted = captioned(original);
  if (item.getAttribute(attribute) === wanted) return;
  item.setAttribute(kept, original);
  item.setAttribute(attribute, wanted);
}

function apply() {
  for (const item of document.querySelectorAll(WRITTEN)) if (item.firstChild?.nodeType === Node.TEXT_NODE) write(item.firstChild);
  for (const attribute of NAMED)
    for (const item of document.querySelectorAll(`button[${attribute}], input[${attribute}], footer[${attribute}], .empty[${attribute}], .cm-editor [${attribute}]`)) name(item, attribute);
}

function draw() {
  say = strings(props);
  root.lang = say.language;
  apply();
}

draw();
watch(["label"], draw);
new MutationObserver(apply).observe(document.body, { childList: true, subtree: true });
