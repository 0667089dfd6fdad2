// What may come next, and what temperature, top-k and top-p make of it, while the sliders move.
// The value is JSON (see _inspection.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".sampling-root");
const SHOWN = 15;
const chosenNow = { temperature: 1, topK: 0, topP: 1 };

/* As llm_core/inference/sampling.py: of logits, largest first, the probability of each to be drawn. */
function distribution(logits, temperature, topK, topP) {
  if (temperature === 0) return logits.map((_, place) => (place ? 0 : 1));
  const scaled = logits.slice(0, topK || logits.length).map((logit) => Math.exp((logit - logits[0]) / temperature));
  const total = scaled.reduce((sum, each) => sum + each, 0);
  let before = 0;
  const kept = scaled.map((each, place) => {
    const inside = place === 0 || topP >= 1 || before < topP;
    before += each / total;
    return inside ? each : 0;
  });
  const left = kept.reduce((sum, each) => sum + each, 0);
  return logits.map((_, place) => (kept[place] || 0) / left);
}

function slider(label, name, [low, high, step], describe, act) {
  const box = make("label", "slider");
  const head = make("span", "head");
  const said = make("b", "", describe(chosenNow[name]));
  head.append(make("span", "", label), said);
  const range = make("input");
  Object.assign(range, { type: "range", min: low, max: high, step, value: chosenNow[name] });
  range.addEventListener("input", () => {
    chosenNow[name] = Number(range.value);
    said.textContent = describe(chosenNow[name]);
    range.setAttribute("aria-valuetext", said.textContent);
    act();
  });
  box.append(head, range);
  return box;
}

function draw() {
  root.replaceChildren();
  const say = strings(props);
  if (!props.value) return root.append(make("p", "none", say.none));
  const data = JSON.parse(props.value);
  if (data.offer) {
    root.append(make("p", "none", say.no_next), button("offer", say.ask_decoder, () => choose(props, trigger, { model: data.offer })));
    return;
  }
  const unfiltered = distribution(data.logits, 1, 0, 1);
  let chances = unfiltered;
  const rows = make("ol", "bars");
  const facts = make("p", "facts");
  facts.setAttribute("aria-live", "polite");
  const grow = (place) => choose(props, trigger, { text: data.text + written(data.pieces[place]) });

  function show() {
    chances = distribution(data.logits, chosenNow.temperature, chosenNow.topK, chosenNow.topP);
    const allowed = chances.filter((chance) => chance > 0);
    const bits = allowed.reduce((sum, chance) => sum - chance * Math.log2(chance), 0);
    rows.replaceChildren();
    data.pieces.slice(0, SHOWN).forEach((piece, place) => {
      const row = make("li", chances[place] ? "" : "out");
      const name = make("code", "", readable(piece));
      const bar = make("span", "bar");
      const before = make("span", "before");
      const now = make("span", "now");
      before.style.width = `${100 * unfiltered[place]}%`;
      now.style.width = `${100 * chances[place]}%`;
      bar.append(before, now);
      const act = data.grows && isText(piece) ? button("piece", "", () => grow(place)) : make("span", "piece");
      if (act.type) act.title = say.append;
      act.append(name);
      row.append(act, bar, make("span", "chance", chances[place] ? share(chances[place]) : "–"));
      rows.append(row);
    });
    const rest = chances.slice(SHOWN).reduce((sum, chance) => sum + chance, 0);
    const others = Math.max(0, allowed.length - SHOWN);
    if (others) {
      const row = make("li", "rest");
      row.append(make("span", "piece", `${say.others} ${others.toLocaleString()}`), make("span", "bar"), make("span", "chance", share(rest)));
      rows.append(row);
    }
    facts.textContent = `${say.allowed} ${allowed.length.toLocaleString()} / ${data.logits.length.toLocaleString()} · ${say.entropy} ${bits.toFixed(2)}`;
  }

  function drawOne() {
    let left = Math.random();
    const place = chances.findIndex((chance) => (left -= chance) < 0);
    const piece = data.pieces[Math.max(0, place)];
    if (piece !== undefined && isText(piece)) grow(Math.max(0, place));
    else facts.textContent = `${say.drawn} ${piece === undefined ? "…" : readable(piece)}`;
  }

  const controls = make("div", "controls");
  controls.append(
    slider(say.temperature, "temperature", [0, 2, 0.05], (value) => (value ? value.toFixed(2) : `0 (${say.greedy})`), show),
    slider(say.top_k, "topK", [0, 100, 1], (value) => (value ? String(value) : say.off), show),
    slider(say.top_p, "topP", [0.05, 1, 0.05], (value) => (value < 1 ? value.toFixed(2) : say.off), show),
  );
  const so_far = make("p", "so-far");
  so_far.append(make("span", "", data.text), make("mark", "", "?"));
  const side = make("div", "side");
  side.append(controls, facts);
  if (data.grows) side.append(button("draw", say.draw_one, drawOne));
  const columns = make("div", "columns");
  columns.append(side, rows);
  root.append(so_far, columns, make("p", "legend", say.legend));
  show();
}

redraw(watch, draw);
