"""Tells the patterns of well-known tunes (词牌) from the poems written to them: lines, punctuation, rhymes.

    python tools/build_tunes.py FOLDER > llm_core/data/tunes.toml

FOLDER holds the data set ``poetry_zh``. A tune's pattern is the most frequent one of its poems; two lines rhyme if they
do in half of these poems.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from string import ascii_lowercase

from llm_core.data.loaders import load_rows
from llm_core.data.poetry import lines_of
from llm_core.data.prosody import rhyme_of

TUNES = (
    *(
        "浣溪沙",
        "鹧鸪天",
        "菩萨蛮",
        "西江月",
        "临江仙",
        "蝶恋花",
        "点绛唇",
        "清平乐",
        "虞美人",
        "卜算子",
        "渔家傲",
        "玉楼春",
    ),
    *(
        "南乡子",
        "踏莎行",
        "生查子",
        "浪淘沙",
        "鹊桥仙",
        "如梦令",
        "长相思",
        "采桑子",
        "阮郎归",
        "诉衷情",
        "忆秦娥",
        "江城子",
    ),
    *("减字木兰花", "青玉案", "满江红", "水调歌头", "念奴娇", "沁园春"),
)
RHYMES_IN = 0.5
"""Share of the poems in which two lines must rhyme."""
_LINE = re.compile(r"([^，。！？；：、\n]+)([，。！？；：、])\n?")
_REMARK = re.compile(r"[(（][^)）]*[)）]")


def shape(text: str) -> tuple[tuple[int, str], ...]:
    """Length and punctuation of each line, such as ``((7, "，"), (7, "。"))``."""
    marks = {"，": "，", "；": "，", "：": "，", "、": "、"}
    return tuple((len(line), marks.get(mark, "。")) for line, mark in _LINE.findall(_REMARK.sub("", text)))


def rhyme_labels(poems: list[list[str]]) -> list[str]:
    """A letter for each line that rhymes with another, the same for lines that rhyme; empty for the others."""
    rhymes = [[rhyme_of(line) for line in poem] for poem in poems]

    def together(a: int, b: int) -> bool:
        return sum(poem[a] == poem[b] for poem in rhymes) >= RHYMES_IN * len(rhymes)

    labels: list[str] = []
    for place in range(len(poems[0])):
        earlier = [other for other in range(place) if labels[other] and together(other, place)]
        later = any(together(place, other) for other in range(place + 1, len(poems[0])))
        new = ascii_lowercase[len({*labels} - {""})] if later else ""
        labels.append(labels[earlier[-1]] if earlier else new)
    return labels


def main() -> None:
    """Prints the file."""
    rows = [row for row in load_rows("poetry_zh", "train", Path(sys.argv[1])) if row["kind"] in ("song-ci", "nalan")]
    print("# Made by tools/build_tunes.py: length of each line, its rhyme (lines with one letter rhyme), punctuation.")
    for tune in TUNES:
        texts = [row["text"] for row in rows if row["title"].split("・")[0] == tune]
        usual = Counter(map(shape, texts)).most_common(1)[0][0]
        labels = rhyme_labels([lines_of(text) for text in texts if shape(text) == usual])
        lines = "".join(f"{length}{label}{mark}" for (length, mark), label in zip(usual, labels, strict=True))
        print(f'"{tune}" = "{lines}"')


if __name__ == "__main__":
    main()
