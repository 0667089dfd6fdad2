// The tensors of one step of the worked example: every number, shaded by its size.
// The value is JSON (see _walkthrough.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".numbers-root");

function tensor({ name, rows, columns, values }) {
  const box = make("figure");
  const caption = make("figcaption");
  const [base, index] = name.split("_");
  caption.append(make("i", "", base));
  if (index) caption.append(make("sub", "", index));
  const finite = values.flat().filter((value) => value !== null);
  const largest = Math.max(1e-9, ...finite.map(Math.abs));
  const whole = finite.every(Number.isInteger);
  const table = make("table");
  if (columns.some((column) => column)) {
    const head = make("tr");
    head.append(make("th"), ...columns.map((column) => make("th", "", column)));
    const heading = make("thead");
    heading.append(head);
    table.append(heading);
  }
  const body = make("tbody");
  values.forEach((row, place) => {
    const line = make("tr");
    const label = make("th", "", rows[place]);
    label.scope = "row";
    line.append(label);
    for (const value of row) {
      const cell = make("td", "", value === null ? "−∞" : whole ? String(value) : value.toFixed(3).replace("-", "−"));
      if (value !== null && !whole) cell.style.background = `color-mix(in srgb, ${value < 0 ? "#f59e0b" : "#14b8a6"} ${Math.round((55 * Math.abs(value)) / largest)}%, transparent)`;
      line.append(cell);
    }
    body.append(line);
  });
  table.append(body);
  const scroll = make("div", "scroll");
  scroll.tabIndex = 0;
  scroll.append(table);
  box.append(caption, scroll);
  return box;
}

function draw() {
  root.replaceChildren();
  const say = strings(props);
  if (!props.value) return root.append(make("p", "none", say.none));
  const tables = make("div", "tables");
  tables.append(...JSON.parse(props.value).tables.map(tensor));
  root.append(tables, make("p", "legend", say.legend));
}

redraw(watch, draw);
