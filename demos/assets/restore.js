// Puts back what a link holds into the fields of one frame (see _usage.py), and opens its tab; and into all others what they held
// before the page was loaded anew. Changes nothing where there is neither. Frames are [name, number of fields].
(frames) => {
  const opened = (tabs) =>
    tabs.forEach((id, depth) => {
      const open = () => [...document.querySelectorAll("[role=tab]")].filter((tab) => tab.dataset.tabId === id).at(-1)?.click();
      setTimeout(open, 400 * (depth + 1)); // a tab within another is drawn once that is open
    });
  const linked = (name, count) => {
    const written = new URLSearchParams(location.search).get("state");
    if (!written || sessionStorage.getItem("llm-core-link") === written) return null; // what was typed since then is newer
    const bytes = Uint8Array.from(atob(written.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const [frame, tabs, values] = JSON.parse(new TextDecoder().decode(bytes));
    if (frame !== name || values.length !== count) return null;
    opened(tabs);
    sessionStorage.setItem("llm-core-link", written);
    return values;
  };
  const kept = (name) => JSON.parse(sessionStorage.getItem(`llm-core-fields-${name}`));
  const values = (source, name, count) => {
    try {
      const found = source(name, count);
      return Array.isArray(found) && found.length === count ? found : null;
    } catch {
      return null; // a link that was cut off or changed, or no storage here
    }
  };
  // Read once: fields change, and are kept, as soon as the page comes up.
  window.restoredFields ??= new Map(frames.map(([name, count]) => [name, values(linked, name, count) ?? values(kept, name, count)]));
  window.keepFields ??= (name, now) => {
    try {
      sessionStorage.setItem(`llm-core-fields-${name}`, JSON.stringify(now));
    } catch {
      // no storage here, or too much for it
    }
    return [];
  };
  return frames.flatMap(([name, count]) => window.restoredFields.get(name) ?? Array(count).fill({ __type__: "update" }));
}
