"""What each step of the worked example is called and says, in English and Chinese, and which tensors it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """A step without its numbers."""

    name: str
    title: Mapping[str, str]
    formula: str
    explanation: Mapping[str, str]
    tensors: Mapping[str, str]
    """Names in `by_hand.computed`, and what they are called in the formula."""


def _says(name: str, formula: str, tensors: Mapping[str, str], en: tuple[str, str], zh: tuple[str, str]) -> Wording:
    titles, explanations = {"en": en[0], "zh": zh[0]}, {"en": en[1], "zh": zh[1]}
    return Wording(name, titles, formula, explanations, tensors)


STEPS = (
    _says(
        "tokens",
        r"w_1 w_2 \cdots w_T \mapsto (t_1, t_2, \ldots, t_T)",
        {"ids": "t"},
        (
            "Words and ids",
            "The text is cut from the left into the longest words that the vocabulary has, and each word becomes its "
            "number there. Real tokenizers cut into smaller pieces, so that no text is unknown to them.",
        ),
        (
            "分词与编号",
            "从左到右按词表中最长的词切分文本，再把每个词换成它在词表中的编号。真实的分词器会切成更小的子词，因此不会遇到无法表示的文本。",
        ),
    ),
    _says(
        "embedding",
        r"E[t]",
        {"E[ids]": "E[t]"},
        (
            "Embedding",
            "Each id picks its row of the embedding table E, learned in training: a word is now a point in a space of "
            "8 dimensions.",
        ),
        ("词嵌入", "每个编号取出嵌入表 E 中对应的一行，这张表是训练得到的：一个词就成了 8 维空间中的一个点。"),
    ),
    _says(
        "positions",
        r"X = \sqrt{d}\,E[t] + P, \quad P_{p,i} = \sin(p / 10000^{2i/d}), \quad "
        r"P_{p,\,i+d/2} = \cos(p / 10000^{2i/d}), \quad 0 \le i < d/2",
        {"P": "P", "x": "X"},
        (
            "Positions",
            "Attention alone does not see the order of words. So each position p, counted from 0, adds a pattern of "
            "sines and cosines of its own; the factor √d keeps the words from being drowned by it.",
        ),
        (
            "位置编码",
            "注意力本身看不出词的先后。因此每个位置 p（从 0 数起）都加上一组"
            "独有的正弦和余弦；系数 √d 使词向量不被位置编码淹没。",
        ),
    ),
    _says(
        "query-key-value",
        r"Q = X W_Q^\top + b_Q, \quad K = X W_K^\top + b_K, \quad V = X W_V^\top + b_V",
        {"Q": "Q", "K": "K", "V": "V"},
        (
            "Query, key, value",
            "Three linear maps give each word a query (what it looks for), a key (what it is found by) and a value "
            "(what it passes on). Each of the two heads has its own half of the columns.",
        ),
        (
            "查询、键、值",
            "三个线性变换分别给出每个词的查询（要找什么）、键（凭什么被找到）和值（传递什么）。两个注意力头各用其中一半的列。",
        ),
    ),
    _says(
        "scores",
        r"S_h = Q_h K_h^\top / \sqrt{d_k}",
        {"scores": "S"},
        (
            "Scores",
            "Row i, column j: how well the query of word i meets the key of word j, as a dot product. Dividing by "
            "√d_k (here √4 = 2) keeps scores from growing with the width of a head.",
        ),
        (
            "注意力分数",
            "第 i 行第 j 列是第 i 个词的查询与第 j 个词的键的点积，表示二者有多匹配。"
            "除以 √d_k（这里 √4 = 2），使分数不随头的宽度增大。",
        ),
    ),
    _says(
        "mask",
        r"M_{h,ij} = S_{h,ij} \text{ if } j \le i, \text{ else } -\infty",
        {"masked": "M"},
        (
            "Causal mask",
            "A word that is to predict the next one must not see it: scores of later words become −∞, which softmax "
            "turns into exactly 0.",
        ),
        ("因果掩码", "要预测下一个词，就不能先看到它：后面各词的分数换成 −∞，经 softmax 后恰好为 0。"),
    ),
    _says(
        "weights",
        r"A_h = \mathrm{softmax}(M_h), \quad A_{h,ij} = e^{M_{h,ij}} / \textstyle\sum_k e^{M_{h,ik}}",
        {"A": "A"},
        (
            "Attention weights",
            "Softmax makes each row positive (or 0 where masked) and sum to 1: how word i divides its attention among "
            "the words so far. The two heads look at different things.",
        ),
        (
            "注意力权重",
            "softmax 把每一行变成非负且和为 1 的权重：第 i 个词如何把注意力分给它和前面的词。两个头关注的内容不同。",
        ),
    ),
    _says(
        "weighted-sum",
        r"Z_h = A_h V_h",
        {"Z": "Z"},
        ("Weighted sum", "Each word gathers the values of the words it looks at, in the shares just found."),
        ("加权求和", "每个词按刚得到的权重，把所关注各词的值加起来。"),
    ),
    _says(
        "output-projection",
        r"O = [Z_1; Z_2]\, W_O^\top + b_O",
        {"a": "O"},
        ("Output projection", "The heads are put side by side, and a linear map mixes what they found."),
        ("输出投影", "把两个头的结果并排拼接，再用一个线性变换混合起来。"),
    ),
    _says(
        "attention-residual",
        r"H = \mathrm{LN}(X + O), \quad "
        r"\mathrm{LN}(x) = \gamma \odot (x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta",
        {"x + a": "X + O", "h": "H"},
        (
            "Residual and norm",
            "What attention found is added to what the word was. LayerNorm then brings each row to mean 0 and variance "
            "1, and scales and shifts it as learned.",
        ),
        (
            "残差与归一化",
            "把注意力的结果加到原来的词向量上；LayerNorm 再把每一行变为均值 0、方差 1，并按学到的参数缩放和平移。",
        ),
    ),
    _says(
        "feed-forward",
        r"U = \max(0,\, H W_1^\top + b_1), \quad F = U W_2^\top + b_2",
        {"u": "U", "f": "F"},
        (
            "Feed-forward",
            "Each word by itself goes through a wider layer of 16, where what is negative becomes 0, and back to 8.",
        ),
        ("前馈网络", "每个词各自经过一个更宽的 16 维隐层（负数变为 0），再回到 8 维。"),
    ),
    _says(
        "feed-forward-residual",
        r"Y = \mathrm{LN}(H + F)",
        {"h + f": "H + F", "y": "Y"},
        ("Residual and norm again", "Added and normalised as before: the output of the layer."),
        ("再次残差与归一化", "同样相加并归一化，得到这一层的输出。"),
    ),
    _says(
        "logits",
        r"L = Y E^\top",
        {"logits": "L"},
        (
            "Logits",
            "Each output is compared with every word's embedding by a dot product: one score for each word that may "
            "come next. The table E is the one that was read from.",
        ),
        (
            "逻辑值",
            "每个输出与词表中所有词的嵌入做点积，得到每个词作为下一个词的分数。这里的 E 就是前面查表所用的同一张表。",
        ),
    ),
    _says(
        "softmax",
        r"p_{ij} = e^{L_{ij}} / \textstyle\sum_k e^{L_{ik}}",
        {"p": "p"},
        (
            "Probabilities",
            "Softmax turns the scores of each row into probabilities of the next word, which sum to 1.",
        ),
        ("概率", "softmax 把每一行的分数变成下一个词的概率，其和为 1。"),
    ),
    _says(
        "cross-entropy",
        r"\ell_i = -\ln p_{i,\,t_{i+1}}, \quad \bar\ell = \tfrac{1}{n} \textstyle\sum_{i=1}^{n} \ell_i",
        {"loss": r"\ell", "mean loss": r"\bar\ell"},
        (
            "Cross-entropy",
            "The surprise at the word that does come next, in nats: 0 if it was certain. The word after the last is "
            "the full stop. The mean is what training makes small.",
        ),
        (
            "交叉熵",
            "模型对真正出现的下一个词有多“意外”，单位是奈特；若完全确定则为 0。"
            "最后一个词之后是句号。训练要减小的就是它们的平均值。",
        ),
    ),
)
"""In the order of the computation."""
