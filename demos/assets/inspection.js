// What the views of a forward pass share: pieces, probabilities and shades as people read them.
// SentencePiece's blank ▁ as a small dot.
const readable = (piece) => piece.replaceAll("▁", "·").replaceAll("\n", "⏎");
const written = (piece) => piece.replaceAll("▁", " ");
const isText = (piece) => !/^<.+>$|^\[[A-Z]+\]$/.test(piece);
const share = (chance) => `${100 * chance >= 9.95 ? Math.round(100 * chance) : (100 * chance).toFixed(1)}%`;
const shade = (chance) => `color-mix(in srgb, var(--color-accent) ${Math.round(100 * Math.min(1, chance))}%, transparent)`;
const button = (className, text, act) => {
  const made = make("button", className, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
};
// Another text, or another model, for the fields of the page.
const choose = (props, trigger, chosen) => {
  props.value = JSON.stringify({ ...JSON.parse(props.value), chosen });
  trigger("input");
};
const redraw = (watch, draw) => {
  draw();
  watch(["value", "label"], draw);
};
