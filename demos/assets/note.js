// The line below the model menu: what is chosen, or why it cannot be had. The value is JSON (see _models.py).
// Every text in it becomes a text node: nothing is ever parsed as HTML.
const root = element.querySelector(".note-root");

function facts(model, say, scores) {
  const size = model.elsewhere ? ["☁"] : model.parameters ? [`${model.parameters} ${say.parameters}`] : [];
  return [...size, ...scores.map((score) => scoreLine(score, say))];
}

// One model with all its facts.
function whole(model, say) {
  const { terms } = model;
  return [...facts({ ...model, elsewhere: false }, say, []), model.licence, ...model.scores.map((score) => scoreLine(score, say)), ...(terms ? [termsOf(terms, say)] : [])].join(" · ");
}

function draw() {
  root.replaceChildren();
  if (!props.value) return;
  const data = JSON.parse(props.value);
  const say = strings(props);
  const line = make("p");
  const name = (model) => make("strong", "", titled(model.id, model.title, say));
  if (data.kind === "own") line.append(say.own);
  else if (data.kind === "about") line.append(`${summarised(data.models[0].id, data.models[0].summary, say)} ${whole(data.models[0], say)}`);
  else if (data.kind === "chosen") line.append(`${say.chosen} `, name(data.models[0]), ` · ${whole(data.models[0], say)}`);
  else if (data.kind === "chosen_by_language") {
    line.append(`${say.chosen_by_language} `);
    data.models.forEach((model, place) => line.append(place ? "; " : "", name(model), ` · ${facts(model, say, model.scores.slice(0, 1)).join(" · ")}`));
  } else line.append(make("strong", "", data.kind === "none" ? say.none : say.unavailable), ` ${absence(data.absent, say)}`);
  root.append(line);
}

draw();
watch(["value", "label"], draw);
