// Hide a word, and see what the model takes it for. Hiding one, or filling a gap, is a new request.
// The value is JSON (see _inspection.py). Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".masked-root");

function draw() {
  root.replaceChildren();
  const say = strings(props);
  if (!props.value) return root.append(make("p", "none", say.none));
  const data = JSON.parse(props.value);
  const characters = Array.from(data.text);
  const put = (start, end, text) => choose(props, trigger, { text: [...characters.slice(0, start), text, ...characters.slice(end)].join(""), model: data.model });
  const sentence = make("p", "sentence");
  const gaps = [];
  let at = 0;
  for (const [piece, start, end] of data.pieces) {
    if (end <= start || start < at) continue; // covers nothing, or what another byte of the character has shown
    const blanks = characters.slice(start, end).findIndex((each) => each.trim());
    const first = start + Math.max(0, blanks);
    sentence.append(characters.slice(at, first).join(""));
    const its = characters.slice(first, end).join("");
    at = end;
    if (its === data.mask) {
      gaps.push([first, end]);
      sentence.append(make("mark", "", `${gaps.length}`));
    } else if (its.trim()) {
      const pick = button("piece", its, () => put(first, end, data.mask));
      pick.setAttribute("aria-label", `${say.hide} ${its}`);
      sentence.append(pick);
    } else sentence.append(its);
  }
  sentence.append(characters.slice(at).join(""));
  root.append(sentence);
  if (!data.hidden.length) {
    root.append(make("p", "none", data.guesses ? say.click : say.click_other));
    return;
  }
  const lists = make("div", "gaps");
  data.hidden.forEach((guesses, gap) => {
    const [start, end] = gaps[gap] ?? [0, 0];
    const box = make("div", "gap");
    box.append(make("h3", "", `${say.gap} ${gap + 1}`));
    const list = make("ol", "guesses");
    for (const [piece, chance] of guesses) {
      const row = make("li");
      const bar = make("span", "bar");
      bar.style.width = `${Math.max(0.5, 60 * chance)}%`;
      const name = isText(piece) && gaps[gap] ? button("piece", readable(piece), () => put(start, end, written(piece).trim())) : make("span", "piece", readable(piece));
      if (name.type) name.title = say.fill;
      row.append(name, bar, make("span", "chance", share(chance)));
      list.append(row);
    }
    box.append(list);
    lists.append(box);
  });
  root.append(lists, make("p", "legend", say.legend));
}

redraw(watch, draw);
