"""Data sets by name, their rows as a model wants them, and batches of those.

- Rows (plain dicts): `loaders` by name, over `files` (local) and `hub`; `rows` says what each kind of task needs.
- More rows: `augmentation`, with a `lexicon`.
- Rows to token features: `classification`, `question_answering`, `tagging`; documents: `infilling`, `packing`.
- Features to batches: `batches` (which rows together), `collators` and `masking` (padding, labels); `words` for both.
- From a tagger's logits to tags: `tagging`, and `crf`, which adds what hashed `ngrams` say.

Nothing here knows a Transformer, an optimizer or a page.
"""
