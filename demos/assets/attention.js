// Who looks at whom: every layer and head as a small picture, one of them large, as a matrix and as arcs.
// The value is JSON (see _inspection.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".attention-root");
const PATTERN_SHARE = 0.35;
const view = { kind: 0, layer: 0, head: 0, row: null, form: "matrix" };

/* What a head mostly looks at, if it is one thing. */
function pattern(weights, inward) {
  const size = weights.length;
  const mean = (column) => {
    const rows = weights.map((_, row) => row).filter((row) => column(row) >= 0 && column(row) < weights[row].length);
    return rows.reduce((sum, row) => sum + weights[row][column(row)], 0) / (1000 * Math.max(1, rows.length));
  };
  const found = [["first", mean(() => 0)], ["last", mean(() => weights[0].length - 1)]];
  if (inward && size > 2) found.push(["itself", mean((row) => row)], ["before", mean((row) => row - 1)], ["after", mean((row) => row + 1)]);
  const [name, mass] = found.reduce((best, each) => (each[1] > best[1] ? each : best));
  return mass >= PATTERN_SHARE ? [name, mass] : null;
}

function thumbnail(weights, colour) {
  const canvas = make("canvas");
  canvas.width = weights[0].length;
  canvas.height = weights.length;
  const paint = canvas.getContext("2d");
  paint.fillStyle = colour;
  weights.forEach((row, y) => row.forEach((weight, x) => {
    paint.globalAlpha = Math.sqrt(weight / 1000);
    paint.fillRect(x, y, 1, 1);
  }));
  return canvas;
}

function matrix(weights, rows, columns, tell) {
  const cell = Math.max(16, Math.min(34, Math.floor(520 / columns.length)));
  const [left, top] = [96, 92];
  const picture = svg("svg", { width: left + cell * columns.length + 52, height: top + cell * rows.length + 4, class: "matrix", tabindex: 0, role: "img" });
  columns.forEach((piece, x) => picture.append(svg("text", { x: 0, y: 0, transform: `translate(${left + cell * (x + 0.65)} ${top - 6}) rotate(-60)`, class: "label" }, readable(piece))));
  rows.forEach((piece, y) => picture.append(svg("text", { x: left - 6, y: top + cell * (y + 0.68), "text-anchor": "end", class: "label" }, readable(piece))));
  picture.append(svg("rect", { x: left, y: top, width: cell * columns.length, height: cell * rows.length, class: "field" }));
  weights.forEach((row, y) => row.forEach((weight, x) => {
    if (weight > 0) picture.append(svg("rect", { x: left + cell * x, y: top + cell * y, width: cell, height: cell, class: "cell", "fill-opacity": Math.sqrt(weight / 1000).toFixed(3) }));
  }));
  const cursor = svg("rect", { width: cell, height: cell, class: "cursor", visibility: "hidden" });
  picture.append(cursor);
  let at = [0, 0];
  const point = (y, x) => {
    at = [Math.max(0, Math.min(rows.length - 1, y)), Math.max(0, Math.min(columns.length - 1, x))];
    cursor.setAttribute("x", left + cell * at[1]);
    cursor.setAttribute("y", top + cell * at[0]);
    cursor.setAttribute("visibility", "visible");
    tell(...at);
  };
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const [x, y] = [Math.floor((event.clientX - box.left - left) / cell), Math.floor((event.clientY - box.top - top) / cell)];
    if (x >= 0 && y >= 0 && x < columns.length && y < rows.length) point(y, x);
  });
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    point(at[0] + step[0], at[1] + step[1]);
  });
  picture.addEventListener("focus", () => point(...at));
  return picture;
}

function arcs(weights, rows, columns, tell) {
  const [line, width, left, right] = [26, 560, 150, 410];
  const picture = svg("svg", { viewBox: `0 0 ${width} ${line * Math.max(rows.length, columns.length) + 8}`, class: "arcs", role: "group" });
  const strands = svg("g");
  const show = (chosen) => {
    strands.replaceChildren();
    weights.forEach((row, y) => row.forEach((weight, x) => {
      if (weight < 20 || (chosen !== null && y !== chosen)) return;
      const [from, to, middle] = [line * (y + 0.6), line * (x + 0.6), (left + right) / 2];
      strands.append(svg("path", { d: `M${left} ${from} C${middle} ${from} ${middle} ${to} ${right} ${to}`, class: "strand", "stroke-opacity": (weight / 1000).toFixed(3), "stroke-width": (1 + 5 * weight / 1000).toFixed(2) }));
    }));
    names.forEach((name, y) => name.classList.toggle("chosen", y === chosen));
    if (chosen !== null) tell(chosen, weights[chosen].indexOf(Math.max(...weights[chosen])));
  };
  const names = rows.map((piece, y) => {
    const name = svg("text", { x: left - 8, y: line * (y + 0.78), "text-anchor": "end", class: "label looks", tabindex: 0, role: "button", "aria-pressed": "false" }, readable(piece));
    name.addEventListener("pointerenter", () => view.row === null && show(y));
    name.addEventListener("pointerleave", () => view.row === null && show(null));
    name.addEventListener("focus", () => view.row === null && show(y));
    const pin = () => {
      view.row = view.row === y ? null : y;
      names.forEach((each, place) => each.setAttribute("aria-pressed", place === view.row));
      show(view.row);
    };
    name.addEventListener("click", pin);
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pin();
    });
    return name;
  });
  picture.append(strands, ...names, ...columns.map((piece, x) => svg("text", { x: right + 8, y: line * (x + 0.78), class: "label" }, readable(piece))));
  view.row = null;
  show(null);
  return picture;
}

function draw() {
  root.replaceChildren();
  const say = strings(props);
  if (!props.value) return root.append(make("p", "none", say.none));
  const data = JSON.parse(props.value);
  view.kind = Math.min(view.kind, data.kinds.length - 1);
  const kind = data.kinds[view.kind];
  const [rows, columns] = [data.pieces[kind.rows], data.pieces[kind.columns]];
  view.layer = Math.min(view.layer, kind.weights.length - 1);
  view.head = Math.min(view.head, kind.weights[0].length - 1);
  const inward = kind.rows === kind.columns;
  const again = (change) => {
    Object.assign(view, change);
    draw();
  };
  if (data.kinds.length > 1) {
    const bar = make("div", "bar");
    data.kinds.forEach((each, place) => {
      const name = each.rows !== each.columns ? say.across : each.rows === "encoder" ? say.in_encoder : say.in_decoder;
      const pick = button(place === view.kind ? "on" : "", name, () => again({ kind: place }));
      pick.setAttribute("aria-pressed", place === view.kind);
      bar.append(pick);
    });
    root.append(bar);
  }
  const colour = getComputedStyle(root).color;
  const grid = make("div", "heads");
  grid.style.gridTemplateColumns = `auto repeat(${kind.weights[0].length}, minmax(0, 96px))`;
  grid.append(make("span", ""), ...kind.weights[0].map((_, head) => make("span", "axis", `${say.head} ${head + 1}`)));
  kind.weights.forEach((heads, layer) => {
    grid.append(make("span", "axis", `${say.layer} ${layer + 1}`));
    heads.forEach((weights, head) => {
      const on = layer === view.layer && head === view.head;
      const pick = button(on ? "thumb on" : "thumb", undefined, () => {
        again({ layer, head });
        root.querySelector(".thumb.on").focus();
      });
      const habit = pattern(weights, inward);
      pick.setAttribute("aria-label", `${say.layer} ${layer + 1}, ${say.head} ${head + 1}${habit ? `: ${say[`habit_${habit[0]}`]} ${share(habit[1])}` : ""}`);
      pick.setAttribute("aria-pressed", on);
      pick.append(thumbnail(weights, colour));
      if (habit) pick.append(make("span", "habit", say[`habit_${habit[0]}`]));
      grid.append(pick);
    });
  });
  const weights = kind.weights[view.layer][view.head];
  const told = make("p", "told");
  told.setAttribute("aria-live", "polite");
  const tell = (y, x) => {
    told.textContent = `${readable(rows[y])} → ${readable(columns[x])}: ${(weights[y][x] / 1000).toFixed(3)}`;
  };
  const habit = pattern(weights, inward);
  const title = make("h3", "", `${say.layer} ${view.layer + 1}, ${say.head} ${view.head + 1}${habit ? ` · ${say[`habit_${habit[0]}`]} ${share(habit[1])}` : ""}`);
  const forms = make("div", "bar");
  for (const [form, name] of [["matrix", say.matrix], ["arcs", say.arcs]]) {
    const pick = button(view.form === form ? "on" : "", name, () => again({ form }));
    pick.setAttribute("aria-pressed", view.form === form);
    forms.append(pick);
  }
  const large = make("div", "large");
  large.append(view.form === "matrix" ? matrix(weights, rows, columns, tell) : arcs(weights, rows, columns, tell));
  large.firstChild.setAttribute("aria-label", `${title.textContent}. ${say.keys}`);
  told.textContent = view.form === "matrix" ? say.point_matrix : say.point_arcs;
  const detail = make("div", "detail");
  detail.append(title, forms, told, large);
  const columnsBox = make("div", "columns");
  columnsBox.append(grid, detail);
  root.append(columnsBox);
}

redraw(watch, draw);
