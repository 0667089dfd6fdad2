// A model learning: the curve of its loss, and what it made of a few inputs at the step of the slider.
// The value is JSON (see _learning.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".learning-root");
const [WIDTH, HEIGHT, LEFT, BOTTOM] = [480, 240, 30, 34];
let timer = null;

function chart(data, say, at) {
  const steps = data.points.map(([step]) => step);
  const losses = [...data.points.map(([, , , loss]) => loss), ...data.validated.map(([, loss]) => loss)];
  const [last, low, high] = [Math.max(...steps, ...data.looks.map(([step]) => step)), Math.floor(Math.min(...losses)), Math.ceil(Math.max(...losses))];
  const x = (step) => LEFT + ((WIDTH - LEFT - 12) * Math.log2(1 + step)) / Math.log2(1 + last);
  const y = (loss) => 10 + ((HEIGHT - BOTTOM - 10) * (high - loss)) / (high - low);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img", "aria-label": say.curve });
  for (let loss = low; loss <= high; loss += 1) {
    picture.append(svg("line", { x1: LEFT, x2: WIDTH - 12, y1: y(loss), y2: y(loss), class: "grid" }), svg("text", { x: LEFT - 8, y: y(loss) + 4, "text-anchor": "end" }, String(loss)));
  }
  for (let step = 1; step <= last; step *= 10) picture.append(svg("text", { x: x(step), y: HEIGHT - 17, "text-anchor": "middle" }, step.toLocaleString()));
  picture.append(svg("text", { x: WIDTH - 12, y: HEIGHT - 2, "text-anchor": "end" }, say.axis_step), svg("text", { x: 2, y: HEIGHT - 2 }, say.axis_loss));
  const line = (points, name) => svg("polyline", { points: points.map(([step, loss]) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(" "), class: name });
  picture.append(line(data.points.map(([step, , , loss]) => [step, loss]), "training"), line(data.validated, "validation"));
  for (const [step, loss] of data.validated) picture.append(svg("circle", { cx: x(step), cy: y(loss), r: 2.6, class: "validation" }));
  const now = svg("line", { y1: 8, y2: HEIGHT - BOTTOM, class: "now" });
  picture.append(now);
  at.move = (step) => {
    now.setAttribute("x1", x(step));
    now.setAttribute("x2", x(step));
  };
  return picture;
}

function answer(output) {
  if (typeof output === "string") return make("span", output ? "text" : "text empty", output.trimStart() || "∅");
  const box = make("span", "text");
  output.forEach((guesses) => {
    const gap = make("span", "gap");
    guesses.slice(0, 4).forEach(([piece, chance]) => {
      const guess = make("span", "guess", readable(piece));
      guess.style.background = shade(chance);
      guess.append(make("small", "", ` ${share(chance)}`));
      gap.append(guess);
    });
    box.append(gap);
  });
  return box;
}

function facts(data, say) {
  const box = make("div", "told");
  const list = (title, name, rows) => {
    const section = make("section", name);
    const entries = make("ul");
    entries.append(...rows.map((row) => make("li", "", row)));
    section.append(make("h3", "", title), entries);
    return section;
  };
  box.append(list(say.data, "data", data.data.map(([name, licence]) => `${name}: ${licence}`)));
  box.append(list(say.scores, "scores", data.scores.map(([title, metric, value, low, high]) => {
    const range = low === null ? "" : ` (${say.interval} ${low.toFixed(2)} – ${high.toFixed(2)})`;
    return `${dataName(title, say)}: ${metricName(metric, say)} ${value.toFixed(2)}${range}`;
  })));
  if (data.limits) box.append(list(say.limits, "limits", [limitsOf(data.id, data.limits, say)]));
  return box;
}

function draw() {
  clearInterval(timer);
  timer = null;
  root.replaceChildren();
  const say = strings(props);
  if (!props.value) return root.append(make("p", "none", say.none));
  const data = JSON.parse(props.value);
  const at = {};
  const where = make("p", "where");
  where.setAttribute("aria-live", "polite");
  const said = make("dl");
  const range = make("input");
  Object.assign(range, { type: "range", min: 0, max: data.looks.length - 1, step: 1, value: data.looks.length - 1 });
  range.setAttribute("aria-label", say.step);
  const show = () => {
    const [step, outputs] = data.looks[Number(range.value)];
    const [, tokens, seconds, loss] = data.points.findLast(([each]) => each <= step) ?? [0, 0, 0, null];
    const figures = [`${say.step} ${step.toLocaleString()}`];
    if (loss !== null) figures.push(`${say.tokens} ${tokens.toLocaleString()}`, `${say.minutes} ${(seconds / 60).toFixed(1)}`, `${say.loss} ${loss.toFixed(2)}`, `${say.perplexity} ${Math.round(Math.exp(loss)).toLocaleString()}`);
    else figures.push(say.untrained);
    where.textContent = figures.join(" · ");
    range.setAttribute("aria-valuetext", where.textContent);
    at.move(step);
    said.replaceChildren();
    data.inputs.forEach((input, place) => {
      const cell = make("dd");
      cell.append(answer(outputs[place]));
      said.append(make("dt", "", input.replaceAll("\n", " ⏎ ")), cell);
    });
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = `▶ ${say.play}`;
  };
  const play = button("play", `▶ ${say.play}`, () => {
    if (timer) return stop();
    if (Number(range.value) >= data.looks.length - 1) range.value = 0;
    show();
    play.textContent = `❚❚ ${say.pause}`;
    timer = setInterval(() => {
      range.value = Number(range.value) + 1;
      show();
      if (Number(range.value) >= data.looks.length - 1 || !root.isConnected) stop();
    }, 900);
  });
  range.addEventListener("input", () => {
    stop();
    show();
  });
  const slider = make("div", "steps");
  slider.append(play, range);
  const legend = make("p", "legend");
  legend.append(make("span", "key training", say.training), make("span", "key validation", say.validation));
  const side = make("div");
  side.append(chart(data, say, at), legend, slider, where);
  const columns = make("div", "columns");
  columns.append(side, said);
  root.append(make("h3", "", titled(data.id, data.title, say)), columns, facts(data, say));
  show();
}

redraw(watch, draw);
