// Runs once, before Gradio's script.

class Fixed {}
class FixedList extends Array {}

// Events are fixed when the page is built, so nothing need watch them for changes. Svelte watches plain objects and lists,
// no others; Gradio then searches all events, watched, for each of its components: a fifth of the time until the page can
// be used.
function fix(given) {
  if (typeof given !== "object" || given === null) return;
  Object.values(given).forEach(fix);
  Object.setPrototypeOf(given, (Array.isArray(given) ? FixedList : Fixed).prototype);
}

// Parameters of endpoints are components without looks: the browser need not make any.
function leaveOutParameters({ components, page }) {
  const unseen = new Set(components.filter(({ type }) => type === "api").map(({ id }) => id));
  for (const each of Object.values(page)) {
    each.components = each.components.filter((id) => !unseen.has(id));
    each.layout.children = each.layout.children.filter(({ id }) => !unseen.has(id));
  }
}

// Gradio knows Chinese by two names; a browser that asks for it by another (zh, zh-HK, zh-Hans-CN) would get English.
function knownName(language) {
  if (!/^zh\b/i.test(language)) return language;
  return /^zh-(.*-)?(TW|HK|MO|Hant)\b/i.test(language) ? "zh-TW" : "zh-CN";
}

if (window.gradio_config) {
  fix(window.gradio_config.dependencies);
  leaveOutParameters(window.gradio_config);
}
const language = knownName(navigator.language);
if (language !== navigator.language) Object.defineProperty(navigator, "language", { value: language });
