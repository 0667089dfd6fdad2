// How a tokenizer cuts a text: the pieces in the text, and each with its id, characters and probability.
// The value is JSON (see _inspection.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".pieces-root");
const textual = (column) => (column === 1 || column === 4 ? "text" : "");

function draw() {
  root.replaceChildren();
  const say = strings(props);
  if (!props.value) return root.append(make("p", "none", say.none));
  const stacks = JSON.parse(props.value).stacks;
  for (const { name, text, pieces } of stacks) {
    const characters = Array.from(text);
    const part = make("section");
    if (stacks.length > 1) part.append(make("h3", "", name === "encoder" ? say.read : say.written));
    const chips = make("div", "chips");
    const table = make("table");
    const rows = pieces.map(([piece, id, start, end, chance], place) => {
      const row = make("tr");
      const range = end > start ? `${start}–${end}` : "–";
      const its = characters.slice(start, end).join("");
      const cells = [place + 1, readable(piece), id.toLocaleString(), range, its ? `“${its}”` : say.nothing, chance === null ? "–" : `1 / ${Math.round(1 / chance).toLocaleString()}`];
      row.append(...cells.map((cell, column) => make("td", textual(column), String(cell))));
      return row;
    });
    const chipsOf = pieces.map(([piece, id, start, end], place) => {
      const chip = make("span", `chip tint-${place % 4}${isText(piece) ? "" : " special"}`);
      chip.tabIndex = 0;
      chip.append(make("b", "", readable(piece)), make("small", "", String(id)));
      const point = () => {
        rows.forEach((row, other) => row.classList.toggle("on", other === place));
        chipsOf.forEach((each, other) => each.classList.toggle("on", other === place));
      };
      chip.addEventListener("pointerenter", point);
      chip.addEventListener("focus", point);
      rows[place].addEventListener("pointerenter", point);
      return chip;
    });
    chips.append(...chipsOf);
    const real = pieces.filter(([, , start, end]) => end > start).length;
    const facts = `${say.characters} ${characters.length} · ${say.pieces} ${pieces.length} · ${say.per_piece} ${(characters.length / Math.max(1, real)).toFixed(1)}`;
    const heading = make("thead");
    const head = make("tr");
    head.append(...[say.place, say.piece, say.id, say.range, say.covers, say.chance].map((title, column) => make("th", textual(column), title)));
    heading.append(head);
    const body = make("tbody");
    body.append(...rows);
    table.append(heading, body);
    const scroll = make("div", "scroll");
    scroll.tabIndex = 0;
    scroll.append(table);
    part.append(chips, make("p", "facts", facts), scroll);
    root.append(part);
  }
  root.append(make("p", "legend", say.legend));
}

redraw(watch, draw);
