// Colours the tokens of a text by their probability; one that is clicked shows what else was likely, to go on from there.
// The value is JSON (see _tokens.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".tokens-root");
const BANDS = [[0.9, "sure"], [0.5, "likely"], [0.1, "open"], [0, "rare"]]; // lowest probability of each
let data = null;

const visible = (text) => text.replaceAll("\n", "⏎") || "∅";

function others(place, say) {
  const [text, chance, alternatives] = data.tokens[place];
  const box = make("div", "others");
  box.append(make("p", "", `${say.chosen} “${visible(text)}” ${percent(chance)}. ${say.go_on}`));
  const list = make("div", "choices");
  for (const [other, its] of alternatives) {
    const button = make("button", other === text ? "same" : "");
    button.type = "button";
    button.append(make("code", "", visible(other)), make("span", "", percent(its)));
    button.addEventListener("click", () => {
      const before = data.tokens.slice(0, place).map(([each]) => each).join("");
      props.value = JSON.stringify({ ...data, chosen: (data.beginning + before).trimStart() + other });
      trigger("input");
    });
    list.append(button);
  }
  box.append(list);
  return box;
}

function draw() {
  data = props.value ? JSON.parse(props.value) : null;
  root.replaceChildren();
  if (!data) return;
  const say = strings(props);
  const text = make("div", "text");
  const panel = make("div", "panel");
  panel.setAttribute("aria-live", "polite");
  if (data.beginning) text.append(make("span", "given", data.beginning));
  data.tokens.forEach(([piece, chance, alternatives], place) => {
    if (chance === null) return text.append(make("span", "", piece));
    const [, band] = BANDS.find(([lowest]) => chance >= lowest);
    const token = make("span", `token ${band}`, piece);
    if (alternatives.length) {
      token.tabIndex = 0;
      token.setAttribute("role", "button");
      token.setAttribute("aria-description", percent(chance));
      token.title = percent(chance);
      const open = () => {
        text.querySelectorAll(".open-now").forEach((each) => each.classList.remove("open-now"));
        token.classList.add("open-now");
        panel.replaceChildren(others(place, say));
      };
      token.addEventListener("click", open);
      token.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          open();
        }
      });
    }
    text.append(token);
  });
  const legend = make("p", "legend");
  for (const [band, range] of [["sure", "≥ 90%"], ["likely", "50–90%"], ["open", "10–50%"], ["rare", "< 10%"]]) {
    legend.append(make("span", `token ${band}`, range));
  }
  root.append(make("h3", "", say.title), legend, text, panel);
}

draw();
watch(["value", "label"], draw);
