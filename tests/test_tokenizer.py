"""Vocabularies of the three families against the Hub's own classes, SentencePiece, and the text itself."""

from __future__ import annotations

import argparse
import inspect
import itertools
import json
import math
import re
import textwrap
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from llm_core.data.words import HAN
from llm_core.errors import InputError
from llm_core.tokenizer import FILL_IN_THE_MIDDLE, PieceType, SpecialTokens, Tokenizer, direction_tag

VOCAB_SIZE = 700
EXTRA = {"bert": (), "llama": FILL_IN_THE_MIDDLE, "marian": (direction_tag("zho"), direction_tag("eng"))}
SHAPES = [(family, kind) for family in EXTRA for kind in ("unigram", "bpe")]
TEXTS = [
    inspect.getsource(argparse)[:60_000],
    inspect.getsource(textwrap),
    *["我喜欢吃水果，水果很好吃。你好！", "def f(x):\n\tif a:\n\t\tpass\n", "A fine office: 12 files, naïve."] * 40,
]
SAMPLES = [
    "",
    " ",
    "\n",
    "\t\t",
    "Hello world",
    "我喜欢吃水果。",
    "def f(x):\n    return x\n\n\tif a:\n\t\tpass  # 你好\n",
    "  two  spaces  ",
    "full ＡＢＣ１２，ﬁ ﬃ ① e\u0301 ｶﾞ ㍿",
    "👩‍👩‍👧 🙂🙃x é",
    "<0x41> literal, not a byte",
    "a\x00b \r\n \u2028 \u00a0 \u200b end",
    "I like [MASK] today, 我[MASK]水果 [SEP]",
    "<s> a </s> b <pad><unk>",
    ">>zho<< hello",
    ">>eng<<你好 >>eng<< x",
    ">>deu<< hello",
    ">> not a tag",
    "<|fim_prefix|>def<|fim_suffix|> x<|fim_middle|>",
]
# What people write, with the characters that normalisation changes; whole random texts are drawn from `any_text`.
WRITTEN = st.text(st.sampled_from("abfi xyz09_():,。，我喜欢吃水果ＡＢﬁﬃé🙂👩\n\t\u0301\u00a0①Ǖ"), max_size=30)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
# Not to be had back: SentencePiece's own sign for a blank, and the texts of special tokens.
restorable = any_text.filter(lambda text: not re.search(r"▁|<(s|/s|pad|unk|\|fim_\w+\|)>", text))


class Trained:
    """One vocabulary, its directory, and what AutoTokenizer makes of that."""

    def __init__(self, family: str, kind: str, directory: Path) -> None:
        from transformers import AutoTokenizer

        self.directory = directory
        self.ours = Tokenizer.train(TEXTS, vocab_size=VOCAB_SIZE, family=family, kind=kind, extra_symbols=EXTRA[family])
        self.ours.save(directory)
        # As a model's directory has it: AutoTokenizer looks there first.
        (directory / "config.json").write_text(json.dumps({"model_type": family}))
        self.hub: Any = AutoTokenizer.from_pretrained(directory)


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Trained]:
    return {shape: Trained(*shape, tmp_path_factory.mktemp("-".join(shape))) for shape in SHAPES}


@pytest.fixture(params=SHAPES, ids="-".join)
def trained(request: pytest.FixtureRequest, vocabularies: dict[tuple[str, str], Trained]) -> Trained:
    return vocabularies[request.param]


pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses:UserWarning")


@pytest.mark.parametrize("text", SAMPLES)
def test_auto_tokenizer_gives_the_same_ids_and_text(trained: Trained, text: str) -> None:
    for special in (True, False):
        ids = trained.ours.encode(text, add_special_tokens=special)
        assert ids == trained.hub(text, add_special_tokens=special)["input_ids"]
        for skip in (True, False):
            decoded = trained.ours.decode(ids, skip_special_tokens=skip)
            assert decoded == trained.hub.decode(ids, skip_special_tokens=skip)


@pytest.mark.parametrize("shape", SHAPES, ids="-".join)
@given(text=any_text)
def test_auto_tokenizer_gives_the_same_ids_for_any_text(
    vocabularies: dict[tuple[str, str], Trained], shape: tuple[str, str], text: str
) -> None:
    trained = vocabularies[shape]
    assert trained.ours.encode(text) == trained.hub(text)["input_ids"]


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@given(text=restorable)
def test_a_decoder_gives_back_any_text(vocabularies: dict[tuple[str, str], Trained], kind: str, text: str) -> None:
    ours = vocabularies["llama", kind].ours
    assert ours.decode(ours.encode(text)) == text


@given(text=restorable)
def test_merging_agrees_with_sentencepiece_itself(vocabularies: dict[tuple[str, str], Trained], text: str) -> None:
    trained = vocabularies["llama", "bpe"]
    reference = sentencepiece.SentencePieceProcessor(model_file=str(trained.directory / "tokenizer.model"))
    assert trained.ours.encode(text, add_special_tokens=False) == reference.encode(text)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@given(text=restorable)
def test_a_decoders_pieces_tile_the_text(vocabularies: dict[tuple[str, str], Trained], kind: str, text: str) -> None:
    pieces = vocabularies["llama", kind].ours.pieces(text)
    ranges = [span for span, _ in itertools.groupby((piece.start, piece.end) for piece in pieces)]
    assert [place for start, end in ranges for place in range(start, end)] == list(range(len(text)))
    for piece in pieces:
        if not piece.text.startswith("<0x"):
            assert text[piece.start : piece.end] == piece.text.replace("▁", " ")


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0] != "llama"], ids="-".join)
@given(text=WRITTEN)
def test_ranges_of_normalising_families_cover_what_the_piece_says(
    vocabularies: dict[tuple[str, str], Trained], shape: tuple[str, str], text: str
) -> None:
    pieces = vocabularies[shape].ours.pieces(text)
    assert all(before.start <= after.start for before, after in itertools.pairwise(pieces))
    for piece in pieces:
        covered = unicodedata.normalize("NFKC", text[piece.start : piece.end])
        if not piece.text.startswith("<0x"):
            said = unicodedata.normalize("NFKC", piece.text.replace("▁", ""))
            assert said in covered
    marks = {place for place, character in enumerate(text) if character.isspace()}
    covered_places = {place for piece in pieces for place in range(piece.start, piece.end)}
    assert covered_places | marks == set(range(len(text)))


@pytest.mark.parametrize(
    ("shape", "text", "expected"),
    [
        (("bert", "bpe"), "ﬁ", ["ﬁ"]),
        (("marian", "unigram"), "ＡＢ，", ["Ａ", "Ｂ", "，"]),
        (("bert", "unigram"), "我e\u0301", ["e\u0301", "e\u0301"]),
        (("bert", "unigram"), "🙂🙃", ["", *["🙂"] * 4, *["🙃"] * 4]),
        (("llama", "bpe"), "🙂🙃", [*["🙂"] * 4, *["🙃"] * 4]),
        (("marian", "bpe"), "🙂🙃", ["", *["🙂"] * 4, *["🙃"] * 4]),
    ],
)
def test_pieces_mark_characters_of_the_original(
    vocabularies: dict[tuple[str, str], Trained], shape: tuple[str, str], text: str, expected: list[str]
) -> None:
    covered = [text[piece.start : piece.end] for piece in vocabularies[shape].ours.pieces(text)]
    assert any(covered[place : place + len(expected)] == expected for place in range(len(covered)))


def test_special_tokens_frame_a_text_and_cover_nothing_outside_it(trained: Trained) -> None:
    ours = trained.ours
    framed = ours.encode("我喜欢")
    bare = ours.encode("我喜欢", add_special_tokens=False)
    frame = {
        "bert": [ours.cls_id, *bare, ours.sep_id],
        "llama": [ours.bos_id, *bare],
        "marian": [*bare, ours.eos_id],
    }
    assert framed == frame[ours.family]
    pieces = ours.pieces("我喜欢", add_special_tokens=True)
    assert [piece.id for piece in pieces] == framed
    assert all(piece.start == piece.end for piece in pieces if piece.text in ours.special.all())


def test_ids_stand_where_each_family_has_them(trained: Trained) -> None:
    ours, hub = trained.ours, trained.hub
    firsts = {
        "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        "llama": ["<unk>", "<s>", "</s>", "<pad>", *FILL_IN_THE_MIDDLE],
        "marian": ["</s>", "<unk>", *EXTRA["marian"]],
    }[ours.family]
    assert [entry.piece for entry in ours.vocabulary[: len(firsts)]] == firsts
    assert ours.vocab_size == len(ours.vocabulary) == len(hub) == VOCAB_SIZE
    if ours.family == "marian":
        assert ours.pad_id == VOCAB_SIZE - 1
    for role in ours.special.named():
        assert getattr(ours, f"{role}_id") == getattr(hub, f"{role}_token_id")
    assert {"bos", "eos", "cls", "sep", "mask"} - set(ours.special.named()) == {
        role for role in ("bos", "eos", "cls", "sep", "mask") if getattr(ours, f"{role}_id") is None
    }
    assert hub.all_special_tokens and set(hub.all_special_tokens) == set(ours.special.all())


def test_the_expected_classes_load_the_directories(trained: Trained) -> None:
    name = type(trained.hub).__name__
    fast = {("llama", "bpe"): "LlamaTokenizer"}.get((trained.ours.family, trained.ours.kind), "TokenizersBackend")
    assert name == ("MarianTokenizer" if trained.ours.family == "marian" else fast)


def test_what_a_training_run_saves_gives_the_same_ids(trained: Trained, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    trained.hub.save_pretrained(tmp_path)  # as Trainer does with every checkpoint
    (tmp_path / "config.json").write_text(json.dumps({"model_type": trained.ours.family}))
    again = AutoTokenizer.from_pretrained(tmp_path)
    for text in SAMPLES:
        assert again(text)["input_ids"] == trained.ours.encode(text)


def test_a_pair_of_texts_has_two_segments(vocabularies: dict[tuple[str, str], Trained]) -> None:
    trained = vocabularies["bert", "unigram"]
    ours, pair = trained.ours, trained.hub("吃水果", "files here")
    first, second = (ours.encode(text, add_special_tokens=False) for text in ("吃水果", "files here"))
    assert pair["input_ids"] == [ours.cls_id, *first, ours.sep_id, *second, ours.sep_id]
    assert pair["token_type_ids"] == [0] * (len(first) + 2) + [1] * (len(second) + 1)


def test_a_mask_stands_for_a_word_with_its_blank(vocabularies: dict[tuple[str, str], Trained]) -> None:
    ours = vocabularies["bert", "bpe"].ours
    whole = [piece.text for piece in ours.pieces("the files are")]
    masked = [piece.text for piece in ours.pieces("the [MASK] are")]
    assert masked[masked.index("[MASK]") + 1 :] == whole[-(len(masked) - masked.index("[MASK]") - 1) :]
    assert masked[: masked.index("[MASK]")] == [piece.text for piece in ours.pieces("the")]


def test_chinese_punctuation_survives_translation_and_is_folded_for_reading(
    vocabularies: dict[tuple[str, str], Trained],
) -> None:
    text = "你好，水果！ＡＢ１２"
    for kind in ("unigram", "bpe"):
        marian, bert = vocabularies["marian", kind].ours, vocabularies["bert", kind].ours
        assert marian.decode(marian.encode(text)) == "你好，水果！AB12"
        assert bert.decode(bert.encode(text)) == "你好,水果!AB12"


def test_indentation_has_pieces_of_its_own(vocabularies: dict[tuple[str, str], Trained]) -> None:
    pieces = [piece.text for piece in vocabularies["llama", "bpe"].ours.pieces("        return")]
    assert pieces[0] == "▁" * 8 or pieces[0] == "▁" * 7


def test_digits_stand_alone_and_ascii_needs_no_bytes(trained: Trained) -> None:
    ascii_text = "".join(map(chr, range(33, 127)))
    assert not any(piece.text.startswith("<0x") for piece in trained.ours.pieces(ascii_text))
    digits = [piece.text for piece in trained.ours.pieces("x=2026") if re.search(r"\d", piece.text)]
    assert digits == ["2", "0", "2", "6"]


def test_chinese_characters_can_stand_alone() -> None:
    tokenizer = Tokenizer.train(TEXTS, vocab_size=VOCAB_SIZE, family="bert", split_han=True)
    han = re.compile(rf"[{HAN}]")
    assert not [entry.piece for entry in tokenizer.vocabulary if len(han.findall(entry.piece)) > 1]
    spans = [(piece.start, piece.end) for piece in tokenizer.pieces("我喜欢吃水果。")]
    assert [(place, place + 1) for place in range(7)] == [span for span in spans if span[0] < span[1]]


def test_types_are_those_of_the_model_proto(trained: Trained) -> None:
    by_type = {kind: sum(entry.type is kind for entry in trained.ours.vocabulary) for kind in PieceType}
    specials = len(trained.ours.special.all())
    assert by_type[PieceType.BYTE] == 256 and by_type[PieceType.UNKNOWN] == 1
    assert by_type[PieceType.CONTROL] == specials - 1
    assert by_type[PieceType.NORMAL] == VOCAB_SIZE - 256 - specials


@pytest.mark.parametrize("family", EXTRA)
def test_segmentations_share_out_all_probability(vocabularies: dict[tuple[str, str], Trained], family: str) -> None:
    ours = vocabularies[family, "unigram"].ours
    cuts = ours.segmentations("files🙂", 100)
    assert len(cuts) < 100, "all segmentations must be there for their shares to add up"
    assert math.isclose(sum(cut.share for cut in cuts), 1, abs_tol=1e-4)
    assert [cut.log_probability for cut in cuts] == sorted((cut.log_probability for cut in cuts), reverse=True)
    assert list(cuts[0].pieces) == [piece.text for piece in ours.pieces("files🙂")]
    scored = ours.pieces("files")
    assert math.isclose(
        ours.segmentations("files", 1)[0].log_probability,
        sum(piece.log_probability or 0 for piece in scored),
        rel_tol=1e-5,
    )
    assert ours.segmentations("") == ()


def test_log_probabilities_are_those_of_the_unigram_model(vocabularies: dict[tuple[str, str], Trained]) -> None:
    ours = vocabularies["llama", "unigram"].ours
    probabilities = [math.exp(e.score) for e in ours.vocabulary if e.type is PieceType.NORMAL]
    assert 0.9 < sum(probabilities) < 1.1
    word, face = ours.pieces("def🙂")[0], ours.pieces("def🙂")[-1]
    assert word.log_probability is not None and word.log_probability < 0 and face.log_probability is None
    assert vocabularies["llama", "bpe"].ours.pieces("def")[0].log_probability is None


def test_segmentations_refuse_what_has_none(vocabularies: dict[tuple[str, str], Trained]) -> None:
    with pytest.raises(InputError, match="kind: must be unigram"):
        vocabularies["llama", "bpe"].ours.segmentations("x")
    for count in (0, 101):
        with pytest.raises(InputError, match="count: must be 1…100"):
            vocabularies["llama", "unigram"].ours.segmentations("x", count)


def test_loading_gives_the_same_vocabulary(trained: Trained, tmp_path: Path) -> None:
    model = next(trained.directory.glob("*.model"), trained.directory / "source.spm")
    for place in (trained.directory, model):
        loaded = Tokenizer.load(place)
        assert loaded.vocabulary == trained.ours.vocabulary
        assert (loaded.family, loaded.kind, loaded.special) == (
            trained.ours.family,
            trained.ours.kind,
            trained.ours.special,
        )
    Tokenizer.load(trained.directory).save(tmp_path)
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (trained.directory / file.name).read_bytes()


def test_the_same_stream_gives_the_same_bytes(tmp_path: Path) -> None:
    for kind in ("unigram", "bpe"):
        options: dict[str, Any] = {"vocab_size": 500, "family": "marian", "kind": kind}
        for name, size in {"one": {"max_chunks": 110}, "two": {"max_chunks": 110}, "all": {}}.items():
            Tokenizer.train(iter(TEXTS), **options, **size).save(tmp_path / kind / name)
        one, two, whole = ((tmp_path / kind / name / "source.spm").read_bytes() for name in ("one", "two", "all"))
        assert one == two != whole, "a sample of the chunks, always the same"
        assert b"rules.tsv" not in one


def test_long_documents_are_not_skipped() -> None:
    words = "zyzzyva quokka " * 2000  # one line of 30,000 characters
    trained = Tokenizer.train([words, "a b c"], vocab_size=370, family="llama", kind="bpe")
    assert len(trained.pieces(" quokka")) < 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 300}, r"vocab_size: must be at least \d{3} here"),
        ({"vocab_size": 50_000}, r"vocab_size: must be at most \d+: the texts give no more pieces \(got 50000\)"),
        ({"vocab_size": 50_000, "kind": "unigram"}, r"vocab_size: must be at most \d+"),
        ({"kind": "wordpiece"}, "kind: must be one of unigram, bpe"),
        ({"family": "gpt"}, "family: must be one of bert, llama, marian"),
        ({"character_coverage": 0.5}, "character_coverage: must be between 0.98 and 1"),
        ({"max_chunks": 100}, "max_chunks: must be above 100"),
        ({"extra_symbols": ("a b",)}, "extra_symbols: must not be empty or hold whitespace"),
        ({"extra_symbols": ("<s>",)}, "extra_symbols: must differ"),
        ({"extra_symbols": ("<x>", "<x>")}, "extra_symbols: must differ"),
        ({"texts": []}, "texts: must hold some text"),
        ({"texts": ["", "\n"]}, "texts: must hold some text"),
    ],
)
def test_training_names_what_is_wrong(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"texts": TEXTS[1:], "vocab_size": 500, "family": "llama", "kind": "bpe"} | options
    with pytest.raises(InputError, match=message):
        Tokenizer.train(arguments.pop("texts"), **arguments)


def test_reported_bounds_are_exact() -> None:
    for asked in (300, 50_000):
        with pytest.raises(InputError) as caught:
            Tokenizer.train(TEXTS[1:2], vocab_size=asked, family="llama", kind="bpe")
        bound = int(re.findall(r"(?:least|most) (\d+)", str(caught.value))[0])
        assert Tokenizer.train(TEXTS[1:2], vocab_size=bound, family="llama", kind="bpe").vocab_size == bound


def test_loading_names_what_is_wrong(vocabularies: dict[tuple[str, str], Trained], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"path: must hold one of spiece\.model, tokenizer\.model, source\.spm"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"no model")
    with pytest.raises(InputError, match="model: must be a SentencePiece model"):
        Tokenizer.load(tmp_path)
    vocabularies["llama", "unigram"].ours.save(tmp_path)
    tokenizer_json = (tmp_path / "tokenizer.json").read_bytes()
    vocabularies["llama", "bpe"].ours.save(tmp_path)
    Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json)
    with pytest.raises(InputError, match=r"path: tokenizer\.json must number the pieces as"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(b"{")
    with pytest.raises(InputError, match=r"path: tokenizer\.json cannot be read"):
        Tokenizer.load(tmp_path)


def test_a_marian_directory_must_hold_one_vocabulary(
    vocabularies: dict[tuple[str, str], Trained], tmp_path: Path
) -> None:
    vocabularies["marian", "bpe"].ours.save(tmp_path)
    (tmp_path / "target.spm").write_bytes((vocabularies["marian", "unigram"].directory / "source.spm").read_bytes())
    with pytest.raises(InputError, match=r"source\.spm and target\.spm differ"):
        Tokenizer.load(tmp_path)


def test_other_peoples_models_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "lines.txt"
    source.write_text("\n".join(TEXTS[2:]))
    for name, options in {"bare": {}, "blank": {"pad_id": 3}}.items():
        sentencepiece.SentencePieceTrainer.train(
            input=str(source), model_prefix=str(tmp_path / name), vocab_size=40, minloglevel=2, **options
        )
    with pytest.raises(InputError, match="holds the special tokens of none of bert, llama and marian"):
        Tokenizer.load(tmp_path / "bare.model")
    with pytest.raises(InputError, match="must have been trained here: blanks are not treated as for llama"):
        Tokenizer.load(tmp_path / "blank.model")


def test_ids_and_texts_are_checked(trained: Trained) -> None:
    with pytest.raises(InputError, match=f"ids: must be 0…{VOCAB_SIZE - 1}"):
        trained.ours.decode([VOCAB_SIZE])
    for call in (trained.ours.encode, trained.ours.pieces):
        with pytest.raises(InputError, match="text: must be valid Unicode"):
            call("half a pair: \ud83d")


def test_special_tokens_of_every_family_are_spelt_once() -> None:
    assert SpecialTokens.of("bert").named()["mask"] == "[MASK]"
    assert SpecialTokens.of("llama", FILL_IN_THE_MIDDLE).all() == ("<unk>", "<pad>", "<s>", "</s>", *FILL_IN_THE_MIDDLE)
    assert SpecialTokens.of("marian").all() == ("<unk>", "<pad>", "</s>")
    assert direction_tag("zho") == ">>zho<<"
