// A confusion matrix as a table, and figures in words; shared by drawn views (see _drawn.py).
const count = (number) => number.toLocaleString("en-US");

// f1 may be left out; words: {title, hint, truth, given}.
function matrix({ labels, counts, f1 }, words) {
  const box = make("section");
  const table = make("table", "matrix");
  const head = make("tr");
  head.append(make("td"));
  for (const label of f1 ? [...labels, "F1"] : labels) {
    const cell = make("th", "", label);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(make("thead"), make("tbody"));
  table.tHead.append(head);
  counts.forEach((row, right) => {
    const line = make("tr");
    const all = row.reduce((sum, value) => sum + value, 0);
    const title = make("th", "", labels[right]);
    title.scope = "row";
    line.append(title);
    row.forEach((value, given) => {
      const cell = make("td", given === right ? "right" : "", String(value));
      cell.style.setProperty("--share", all ? value / all : 0);
      cell.title = `${words.truth} ${labels[right]} → ${words.given} ${labels[given]}: ${value}`;
      line.append(cell);
    });
    if (f1) line.append(make("td", "f1", f1[right] === null ? "–" : f1[right].toFixed(2)));
    table.tBodies[0].append(line);
  });
  box.append(make("h3", "", words.title), make("p", "hint", words.hint), scrolling(table, words.title));
  return box;
}

// A box that a wide table scrolls in, also by the keyboard.
function scrolling(table, title) {
  const scroll = make("div", "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", title);
  scroll.append(table);
  return scroll;
}
