// The pieces of a text as points on a plane, layer by layer; what lies close is alike to the model.
// The value is JSON (see _inspection.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".embeddings-root");
const [WIDTH, HEIGHT, EDGE] = [720, 430, 46];
const view = { stack: 0, layer: null };

function draw() {
  root.replaceChildren();
  const say = strings(props);
  if (!props.value) return root.append(make("p", "none", say.none));
  const data = JSON.parse(props.value);
  view.stack = Math.min(view.stack, data.stacks.length - 1);
  const { pieces, maps } = data.stacks[view.stack];
  const layer = Math.min(view.layer ?? maps.length - 1, maps.length - 1);
  if (data.stacks.length > 1) {
    const bar = make("div", "bar");
    data.stacks.forEach(({ name }, place) => {
      const pick = button(place === view.stack ? "on" : "", name === "encoder" ? say.read : say.written, () => {
        view.stack = place;
        draw();
      });
      pick.setAttribute("aria-pressed", place === view.stack);
      bar.append(pick);
    });
    root.append(bar);
  }
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plane", role: "img" });
  const dots = pieces.map((piece, place) => {
    const group = svg("g", { class: isText(piece) ? "dot" : "dot special" });
    group.append(svg("circle", { r: 5 }), svg("text", { x: 8, y: 4 }, readable(piece)), svg("title", {}, `${place + 1}: ${readable(piece)}`));
    picture.append(group);
    return group;
  });
  const where = make("p", "facts");
  where.setAttribute("aria-live", "polite");
  const range = make("input");
  Object.assign(range, { type: "range", min: 0, max: maps.length - 1, step: 1, value: layer });
  range.setAttribute("aria-label", say.layer);
  const show = () => {
    const chosen = Number(range.value);
    const { points, explained } = maps[chosen];
    const scale = (axis, size) => {
      const values = points.map((point) => point[axis]);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return (value) => EDGE + ((size - 2 * EDGE) * (high > low ? (value - low) / (high - low) : 0.5));
    };
    const [x, y] = [scale(0, WIDTH - 60), scale(1, HEIGHT)];
    points.forEach(([a, b], place) => { dots[place].style.transform = `translate(${x(a).toFixed(1)}px, ${(HEIGHT - y(b)).toFixed(1)}px)`; });
    where.textContent = `${chosen ? `${say.after_layer} ${chosen}` : say.input} · ${say.explained} ${share(explained)}`;
    range.setAttribute("aria-valuetext", where.textContent);
  };
  range.addEventListener("input", () => {
    view.layer = Number(range.value);
    show();
  });
  const slider = make("label", "layers");
  slider.append(make("span", "", say.layer), range);
  root.append(slider, where, picture, make("p", "legend", say.legend));
  show();
}

redraw(watch, draw);
