"""Checkpoints in and out: the Hub's directories, PEFT adapters, GGUF and CTranslate2.

hub     load(directory, head, …) → model       save(model, directory)
peft    load(model, directory)                 save(model, directory)      low_rank(before, after, rank)
                                                                           shorten(model, rank)
configs, names   what the Hub calls our fields and our modules
"""
