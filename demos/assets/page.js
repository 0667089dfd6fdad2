() => {
  // Screen readers hear errors, the state of a request and short answers, also those of tabs that are drawn later.
  const HEARD = [
    [".block.problem", { role: "alert" }],
    [".block.status", { role: "status" }],
    [".block.verdict, .results .block:has(> .container > h2)", { "aria-live": "polite" }],
    // Gradio's editor can be typed in, but not every check of the keyboard's way knows.
    [".cm-content[contenteditable=true]", { tabindex: "0" }],
    // Its pictures beside a word repeat the word, its empty results have a name without a role, its search field a hint only.
    ["footer img", { alt: "" }],
    [".empty[aria-label]", { role: "img" }],
    // On a phone a step that is done shows a tick in place of its number and name.
    [".step-button", { "aria-label": (step) => step.textContent.trim() || `${Number(step.dataset.tabId) + 1} ✓` }],
    ["input.search-input", { "aria-label": (field) => field.title || field.placeholder }],
  ];
  const mark = () => {
    for (const [selector, attributes] of HEARD)
      for (const element of document.querySelectorAll(selector))
        for (const [name, given] of Object.entries(attributes)) {
          const value = typeof given === "function" ? given(element) : given;
          if (element.getAttribute(name) !== value) element.setAttribute(name, value);
        }
    darkenCode();
    nameWindow();
  };
  // The window is called as the page is, in the language that was chosen; screen readers are told which that is.
  const nameWindow = () => {
    const name = document.querySelector("#title h1")?.textContent.trim();
    if (!name) return;
    if (document.title !== name) document.title = name;
    const language = /\p{Script=Han}/u.test(name) ? "zh" : "en";
    if (!document.documentElement.lang.startsWith(language)) document.documentElement.lang = language;
  };
  let waiting = 0;
  new MutationObserver(() => (waiting ||= setTimeout(() => ((waiting = 0), mark()), 400))).observe(document.body, {
    childList: true,
    subtree: true,
  });

  // Colours of code that are too pale on white (below 4.5 : 1, WCAG 2.2 AA) are darkened; the editor has no setting for them.
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const readable = (rgb) => {
    while (1.05 / (luminance(rgb) + 0.05) < 4.5) rgb = rgb.map((c) => c * 0.95);
    return `rgb(${rgb.map(Math.floor).join(", ")})`;
  };
  const ours = document.head.appendChild(document.createElement("style"));
  let darkened = 0;
  const darkenCode = () => {
    if (document.body.classList.contains("dark") || !document.querySelector(".cm-editor")) return;
    const sheets = [...document.styleSheets, ...document.adoptedStyleSheets].filter((sheet) => sheet.ownerNode !== ours && !sheet.href);
    const rules = sheets.flatMap((sheet) => [...sheet.cssRules]).filter((rule) => /^\.ͼ\w+$/.test(rule.selectorText ?? "") && rule.style.color.startsWith("rgb("));
    if (rules.length === darkened) return;
    darkened = rules.length;
    ours.textContent = rules.map((rule) => `.cm-line ${rule.selectorText} { color: ${readable(rule.style.color.match(/\d+/g).map(Number))} }`).join("\n");
  };
  mark();

  // The link before everything else leads past the tabs.
  document.querySelector(".skip a")?.addEventListener("click", (event) => {
    event.preventDefault();
    const panel = [...document.querySelectorAll("#tabs > [role=tabpanel]")].find((each) => each.offsetParent);
    panel?.setAttribute("tabindex", "-1");
    panel?.focus();
  });

  // A page that is loaded anew, and by no link, opens where it was.
  const PLACE = "llm-core-tabs";
  const openTabs = () => [...document.querySelectorAll("#tabs [role=tab][aria-selected=true]")].filter((tab) => tab.offsetParent);
  document.addEventListener("click", (event) => {
    if (event.isTrusted && event.target.closest?.("#tabs [role=tab]"))
      setTimeout(() => sessionStorage.setItem(PLACE, JSON.stringify(openTabs().map((tab) => tab.dataset.tabId))), 100);
  });
  const reopen = ([id, ...inner]) => {
    const tab = [...document.querySelectorAll("#tabs [role=tab]")].find((each) => each.dataset.tabId === id && each.offsetParent);
    if (tab && tab.ariaSelected !== "true") tab.click();
    if (inner.length) setTimeout(() => reopen(inner), 400); // drawn once that is open
  };
  try {
    if (!new URLSearchParams(location.search).has("state")) reopen(JSON.parse(sessionStorage.getItem(PLACE)) ?? [""]);
  } catch {
    // no storage here, or not ours
  }

  // Ctrl+Enter (or Cmd+Enter) runs the frame or panel one is in; Escape stops it, or else what runs in sight.
  document.addEventListener("keydown", (event) => {
    const near = event.target.closest?.(".compare-panel, .batch-panel, .workbench");
    const seen = (button) => button.offsetParent !== null;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && near) {
      event.preventDefault();
      event.stopPropagation();
      near.querySelector("button.run:not(:disabled)")?.click();
    } else if (event.key === "Escape" && event.target.getAttribute?.("aria-expanded") !== "true") {
      const running = (place) => [...place.querySelectorAll("button.stop:not(:disabled)")].find(seen);
      ((near && running(near)) ?? running(document.querySelector("#tabs") ?? document))?.click();
    }
  }, true);
}
