// Draws a poem, across or downwards, with pinyin and tones if wanted. The value is JSON (see poem.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".poem-root");
const shows = { downwards: true, pinyin: false, tones: false };

function character(each, rhymes) {
  const [text, pinyin, level] = Array.isArray(each) ? each : [each, "", 0];
  const box = make("ruby", `${rhymes ? "rhyme" : ""} ${pinyin ? (level ? "level" : "oblique") : ""}`.trim(), text);
  if (pinyin) box.append(make("rt", "", pinyin));
  return box;
}

function sentence(lines) {
  const box = make("p", "sentence");
  for (const [characters, mark, rhymes] of lines) {
    const line = make("span", "line");
    characters.forEach((each, place) => line.append(character(each, rhymes && place === characters.length - 1)));
    line.append(make("span", "mark", mark));
    box.append(line);
  }
  return box;
}

function toggles(page, say) {
  const bar = make("div", "toggles");
  for (const name of Object.keys(shows)) {
    const button = make("button", "", { downwards: say.downwards, pinyin: say.pinyin, tones: say.tones }[name]);
    button.type = "button";
    const show = () => {
      page.classList.toggle(name, shows[name]);
      button.setAttribute("aria-pressed", shows[name]);
    };
    button.addEventListener("click", () => {
      shows[name] = !shows[name];
      show();
    });
    show();
    bar.append(button);
  }
  return bar;
}

function facts(data, say) {
  const list = make("p", "facts-line");
  const words = { rhymes: say.rhymes_kept, tones: say.tones_kept };
  const told = data.facts.filter(([, , all]) => all).map(([name, kept, all]) => `${words[name]} ${kept}/${all}`);
  list.textContent = (data.inForm ? [`✓ ${say.in_form}`, ...told] : [`✕ ${say.out_of_form}`]).join(" · ");
  return list;
}

function draw() {
  root.replaceChildren();
  const say = strings(props);
  if (!props.value) {
    root.append(make("p", "none", say.none));
    return;
  }
  const data = JSON.parse(props.value);
  const page = make("div", "page");
  page.lang = "zh-Hans";
  page.tabIndex = 0; // a long poem scrolls, by keyboard too
  page.setAttribute("role", "group");
  page.setAttribute("aria-label", say.result);
  const sheet = make("div", "sheet");
  if (data.title) {
    const head = make("h3", "", data.title);
    if (data.form !== data.title) head.append(make("small", "", data.form));
    sheet.append(head);
  }
  sheet.append(...data.sentences.map(sentence));
  page.append(sheet);
  const bar = toggles(page, say);
  if (data.text) bar.append(copyButton("", [say.copy, say.copied], () => data.text));
  root.append(bar, page);
  if (data.text) root.append(facts(data, say));
}

draw();
watch(["value", "label"], draw);
