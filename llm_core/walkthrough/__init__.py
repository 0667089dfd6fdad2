"""One sentence through a tiny Transformer, number by number, each computed by hand and held against the model.

    walk("zh")                        我 喜欢 吃 水果
    walk("en")                        I like eating fruit
    walk(["she", "likes", "drinking"])  any words of the tiny vocabulary

The model is a decoder as in the first paper (arXiv:1706.03762), one layer of two heads, because its parts read best as
formulas: positions are sines that are added, each residual is followed by its LayerNorm, the feed-forward is
max(0, xW + b). (Llama's rotary positions, RMSNorm and SwiGLU would each need a formula of their own.) It is trained
here, in a second, on a handful of sentences in which who does what decides the next word.

model     the tiny models and their sentences       forward   what the model itself computes
by_hand   the same in matrix arithmetic             words     explanations in English and Chinese
steps     both, compared, as `Step`s                terminal  steps as text

The package knows no page: steps are plain values that go through JSON.
"""

from llm_core.walkthrough.steps import Step, Table, from_json, to_json, walk

__all__ = ["Step", "Table", "from_json", "to_json", "walk"]
