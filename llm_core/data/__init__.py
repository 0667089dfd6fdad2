"""Data sets by name, and their rows as a model wants them.

`loaders` turns a name into rows (plain dicts), `classification` and `question_answering` turn rows into token windows.
Nothing here knows a model, an optimizer or a page.
"""
