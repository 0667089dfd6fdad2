"""The rarer rules that input can break, and what is said of them: keys of the table ``rule``.

``tests/conformance/test_rules.py`` names each rule of a task that is not here.
"""

from __future__ import annotations

_N = r"([\d,]+)"
RULES: tuple[tuple[str, str, str], ...] = (
    (r"is locked by a password", "locked", ""),
    (rf"must have at most {_N} pages, it has {_N}", "pages", r"\2 > \1"),
    (rf"must have at most {_N} characters .*it has {_N}", "characters", r"\2 > \1"),
    (rf"must have at most {_N} characters", "characters", r"≤ \1"),
    (rf"row {_N}: a cell must have at most {_N} characters", "cell", r"\1 · ≤ \2"),
    (rf"row {_N}: must have at most {_N} columns, it has {_N}", "columns", r"\1 · \3 > \2"),
    (rf"must have at most {_N} rows and {_N} columns", "size", r"≤ \1 × \2"),
    (rf"is limited to {_N} rows here, it has {_N}", "rows", r"\2 > \1"),
    (rf"must have at most {_N} rows", "rows", r"≤ \1"),
    (rf"must have at most {_N} texts to translate, it has {_N}", "texts", r"\2 > \1"),
    (rf"column must have at most {_N} different labels, this has {_N}", "labels", r"\2 > \1"),
    (rf"must be at most {_N} lines, there are {_N}", "lines", r"\2 > \1"),
    (rf"unpacks to more than {_N} MB", "unpacked", r"> \1 MB"),
    (rf"must have at most {_N} entries", "entries", r"≤ \1"),
    (r"must have at least one row below its header", "no_rows", ""),
    (r"probably a scan", "scan", ""),
    (r"must hold some text", "no_text", ""),
    (r"has nothing to translate|has no subtitles", "nothing_to_translate", ""),
    (r"is in an encoding that was not recognised", "encoding", ""),
    (r"must be a text file|is no text file|is an (?:Office file|archive)", "kind", ""),
    (r"that can be read(?: \(\w+\))?$|is damaged", "unreadable", ""),
    (rf"^line {_N}\b", "line", r"\1"),
    (r"must hold lines of the form: text, tabulator, label", "form", ""),
    (r"must be (?:one of|among) (.+)", "one_of", r"\1"),
    (r"must be given for (.+)", "given_for", r"\1"),
    (r"is not compared with in (.+)", "not_compared", r"\1"),
    (r"must be another one for the label than for the text", "other_column", ""),
    (r"must be another language than the text's", "other_language", ""),
    (r"no model translates from|has no translation from|does not translate from", "pair", ""),
    (r"cannot be detected", "undetected", ""),
    (r"needs a model that translates from", "no_way_back", ""),
    (r"needs a model of your own|there is none of your own", "own_model", ""),
    (r"there is no stopped training", "no_training", ""),
    (r"there is none that can be trained", "none_to_train", ""),
    (r"are needed by this model", "labels_needed", ""),
    (r"does not serve this", "not_served", ""),
    (r"would serve, but", "would_serve", ""),
    (r"no model of the catalogue completes", "no_completion", ""),
    (r"must be where an entity begins", "no_entity", ""),
    (r"must be ready labels", "ready_labels", ""),
    (r"must be written as name=value", "settings", ""),
    (r"is not one that the Hub knows", "token", ""),
    (r"may not write there", "token_rights", ""),
    (r"must be a name, or an owner and a name", "repository", ""),
    (rf"must have 1 to {_N} words", "words", r"1…\1"),
    (r"must be more than a full stop", "words_only", ""),
    (r"must be made of: (.+)", "vocabulary", r"\1"),
)
"""What a rule in English matches, the string for it, and what follows that in any language."""
