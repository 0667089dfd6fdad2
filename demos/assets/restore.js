// Puts back, into some of the fields of one frame, what a link holds (see _usage.py; it opens the frame's tab as well), or else
// what they held before the page was loaded anew (see keep.js). Changes nothing where there is neither.
(name, count, from, to) => {
  const frames = (window.restoredFrames ??= new Map());
  const opened = (tabs) =>
    tabs.forEach((id, depth) => {
      const open = () => [...document.querySelectorAll("[role=tab]")].filter((tab) => tab.dataset.tabId === id).at(-1)?.click();
      setTimeout(open, 400 * (depth + 1)); // a tab within another is drawn once that is open
    });
  const linked = () => {
    const written = new URLSearchParams(location.search).get("state");
    if (!written || sessionStorage.getItem("llm-core-link") === written) return null; // what was typed since then is newer
    const bytes = Uint8Array.from(atob(written.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const [frame, tabs, values] = JSON.parse(new TextDecoder().decode(bytes));
    if (frame !== name || values.length !== count) return null;
    opened(tabs);
    sessionStorage.setItem("llm-core-link", written);
    return values;
  };
  const kept = () => JSON.parse(sessionStorage.getItem(`llm-core-fields-${name}`));
  const read = (source) => {
    try {
      const values = source();
      return Array.isArray(values) && values.length === count ? values : null;
    } catch {
      return null; // a link that was cut off or changed, or no storage here
    }
  };
  if (!frames.has(name)) frames.set(name, read(linked) ?? read(kept));
  return frames.get(name)?.slice(from, to) ?? Array(to - from).fill({ __type__: "update" });
}
