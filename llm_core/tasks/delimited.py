"""What all readers and writers of tables in text share: which character separates cells, which cells are formulas.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` (full-width ones, too), a tab or a carriage
return (OWASP, CSV injection). An apostrophe before it makes it text.
"""

from __future__ import annotations

import csv

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
DELIMITERS = ",;\t|"
_SNIFFED = 8192


def delimiter_of(text: str) -> str:
    """The character between cells; a comma where there seems to be one column only."""
    try:
        return csv.Sniffer().sniff(text[:_SNIFFED], DELIMITERS).delimiter
    except csv.Error:
        return ","


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would run the cell."""
    return cell.startswith(FORMULA) or cell.lstrip().startswith(FORMULA)


def harmless(cell: str) -> str:
    """The cell as text that no spreadsheet runs."""
    return f"'{cell}" if is_formula(cell) else cell
