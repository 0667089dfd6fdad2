// What the model would say after each layer, for each piece: a table of the likeliest, shaded by probability.
// The value is JSON (see _inspection.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".lens-root");

function draw() {
  root.replaceChildren();
  const say = strings(props);
  if (!props.value) return root.append(make("p", "none", say.none));
  const data = JSON.parse(props.value);
  const panel = make("div", "panel");
  panel.setAttribute("aria-live", "polite");
  const open = (cell, layer, place) => {
    root.querySelectorAll(".open-now").forEach((each) => each.classList.remove("open-now"));
    cell.classList.add("open-now");
    const list = make("ol", "guesses");
    for (const [piece, chance] of data.layers[layer][place]) {
      const row = make("li");
      const bar = make("span", "bar");
      bar.style.width = `${Math.max(0.5, 60 * chance)}%`;
      row.append(make("code", "", readable(piece)), bar, make("span", "chance", share(chance)));
      list.append(row);
    }
    panel.replaceChildren(make("p", "", `${nameOf(layer)}, “${readable(data.pieces[place])}”:`), list);
  };
  const nameOf = (layer) => (layer ? `${say.layer} ${layer}` : say.start);
  const table = make("table");
  table.append(make("caption", "", data.ahead ? say.ahead : say.at_place));
  const head = make("tr");
  head.append(make("th", "corner", ""), ...data.pieces.map((piece) => make("th", "", readable(piece))));
  const heading = make("thead");
  heading.append(head);
  const body = make("tbody");
  for (let layer = data.layers.length - 1; layer >= 0; layer -= 1) {
    const row = make("tr");
    const name = make("th", "", nameOf(layer));
    name.scope = "row";
    row.append(name);
    data.layers[layer].forEach(([[piece, chance]], place) => {
      const cell = make("td", chance > 0.75 ? "strong" : "");
      const pick = button("", readable(piece), () => open(cell, layer, place));
      pick.style.background = shade(chance);
      pick.title = share(chance);
      pick.setAttribute("aria-label", `${readable(piece)} ${share(chance)}`);
      pick.addEventListener("pointerenter", () => open(cell, layer, place));
      pick.addEventListener("focus", () => open(cell, layer, place));
      cell.append(pick);
      row.append(cell);
    });
    body.append(row);
  }
  table.append(heading, body);
  const scroll = make("div", "scroll");
  scroll.tabIndex = 0;
  scroll.append(table);
  panel.append(make("p", "none", say.point));
  root.append(scroll, panel);
}

redraw(watch, draw);
