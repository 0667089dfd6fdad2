() => {
  // Screen readers hear errors and the state of a request.
  document.querySelectorAll(".block.problem").forEach((element) => element.setAttribute("role", "alert"));
  document.querySelectorAll(".status").forEach((element) => element.setAttribute("aria-live", "polite"));
  // Ctrl+Enter (or Cmd+Enter) runs the tab one types in; Escape stops it.
  document.addEventListener("keydown", (event) => {
    const bench = event.target.closest?.(".workbench");
    if (!bench) return;
    const press = (selector) => bench.querySelector(selector)?.click();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopPropagation();
      press("button.run");
    } else if (event.key === "Escape") {
      press("button.stop:not(:disabled)");
    }
  }, true);
}
