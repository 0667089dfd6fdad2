// The tour's own controls (see tour.py): next and back by button or key, the speaker's notes, the whole screen.
// Steps are Gradio's; this names the one to show, and at the end opens the tab whose button is pressed. Every text becomes a text node.
const root = element.querySelector(".tour-root");
const tour = () => document.getElementById("tour");
const heads = () => [...document.querySelectorAll('[id^="tour-step-"][id$="-button"]')];
const run = (place) => document.getElementById(`tour-${place}-run`);
const started = new Set();
let place = 0;
let notes = null; // the speaker's own window
let buttons = {};

function go(to) {
  const next = Math.max(0, Math.min(heads().length - 1, to));
  props.value = String(next);
  trigger("input");
  entered(next);
}

// A step that is seen for the first time answers by itself.
function entered(step) {
  place = step;
  refresh();
  if (started.has(step)) return;
  started.add(step);
  const press = (tries) => (run(step)?.offsetParent ? run(step).click() : tries && setTimeout(press, 100, tries - 1));
  press(30);
}

function refresh() {
  buttons.back.disabled = place === 0;
  buttons.next.disabled = place >= heads().length - 1;
  buttons.position.textContent = `${place + 1} / ${Math.max(1, heads().length)}`;
  if (!notes || notes.closed) return;
  const page = notes.document;
  const said = document.querySelector(`#tour-step-${place} .block.speaker-notes`);
  page.title = document.title;
  page.body.replaceChildren();
  const heading = page.createElement("h1");
  heading.textContent = `${buttons.position.textContent}  ${document.querySelector(`#tour-step-${place} .block.tour-title`)?.textContent.trim() ?? ""}`;
  const text = page.createElement("p");
  text.textContent = said?.textContent.trim() ?? "";
  page.body.style.cssText = "font: 22px/1.6 system-ui, sans-serif; margin: 32px; max-width: 40em";
  page.body.append(heading, text);
}

function showNotes() {
  const shown = tour().classList.toggle("with-notes");
  buttons.notes.setAttribute("aria-pressed", String(shown));
}

function button(name, text, act) {
  const made = make("button", name, text);
  made.type = "button";
  made.addEventListener("click", act);
  buttons[name] = made;
  return made;
}

function draw() {
  const say = strings(props);
  root.replaceChildren();
  buttons = { position: make("span", "position", "") };
  buttons.position.setAttribute("aria-live", "polite");
  root.append(
    button("back", `← ${say.back}`, () => go(place - 1)),
    buttons.position,
    button("next", `${say.next} →`, () => go(place + 1)),
    button("notes", say.notes, showNotes),
    button("window", say.notes_window, () => {
      notes = window.open("", "tour-notes", "width=640,height=420");
      refresh();
    }),
    button("screen", say.whole_screen, () => (document.fullscreenElement ? document.exitFullscreen() : tour().requestFullscreen())),
    make("span", "keys", say.keys),
  );
  buttons.notes.setAttribute("aria-pressed", "false");
  refresh();
}

document.addEventListener("click", (event) => {
  const onward = event.target.closest?.('[id^="tour-to-"]');
  if (onward) document.getElementById(`tab-${onward.id.slice("tour-to-".length)}-button`)?.click();
  const step = heads().findIndex((head) => head.contains(event.target));
  if (step >= 0) entered(step);
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (!tour()?.offsetParent && document.fullscreenElement !== tour()) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(place)?.click();
  else if (event.key === "Escape") document.querySelector(`#tour-${place}-stop:not(:disabled)`)?.click();
  else if (event.key === "PageDown" || (!typing && event.key === "ArrowRight")) go(place + 1);
  else if (event.key === "PageUp" || (!typing && event.key === "ArrowLeft")) go(place - 1);
  else if (!typing && event.key.toLowerCase() === "n") showNotes();
  else return;
  event.preventDefault();
});

draw();
watch(["label"], draw);
