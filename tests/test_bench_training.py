"""The benchmarks of training speed at tiny sizes: what they compare is comparable; nothing is timed here."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from llm_core.bench import NAMES, ON_REQUEST, gpu, run_benchmarks
from llm_core.bench.gpu import Throughput, as_figures, flops_per_token, peak_flops, throughput
from llm_core.bench.training import CONTESTS, Contest, Size, compare
from llm_core.errors import BackendError, InputError
from llm_core.model.config import preset
from llm_core.model.heads import CausalLM
from llm_core.settings import Settings

TINY = Size(layers=2, hidden=16, heads=2, vocabulary=40, length=8, rows=2)
DECODER = preset(
    "llama", vocab_size=50, hidden_size=16, intermediate_size=32, num_heads=2, num_kv_heads=1, decoder_layers=2
)


@pytest.mark.parametrize("contest", CONTESTS, ids=lambda contest: contest.name)
def test_both_start_from_the_same_loss_and_train(contest: Contest) -> None:
    ours, theirs, ratio, difference = compare(contest, TINY, rounds=1)
    assert ours.value > 0 and theirs.value > 0
    assert ratio.value == pytest.approx(ours.value / theirs.value)
    assert difference.value < 1e-4


@pytest.mark.parametrize("contest", CONTESTS, ids=lambda contest: contest.name)
def test_another_task_for_one_of_them_is_noticed(contest: Contest) -> None:
    def easier(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        adapted = contest.adapt(batch)
        return {**adapted, "labels": adapted["labels"].clamp(max=5)}

    with pytest.raises(AssertionError, match="first losses differ"):
        compare(replace(contest, adapt=easier), TINY)


def test_a_decoder_trains_and_its_speed_is_measured() -> None:
    state = torch.get_rng_state()
    run = throughput(DECODER, torch.device("cpu"), rows=2, length=8, steps=1)
    torch.set_rng_state(state)
    assert run.tokens_per_second > 0
    assert run.mfu is None and run.peak_bytes is None
    assert [figure.unit for figure in as_figures("tiny", run)] == ["tokens/s"]


def test_figures_of_a_gpu_run() -> None:
    figures = as_figures("30M decoder", Throughput(1000.0, 0.4, 2_000_000_000))
    assert [(figure.value, figure.unit) for figure in figures] == [(1000, "tokens/s"), (40, "%"), (2, "GB")]


@pytest.mark.parametrize("tied", [True, False])
def test_flops_are_those_of_the_products(tied: bool) -> None:
    model = CausalLM(replace(DECODER, tie_embeddings=tied))
    layer = 16 * 16 + 2 * 16 * 8 + 16 * 16 + 3 * 16 * 32
    norms = 5 * 16
    assert flops_per_token(model, 8) == 6 * (2 * layer + 50 * 16 + norms) + 12 * 2 * 16 * 8


@pytest.mark.parametrize(("name", "millions"), [("30M", 30), ("135M", 135)])
def test_the_decoders_have_the_sizes_they_are_named_after(name: str, millions: int) -> None:
    with torch.device("meta"):
        parameters = sum(weight.numel() for weight in CausalLM(gpu.DECODERS[name]).parameters())
    assert parameters == pytest.approx(millions * 1e6, rel=0.03)


def test_peaks_are_found_by_name() -> None:
    assert peak_flops("NVIDIA H200") == 989e12
    assert peak_flops("NVIDIA L40S") == 362e12
    assert peak_flops("NVIDIA L4") == 121e12
    assert peak_flops("Some other device") is None


def test_without_a_gpu_its_benchmark_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendError, match="needs a CUDA device"):
        list(run_benchmarks(["gpu"], Settings()))


def test_an_unknown_benchmark_is_refused_with_the_names() -> None:
    with pytest.raises(InputError, match=", ".join((*NAMES, *ON_REQUEST))):
        list(run_benchmarks(["speed"], Settings()))
