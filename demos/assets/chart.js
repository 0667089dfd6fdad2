// Lines in a frame with axes, as SVG; shared by drawn views (see _drawn.py).
// lines: [{points: [[x, y], …], mark: [x, y] or nothing}]; x and y: {from, to, ticks, title, show: value => text}.
// The line of number n has the classes "line n"; its title is read to those who do not see it.
function lineChart({ lines, x, y, title }) {
  const [width, height, left, right, top, bottom] = [420, 210, 46, 18, 24, 36];
  const across = (value) => left + ((value - x.from) / (x.to - x.from)) * (width - left - right);
  const up = (value) => height - bottom - ((value - y.from) / (y.to - y.from)) * (height - bottom - top);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": title });
  for (const tick of y.ticks) {
    picture.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: up(tick), y2: up(tick) }));
    picture.append(svg("text", { x: left - 6, y: up(tick) + 4, "text-anchor": "end" }, y.show(tick)));
  }
  for (const tick of x.ticks) {
    picture.append(svg("text", { x: across(tick), y: height - bottom + 15, "text-anchor": "middle" }, x.show(tick)));
  }
  picture.append(svg("text", { class: "axis", x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, x.title));
  picture.append(svg("text", { class: "axis", x: 2, y: 12 }, y.title));
  lines.forEach(({ points, mark }, number) => {
    const path = points.map(([a, b]) => `${across(a).toFixed(1)},${up(b).toFixed(1)}`).join(" ");
    picture.append(svg("polyline", { class: `line n${number}`, points: path }));
    if (mark) picture.append(svg("circle", { class: `line n${number}`, cx: across(mark[0]), cy: up(mark[1]), r: 4.5 }));
  });
  return picture;
}
