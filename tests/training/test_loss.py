"""The loss that is computed a few rows at a time is torch's, and so is its gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from llm_core.data.collators import IGNORED
from llm_core.training import loss
from llm_core.training.loss import summed_loss


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows_at_once", [1, 7, 1000])
def test_loss_and_gradient_are_torch_s(
    label_smoothing: float, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "CHUNK_BYTES", {"cpu": rows_at_once * 4 * 11})
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 10, 11) * 4, torch.randint(0, 11, (3, 10))
    labels[0, :4] = labels[2] = IGNORED
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    found = summed_loss(ours, labels, label_smoothing)
    options = {"ignore_index": IGNORED, "label_smoothing": label_smoothing, "reduction": "sum"}
    wanted = cross_entropy(theirs.reshape(-1, 11), labels.reshape(-1), **options)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    (found / 3).backward()
    (wanted / 3).backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_in_bfloat16_the_sum_is_still_exact() -> None:
    torch.manual_seed(0)
    logits = torch.randn(200, 50).bfloat16().requires_grad_()
    labels = torch.randint(0, 50, (200,))
    found = summed_loss(logits, labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, cross_entropy(logits.float(), labels, reduction="sum"), rtol=1e-5, atol=0)
    found.backward()
    assert logits.grad is not None and logits.grad.dtype == torch.bfloat16


def test_labels_that_do_not_count_cost_nothing() -> None:
    logits = torch.randn(4, 6, requires_grad=True)
    found = summed_loss(logits, torch.full((4,), IGNORED))
    found.backward()
    assert found == 0 and logits.grad is not None and not logits.grad.any()
