// A label with its probability, as a bar.
const barRow = (tag, won, name, share) => {
  const row = make(tag, won ? "row bar-row won" : "row bar-row");
  const bar = make("span", "bar");
  bar.append(make("i"));
  bar.firstChild.style.width = `${100 * share}%`;
  row.append(make("span", "name", name), make("span", "share", percent(share)), bar);
  return row;
};
