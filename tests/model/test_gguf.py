"""GGUF files of tiny random decoders; llama.cpp itself is the oracle of what they say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf as ggml
import pytest
import tokenizers
import torch
import xllamacpp
from tokenizers import Regex, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

from llm_core.backends.llama_endpoint import LlamaEndpoint
from llm_core.errors import InputError, WeightsError
from llm_core.model.config import ModelConfig, preset
from llm_core.model.convert import gguf, gguf_checkpoint, hub, peft
from llm_core.model.convert.gguf_checkpoint import checkpoint_of
from llm_core.model.convert.peft import merge
from llm_core.model.heads import CausalLM
from llm_core.model.lora import add_lora, lora_layers
from llm_core.tokenizer import FILL_IN_THE_MIDDLE, Tokenizer

LINES = [
    "the cat sat on the mat and the dog ran over the green hill\n",
    "def area(width, height):\n    if width < 0:\n        raise ValueError\n    return width * height\n\n\n\tpass\n",
    "今天天气很好，我们去公园散步吧。",
    "<span>12345</span> <script>x</script>\r\n",
] * 30
TEXTS = [
    "the dog sat on a hill",
    "今天我们散步，鱼很好吃。",
    "🦊 and 👩‍👩‍👧 ﬁ ñ \U000e0001",
    "    def f(x):\n\t  return x + 2026\n\n\n",
    "  two blanks  inside   and behind  ",
    "</span><0x41> [PAD3] it's WE'LL 3.14 12345678\r\n",
    " ",
    "",
]
TOKENS = [5, 300, 7, 42, 120, 9]
PLAIN_TOKEN = 300


def trained(vocab_size: int = 480, kind: str = "bpe") -> Tokenizer:
    return Tokenizer.train(LINES, vocab_size=vocab_size, family="llama", kind=kind, extra_symbols=FILL_IN_THE_MIDDLE)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return trained()


@pytest.fixture(scope="module")
def directory(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(place)
    return place


def small(**fields: Any) -> ModelConfig:
    sizes = {"vocab_size": 480, "hidden_size": 64, "intermediate_size": 96, "num_heads": 4, "num_kv_heads": 2}
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3, "max_positions": 64}
    return preset("llama", **{**sizes, **ids, "decoder_layers": 2, "initializer_range": 0.25, **fields})


def decoder(**fields: Any) -> CausalLM:
    torch.manual_seed(0)
    model = CausalLM(small(**fields)).eval()
    for name, weight in model.named_parameters():
        if "norm" in name:  # ones would not tell one norm from another
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    return model


class Served:
    """What a llama.cpp server says of a file."""

    def __init__(self, server: Any, endpoint: LlamaEndpoint) -> None:
        self._server, self._endpoint = server, endpoint

    def ids(self, text: str, *, special: bool = False) -> list[int]:
        body = {"content": text, "add_special": True, "parse_special": special}
        return [int(token) for token in self._endpoint.post("/tokenize", body)["tokens"]]

    def next_log_probabilities(self, prompt: Sequence[int]) -> dict[int, float]:
        """Of the five most probable next tokens, best first.

        Which token is drawn does not matter to them; the server reports none where that is a piece of a character.
        """
        request = {"prompt": list(prompt), "n_predict": 1, "n_probs": 5, "cache_prompt": False}
        request |= {"temperature": 0.0, "logit_bias": [[PLAIN_TOKEN, 1e9]]}
        best = self._endpoint.post("/completion", request)["completion_probabilities"][0]["top_logprobs"]
        return {token["id"]: token["logprob"] for token in best}


@contextmanager
def served(file: Path, adapter: Path | None = None) -> Iterator[Served]:
    """The file in llama.cpp with keys and values in float32."""
    endpoint = LlamaEndpoint()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.n_ctx, parameters.n_parallel, parameters.verbosity, parameters.port = 64, 1, 0, 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.hostnames, parameters.api_keys, parameters.ui = [endpoint.hostname], [endpoint.key], False
    parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if adapter is not None:
        parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    server = xllamacpp.Server(parameters)
    endpoint.opened(server.listening_address)
    try:
        yield Served(server, endpoint)
    finally:
        del server
        endpoint.close()


@torch.no_grad()
def assert_same_answers(model: CausalLM, server: Served, tolerance: float = 2e-4, steps: int = 6) -> None:
    """Greedy tokens are the same, and the five best log-probabilities near, at each of `steps` tokens."""
    ids = list(TOKENS)
    for _ in range(steps):
        ours = model(torch.tensor([ids]))[0, -1].log_softmax(-1)
        theirs = server.next_log_probabilities(ids)
        wanted = torch.tensor([theirs[token] for token in theirs])
        torch.testing.assert_close(ours[list(theirs)], wanted, atol=tolerance, rtol=0)
        assert int(ours.argmax()) == next(iter(theirs))
        ids.append(int(ours.argmax()))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tie_embeddings": False, "num_kv_heads": 4, "norm_eps": 1e-2},
        {"num_kv_heads": 1, "head_size": 24, "rope_theta": 300.0},
    ],
    ids=["tied, grouped queries", "untied, multi-head", "one key head of its own width"],
)
def test_llama_cpp_answers_as_the_model(fields: dict[str, Any], directory: Path, tmp_path: Path) -> None:
    model = decoder(**fields)
    gguf.save(model, tmp_path / "new" / "tiny.gguf", directory, weights="f32")
    with served(tmp_path / "new" / "tiny.gguf") as server:
        assert_same_answers(model, server)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["tiny.gguf"]


@pytest.mark.parametrize(
    ("weights", "tolerance", "kind"),
    [("f16", 0.01, "F16"), ("bf16", 0.06, "BF16"), ("q8_0", 0.1, "Q8_0"), ("q4_1", 1.5, "Q4_1"), ("q4_0", 1.5, "Q4_0")],
)
def test_formats(weights: str, tolerance: float, kind: str, directory: Path, tmp_path: Path) -> None:
    model = decoder(intermediate_size=80, initializer_range=0.15).bfloat16().float()
    gguf.save(model, tmp_path / "tiny.gguf", directory, weights=weights)
    kinds = {tensor.name: tensor.tensor_type.name for tensor in ggml.GGUFReader(tmp_path / "tiny.gguf").tensors}
    assert kinds["blk.0.attn_q.weight"] == kind and kinds["blk.1.attn_norm.weight"] == "F32"
    assert kinds["token_embd.weight"] == ("Q8_0" if kind.startswith("Q") else kind)
    assert kinds["blk.0.ffn_down.weight"] == ("F16" if kind.startswith("Q") else kind)  # rows of 80: no whole blocks
    with served(tmp_path / "tiny.gguf") as server, torch.no_grad():
        theirs = server.next_log_probabilities(TOKENS)
        ours = model(torch.tensor([TOKENS]))[0, -1].log_softmax(-1)[list(theirs)]
    assert float((ours - torch.tensor(list(theirs.values()))).abs().max()) < tolerance


@pytest.fixture(scope="module")
def small_server(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    gguf.save(decoder(vocab_size=500), file, directory)
    with served(file) as server:
        yield server


@pytest.mark.parametrize("text", TEXTS)
def test_sentencepiece_gives_the_same_ids(text: str, tokenizer: Tokenizer, small_server: Served) -> None:
    assert small_server.ids(text) == tokenizer.encode(text)


def test_special_tokens_are_markup_only_where_asked(tokenizer: Tokenizer, small_server: Served) -> None:
    text = f"{FILL_IN_THE_MIDDLE[0]}def f{FILL_IN_THE_MIDDLE[1]}  x</s>"
    assert small_server.ids(text, special=True) == tokenizer.encode(text)
    assert tokenizer.token_id(FILL_IN_THE_MIDDLE[0]) not in small_server.ids(text)


LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
WORDS = pre_tokenizers.ByteLevel(add_prefix_space=False)
CUTS = {
    "gpt-2": WORDS,
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), WORDS]),
    "llama-bpe": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
}


def byte_level(directory: Path, pre: str, **settings: Any) -> tokenizers.Tokenizer:
    """A byte-level tokenizer in the Hub's layout; Llama 3's begins each text with a token."""
    bpe = tokenizers.Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    bpe.pre_tokenizer, bpe.decoder = CUTS[pre], decoders.ByteLevel()
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(LINES, trainers.BpeTrainer(vocab_size=400, special_tokens=marks, initial_alphabet=alphabet))
    bpe.add_tokens(["<tool>"])
    if pre == "llama-bpe":
        frame = processors.TemplateProcessing("<|im_start|>:0 $A:0", special_tokens=[("<|im_start|>", 1)])
        bpe.post_processor = processors.Sequence([processors.ByteLevel(), frame])
    bpe.save(str(directory / "tokenizer.json"))
    config = {"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}, "unk_token": None, **settings}
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return bpe


def metadata(file: Path) -> dict[str, Any]:
    fields = ggml.GGUFReader(file).fields
    return {name: field.contents() for name, field in fields.items()}


@pytest.mark.parametrize("pre", CUTS)
def test_byte_level_gives_the_same_ids(pre: str, tmp_path: Path) -> None:
    bpe = byte_level(tmp_path, pre)
    gguf.save(decoder(bos_token_id=None, eos_token_id=None), tmp_path / "tiny.gguf", tmp_path)
    with served(tmp_path / "tiny.gguf") as server:
        assert [server.ids(text) for text in TEXTS] == [bpe.encode(text).ids for text in TEXTS]
        marked = "<|im_start|>user\n<tool> 今天<|im_end|>"
        assert server.ids(marked, special=True) == bpe.encode(marked).ids
    said = metadata(tmp_path / "tiny.gguf")
    assert said["tokenizer.ggml.pre"] == pre
    assert (said["tokenizer.ggml.bos_token_id"], said["tokenizer.ggml.eos_token_id"]) == (1, 2)
    assert said["tokenizer.ggml.add_bos_token"] is (pre == "llama-bpe")


def test_what_else_the_file_says(directory: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    gguf.save(decoder(vocab_size=482), tmp_path / "tiny.gguf", directory, weights="q8_0", name="a small one")
    said = metadata(tmp_path / "tiny.gguf")
    special = {role: said[f"tokenizer.ggml.{name}_token_id"] for role, name in
               [("unk", "unknown"), ("bos", "bos"), ("eos", "eos"), ("pad", "padding")]}  # fmt: skip
    assert special == {"unk": 0, "bos": 1, "eos": 2, "pad": 3}
    assert said["tokenizer.ggml.add_bos_token"] is True and said["tokenizer.ggml.add_eos_token"] is False
    types = said["tokenizer.ggml.token_type"]
    assert types[:480] == [int(entry.type) for entry in tokenizer.vocabulary] and types[480:] == [5, 5]
    assert said["general.name"] == "a small one" and said["general.file_type"] == ggml.LlamaFileType.MOSTLY_Q8_0
    assert "tokenizer.chat_template" not in said


@pytest.mark.parametrize("where", ["file", "settings", "named"])
def test_chat_template_travels(where: str, tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "{{ messages }}"}]
    template = {"file": None, "settings": "{{ messages }}", "named": named}[where]
    byte_level(tmp_path, "smollm", chat_template=template)
    if where == "file":
        (tmp_path / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    gguf.save(decoder(), tmp_path / "tiny.gguf", tmp_path)
    assert metadata(tmp_path / "tiny.gguf")["tokenizer.chat_template"] == "{{ messages }}"


@pytest.mark.parametrize("weights", ["f16", "q8_0"])
def test_a_file_becomes_a_checkpoint_to_train(weights: Any, tmp_path: Path) -> None:
    bpe, model = byte_level(tmp_path, "smollm"), decoder(bos_token_id=None, eos_token_id=None)
    gguf.save(model, tmp_path / "tiny.gguf", tmp_path, weights=weights)
    made = checkpoint_of(tmp_path / "tiny.gguf", tmp_path / "cache" / "tiny")
    ids = torch.tensor([TOKENS])
    with torch.no_grad():
        found, wanted = hub.load(made, CausalLM)(ids), gguf.as_stored(model, weights)(ids)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    tokenizer = AutoTokenizer.from_pretrained(made, local_files_only=True)
    assert [tokenizer(text)["input_ids"] for text in TEXTS] == [bpe.encode(text).ids for text in TEXTS]
    before = (made / "model.safetensors").stat().st_mtime_ns
    assert checkpoint_of(tmp_path / "gone.gguf", made) == made, "it is there already"
    assert (made / "model.safetensors").stat().st_mtime_ns == before


def test_a_file_that_is_none_leaves_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(WeightsError, match=r"broken.gguf: cannot be read for training"):
        checkpoint_of(tmp_path / "broken.gguf", tmp_path / "cache" / "broken")
    assert [left.name for left in (tmp_path / "cache").iterdir()] == ["broken.lock"]


def test_processes_that_train_together_unpack_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[Path] = []

    def slowly(_: Path, directory: Path) -> None:
        unpacked.append(directory)
        time.sleep(0.2)
        directory.mkdir()
        (directory / "config.json").touch()

    monkeypatch.setattr(gguf_checkpoint, "_unpack", slowly)
    with ThreadPoolExecutor(3) as pool:
        made = set(pool.map(lambda _: checkpoint_of(tmp_path / "a.gguf", tmp_path / "cache" / "a"), range(3)))
    [directory] = made
    assert len(unpacked) == 1 and [file.name for file in directory.iterdir()] == ["config.json"]


def adapted(model: CausalLM, rank: int = 4, alpha: float = 12.0) -> CausalLM:
    add_lora(model, rank, alpha)
    for layer in lora_layers(model).values():
        torch.nn.init.normal_(layer.lora_b, std=0.1)
    return model.eval()


def test_an_adapter_from_peft_answers_as_the_merged_model(directory: Path, tmp_path: Path) -> None:
    hub.save(decoder(), tmp_path / "base")
    peft.save(adapted(decoder()), tmp_path / "adapter")
    model = hub.load(tmp_path / "base", CausalLM)
    gguf.save(model, tmp_path / "base.gguf", directory, weights="f32")
    peft.load(model, tmp_path / "adapter")
    gguf.save_adapter(model, tmp_path / "adapter.gguf")
    with served(tmp_path / "base.gguf", tmp_path / "adapter.gguf") as server:
        with pytest.raises(AssertionError):
            assert_same_answers(decoder(), server)
        for layer in lora_layers(model).values():  # as the file holds it
            layer.lora_a.data, layer.lora_b.data = layer.lora_a.half().float(), layer.lora_b.half().float()
        merge(model)
        # products with float16 weights are rounded to float16
        assert_same_answers(model.eval(), server, tolerance=2e-3)
    said = metadata(tmp_path / "adapter.gguf")
    assert said["general.type"] == "adapter" and said["adapter.lora.alpha"] == 12.0


def test_an_adapter_has_one_strength(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="this model has none"):
        gguf.save_adapter(decoder(), tmp_path / "a.gguf")
    model = adapted(decoder())
    next(iter(lora_layers(model).values())).alpha = 1.0
    with pytest.raises(WeightsError, match=r"one alpha; this model has \[1\.0, 12\.0\]"):
        gguf.save_adapter(model, tmp_path / "a.gguf")


def test_models_that_llama_cpp_does_not_compute(directory: Path, tmp_path: Path) -> None:
    model = decoder()
    model.config = replace(model.config, activation="gelu")
    with pytest.raises(WeightsError, match="SiLU in llama models, not gelu"):
        gguf.save(model, tmp_path / "a.gguf", directory)
    model.config = preset("bert", vocab_size=9, hidden_size=8, intermediate_size=8, num_heads=1, encoder_layers=1)
    with pytest.raises(WeightsError, match="of llama models, not of bert"):
        gguf.save(model, tmp_path / "a.gguf", directory)
    with pytest.raises(InputError, match="weights: must be one of f32, .*q2"):
        gguf.save(decoder(), tmp_path / "a.gguf", directory, weights="q2")


def test_a_failure_leaves_the_earlier_file(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"earlier")
    with pytest.raises(WeightsError, match="has 480 ids, the model only 479"):
        gguf.save(decoder(vocab_size=479), tmp_path / "tiny.gguf", directory)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("tiny.gguf", b"earlier")]


def edit(directory: Path, name: str, **changes: Any) -> None:
    content = json.loads((directory / name).read_text(encoding="utf-8"))
    (directory / name).write_text(json.dumps(content | changes), encoding="utf-8")


class TestRefusedTokenizers:
    def refused(self, directory: Path, match: str, **fields: Any) -> None:
        with pytest.raises(WeightsError, match=match):
            gguf.save(decoder(**fields), directory / "a.gguf", directory)
        assert not list(directory.glob("a.gguf*"))

    def test_nothing_there(self, tmp_path: Path) -> None:
        self.refused(tmp_path, r"tokenizer cannot be read: .*tokenizer\.json")

    def test_broken_json(self, tmp_path: Path) -> None:
        (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
        self.refused(tmp_path, "tokenizer cannot be read")

    def test_unigram(self, tmp_path: Path) -> None:
        trained(385, "unigram").save(tmp_path)
        self.refused(tmp_path, "is Unigram; llama.cpp reads byte-pair encoding")

    def test_no_sentencepiece_file(self, tokenizer: Tokenizer, tmp_path: Path) -> None:
        tokenizer.save(tmp_path)
        (tmp_path / "tokenizer.model").unlink()
        self.refused(tmp_path, r"has no tokenizer\.model of SentencePiece")

    def test_another_sentencepiece_file(self, tokenizer: Tokenizer, tmp_path: Path) -> None:
        trained(470).save(tmp_path)
        other = (tmp_path / "tokenizer.model").read_bytes()
        tokenizer.save(tmp_path)
        (tmp_path / "tokenizer.model").write_bytes(other)
        self.refused(tmp_path, "numbers the pieces otherwise")

    def test_a_normalising_sentencepiece_file(self, tokenizer: Tokenizer, tmp_path: Path) -> None:
        tokenizer.save(tmp_path)
        translator = Tokenizer.train(LINES, vocab_size=470, family="marian", kind="bpe")
        translator.save(tmp_path / "marian")
        (tmp_path / "tokenizer.model").write_bytes((tmp_path / "marian" / "source.spm").read_bytes())
        self.refused(tmp_path, "normalises texts")

    def test_other_cuts_than_llama_cpp_knows(self, tmp_path: Path) -> None:
        byte_level(tmp_path, "gpt-2")
        edit(tmp_path, "tokenizer.json", pre_tokenizer={"type": "Whitespace"})
        self.refused(tmp_path, "may not know; known: gpt-2, smollm, llama-bpe")

    def test_a_normaliser(self, tmp_path: Path) -> None:
        byte_level(tmp_path, "gpt-2")
        edit(tmp_path, "tokenizer.json", normalizer={"type": "Lowercase"})
        self.refused(tmp_path, "cuts texts in a way")

    def test_no_end_token(self, tmp_path: Path) -> None:
        byte_level(tmp_path, "gpt-2", eos_token=None)
        self.refused(tmp_path, "name no end token", eos_token_id=None)

    def test_another_frame(self, tmp_path: Path) -> None:
        byte_level(tmp_path, "llama-bpe", bos_token="<|endoftext|>")
        self.refused(tmp_path, "frames a text by other tokens")
