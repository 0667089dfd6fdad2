"""Decoding with the models of `llm_core.model`: token ids in, token ids out; nothing of text.

sampling   what may be drawn, and drawing it       generate   greedy and sampled decoding, token by token
beam       beam search                             rows       the model, its cache and its rules, row by row
packed     the same decoder, laid out for speed          tracing   every layer and head of one text, to be looked at
"""
