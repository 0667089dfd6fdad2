"""A Transformer to read, in the shapes of BERT, Llama and Marian: token ids in, logits out; nothing of text.

config       sizes and choices; presets `bert`, `llama`, `marian`
attention    softmax(QKᵀ/√d_k)V, rotary positions
blocks       one layer          transformer   embeddings and stacks of layers
heads        a model for each kind of answer; `forward` gives logits
cache        keys and values of tokens already read
lora         low-rank adapters on linear layers and embeddings
convert/     checkpoints of the Hub, PEFT, GGUF and CTranslate2, in and out
"""
