// A label with its probability, as a bar.
const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)}%`;
const barRow = (tag, won, name, share) => {
  const row = make(tag, won ? "row bar-row won" : "row bar-row");
  const bar = make("span", "bar");
  bar.append(make("i"));
  bar.firstChild.style.width = `${100 * share}%`;
  row.append(make("span", "name", name), make("span", "share", percent(share)), bar);
  return row;
};
