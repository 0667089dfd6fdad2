// What the catalogue says, in the visitor's language where the view's table has it (see _model_words.py), else as it is.
const titled = (id, title, say) => say[`model_title.${id.startsWith("own-") ? "own" : id}`] ?? title;
const summarised = (id, summary, say) => say[`model_summary.${id}`] ?? summary;
const limitsOf = (id, limits, say) => say[`model_limits.${id}`] ?? limits;
const dataName = (name, say) => say[`measured.${name}`] ?? name;
const termsOf = (terms, say) => say[`terms.${terms}`] ?? terms;
const SPELT = { f1: "F1", bleu: "BLEU", chrf: "chrF" };
// Names of labels in brackets stay.
const metricName = (metric, say) => {
  const [, name, rest] = metric.match(/^([^[]*)(.*)$/);
  return (say[`metric.${name}`] ?? name.split("_").map((word) => SPELT[word] ?? word).join(" ")) + rest;
};
const scoreText = (value) => value.toFixed(value < 10 ? 3 : 1);
const scoreLine = ([name, metric, value], say) => `${dataName(name, say)}: ${metricName(metric, say)} ${scoreText(value)}`;
// Why something cannot be had, and what would help.
const absence = (parts, say) => parts.map(([name, detail]) => (name ? `${say[`absent.${name}`]} ${detail}` : detail).trim()).join(" ");
