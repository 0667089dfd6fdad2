// The road from data to answers, as boxes that open the view of each station; and the stations of one pass.
// It has no value: its strings are all it shows.
const root = element.querySelector(".road-root");
const STATIONS = [
  ["data", ["hood-learning"], ".data"],
  ["tokenizer", ["hood-text", "hood-pieces"]],
  ["pretraining", ["hood-learning"], ".curve"],
  ["finetuning", ["sentiment"]],
  ["measuring", ["hood-learning"], ".scores"],
  ["inference", ["hood-text", "hood-sampling"]],
];
const PASS = [
  ["tokens", ["hood-text", "hood-pieces"]],
  ["embeddings", ["hood-text", "hood-embeddings"]],
  ["attention", ["hood-text", "hood-attention"]],
  ["layers", ["hood-text", "hood-lens"]],
  ["answer", ["hood-text", "hood-sampling"]],
  ["numbers", ["hood-walk"]],
];

const tabOf = (id) => [...document.querySelectorAll("[role=tab]")].filter((tab) => tab.dataset.tabId === id).at(-1);

// A tab within another is drawn once that is open, and a view once its data is there: wait for each.
async function until(find, tries = 40) {
  for (let left = tries; left; left -= 1) {
    const found = find();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 50));
  }
  return null;
}

async function open(tabs, part) {
  let last = null;
  for (const id of tabs) {
    last = await until(() => tabOf(id));
    last?.click();
  }
  const shown = (part && (await until(() => document.querySelector(`#hood-learning-view ${part}`)))) || last;
  shown?.scrollIntoView({ behavior: "smooth", block: part ? "center" : "start" });
  last?.focus({ preventScroll: true });
}

function row(stations, name, say) {
  const list = make("ol", name);
  for (const [station, tabs, part] of stations) {
    const box = make("button");
    box.type = "button";
    box.append(make("b", "", say[`box_${station}`]), make("small", "", say[`about_${station}`]));
    box.addEventListener("click", () => open(tabs, part));
    const item = make("li");
    item.append(box);
    list.append(item);
  }
  return list;
}

function draw() {
  root.replaceChildren();
  const say = strings(props);
  const nav = make("nav");
  nav.setAttribute("aria-label", say.title);
  nav.append(make("p", "", say.road), row(STATIONS, "stations", say), make("p", "", say.pass), row(PASS, "pass", say));
  root.append(nav);
}

// Whoever comes without a text of their own meets an example, already run. It is written here, not asked for: what is typed
// before an answer came would be lost.
const seen = new IntersectionObserver(([entry]) => {
  if (!entry.isIntersecting) return;
  seen.disconnect();
  const say = strings(props);
  const field = document.querySelector("#under_the_hood .fields textarea");
  if (!field || field.value || new URLSearchParams(location.search).has("state")) return;
  field.value = say.first_example;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  setTimeout(() => document.querySelector("#under_the_hood-run").click(), 60);
});

draw();
watch(["label"], draw);
seen.observe(element);
