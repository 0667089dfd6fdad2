// Shows how to ask for the same from elsewhere, one way at a time. The value is JSON (see _usage.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".usage-root");
const ADDRESS = "http://127.0.0.1:7860"; // as in _usage.py
let chosen = "";

function draw() {
  root.replaceChildren();
  const say = strings(props);
  if (!props.value) {
    root.append(make("p", "none", say.none));
    return;
  }
  const data = JSON.parse(props.value);
  if (data.only_here) {
    root.append(make("p", "none", say.only_here));
    return;
  }
  const here = location.origin + location.pathname.replace(/\/$/, "");
  const texts = new Map(data.examples.map(([name, text]) => [name, text.replaceAll(ADDRESS, here)]));
  const bar = make("div", "ways");
  bar.setAttribute("role", "tablist");
  const code = make("pre");
  code.tabIndex = 0;
  code.setAttribute("role", "tabpanel");
  const show = (name) => {
    chosen = name;
    code.textContent = texts.get(name);
    code.setAttribute("aria-label", say[`way_${name.toLowerCase()}`] ?? name);
    for (const tab of bar.querySelectorAll("[role=tab]")) {
      tab.setAttribute("aria-selected", tab.dataset.way === name);
      tab.tabIndex = tab.dataset.way === name ? 0 : -1;
    }
  };
  for (const name of texts.keys()) {
    const tab = make("button", "", say[`way_${name.toLowerCase()}`] ?? name);
    tab.dataset.way = name;
    tab.type = "button";
    tab.setAttribute("role", "tab");
    tab.addEventListener("click", () => show(name));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const names = [...texts.keys()];
      show(names[(names.indexOf(name) + step + names.length) % names.length]);
      bar.querySelector("[aria-selected=true]").focus();
    });
    bar.append(tab);
  }
  const copy = copyButton("copy", [say.copy, say.copied], () => code.textContent);
  root.append(bar, copy, code);
  if (data.left_out.length) root.append(make("p", "none", `${say.left_out} ${data.left_out.join(", ")}`));
  show(texts.has(chosen) ? chosen : texts.keys().next().value);
}

draw();
watch(["value", "label"], draw);
