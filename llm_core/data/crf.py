r"""A linear-chain conditional random field (Lafferty et al. 2001) on top of an encoder: it adds what single n-grams say
and which tags follow each other.

.. math:: \log p(y \mid x) = \sum_t e_{t, y_t} + \sum_t a_{y_{t-1}, y_t} - \log Z(x), \qquad
          e_t = s \, z_t + W * (E_{h(x)})_t

z are the encoder's logits, scaled by one number s. E is a small table of hashed n-grams (`data.ngrams`), and W * a
convolution over the words around t, so that an n-gram counts for the tags of its own words and of those beside them.
An encoder with few weights cannot know many names; a table can, and it is fitted in minutes.

What is read from it are max-marginals, which take the place of the encoder's logits.
"""

# Shape suffix legend
#   B = sentences, T = words, N = orders of n-grams, D = size of a row, L = labels

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from llm_core.data.ngrams import ngram_rows
from llm_core.data.tagging import CERTAINLY_NOT, OUTSIDE, step_scores
from llm_core.errors import WeightsError
from llm_core.files import replacing

FILE = "crf.safetensors"
"""Beside the encoder's weights."""
LARGEST_LOGIT = 15.0
"""The encoder is not believed more than that: a word that it cannot read would otherwise be outside for certain."""
SENTENCES_AT_ONCE = 64

Array = npt.NDArray[Any]


class NgramCRF(nn.Module):
    """See the module.

    Args:
        labels: Tags in the order of the encoder's logits; a step that is not proper IOB2 has no probability.
        rows: Of the table of n-grams.
        size: Numbers in a row.
        orders: Words of the longest n-gram.
        width: Words that the convolution sees at once; odd.
        dropout: Share of the n-grams left out in training.
        encoder_dropout: Share of the sentences that are trained on without the encoder, which knows them by heart.
    """

    def __init__(
        self,
        labels: Sequence[str],
        rows: int,
        size: int,
        orders: int = 4,
        width: int = 7,
        dropout: float = 0.0,
        encoder_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.rows, self.orders = rows, orders
        self.dropout, self.encoder_dropout = dropout, encoder_dropout
        self.table = nn.Embedding(rows, size)
        self.window = nn.Conv1d(orders * size, len(labels), width, padding=width // 2)
        self.scale = nn.Parameter(torch.ones(()))
        self.transitions = nn.Parameter(torch.zeros(len(labels), len(labels)))
        self.allowed: Tensor
        allowed_LL = torch.from_numpy(step_scores(tuple(labels), CERTAINLY_NOT))
        self.register_buffer("allowed", allowed_LL.float(), persistent=False)
        self.start = labels.index(OUTSIDE)
        nn.init.normal_(self.table.weight, std=0.05)
        nn.init.normal_(self.window.weight, std=0.3 / (orders * size) ** 0.5)

    def embedded(self, ngrams_BTN: Tensor) -> Tensor:
        """Rows of the table, (B, T, N, D)."""
        rows_BTND: Tensor = self.table(ngrams_BTN)
        if self.training:
            rows_BTND = rows_BTND * _kept(rows_BTND[..., :1], self.dropout) / (1 - self.dropout)
        return rows_BTND

    def emissions(self, rows_BTND: Tensor, logits_BTL: Tensor, mask_BT: Tensor) -> Tensor:
        """e of the formula, (B, T, L).

        Args:
            rows_BTND: From `embedded`.
            logits_BTL: The encoder's.
            mask_BT: True where there is a word.
        """
        rows_BCT = (rows_BTND * mask_BT[..., None, None]).flatten(2).transpose(1, 2)
        encoder_BTL = self.scale * logits_BTL.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        if self.training:
            encoder_BTL = encoder_BTL * _kept(encoder_BTL[:, :1, :1], self.encoder_dropout)
        ngrams_BLT: Tensor = self.window(rows_BCT)
        return encoder_BTL + ngrams_BLT.transpose(1, 2)

    def log_likelihood(self, emissions_BTL: Tensor, mask_BT: Tensor, tags_BT: Tensor) -> Tensor:
        """Of the tags, (B,), in nats."""
        chosen_BT = emissions_BTL.gather(2, tags_BT[..., None])[..., 0]
        stepped_BT = (self.transitions + self.allowed)[tags_BT[:, :-1], tags_BT[:, 1:]]
        norm_B = self._scores_up_to(emissions_BTL, mask_BT, torch.logsumexp)[:, -1].logsumexp(-1)
        return (chosen_BT * mask_BT).sum(1) + (stepped_BT * mask_BT[:, 1:]).sum(1) - norm_B

    def max_marginals(self, emissions_BTL: Tensor, mask_BT: Tensor) -> Tensor:
        """(B, T, L): the score of the best tags of the whole sentence that have this tag here.

        The greatest of each word are the best tags (Viterbi 1967).
        """
        steps_LL = self.transitions + self.allowed
        after = [torch.zeros_like(emissions_BTL[:, 0])]
        for t in range(emissions_BTL.shape[1] - 1, 0, -1):
            best_BL = ((after[-1] + emissions_BTL[:, t])[:, None, :] + steps_LL).amax(-1)
            after.append(torch.where(mask_BT[:, t, None], best_BL, after[-1]))
        return self._scores_up_to(emissions_BTL, mask_BT, torch.amax) + torch.stack(after[::-1], dim=1)

    def _scores_up_to(self, emissions_BTL: Tensor, mask_BT: Tensor, reduce: Callable[..., Tensor]) -> Tensor:
        """(B, T, L): of all ways that end in a tag the sum or the best, as `reduce` says; behind a sentence's last word
        as at it."""
        steps_LL = self.transitions + self.allowed
        found = [self.allowed[self.start] + emissions_BTL[:, 0]]
        for t in range(1, emissions_BTL.shape[1]):
            reached_BL = reduce(found[-1][:, :, None] + steps_LL, 1) + emissions_BTL[:, t]
            found.append(torch.where(mask_BT[:, t, None], reached_BL, found[-1]))
        return torch.stack(found, dim=1)

    def ngrams(self, words: Sequence[str]) -> Tensor:
        """(T, N): the rows of the table for the n-grams of a sentence."""
        return torch.from_numpy(ngram_rows(words, self.orders, self.rows))

    @torch.inference_mode()
    def refined(self, sentences: Sequence[Sequence[str]], logits: Sequence[Array]) -> list[Array]:
        """Max-marginals of sentences, each (words, labels), which take the place of the encoder's logits.

        Args:
            sentences: Words of each.
            logits: The encoder's, of the same shapes.
        """
        found = list(logits)
        order = sorted((i for i, words in enumerate(sentences) if words), key=lambda i: len(sentences[i]))
        for first in range(0, len(order), SENTENCES_AT_ONCE):
            chosen = order[first : first + SENTENCES_AT_ONCE]
            ngrams_BTN, mask_BT = padded([self.ngrams(sentences[i]) for i in chosen])
            logits_BTL, _ = padded([torch.from_numpy(logits[i]) for i in chosen])
            emissions_BTL = self.emissions(self.embedded(ngrams_BTN), logits_BTL, mask_BT)
            read_BTL = self.max_marginals(emissions_BTL, mask_BT)
            for i, read, words in zip(chosen, read_BTL, mask_BT.sum(1).tolist(), strict=True):
                found[i] = read[:words].numpy()
        return found


def _kept(like: Tensor, share: float) -> Tensor:
    """Ones, and zeros for a `share` of the places."""
    return (torch.rand_like(like) >= share).to(like)


def padded(sentences: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Tensors of words (T, …) as one (B, T, …) with zeros behind, and the mask of where there is a word, (B, T)."""
    lengths_B = torch.tensor([len(each) for each in sentences])
    together = pad_sequence(list(sentences), batch_first=True)
    return together, torch.arange(together.shape[1]) < lengths_B[:, None]


def save_crf(crf: NgramCRF, directory: Path, dtype: torch.dtype) -> None:
    """Writes `FILE` into a model's directory: the table in `dtype`, the rest in float32."""
    state = crf.state_dict()
    with replacing(directory / FILE) as partial:
        partial.write_bytes(to_bytes({**state, "table.weight": state["table.weight"].to(dtype)}))


def load_crf(directory: Path, labels: Sequence[str]) -> NgramCRF | None:
    """The CRF of a model, in float32, ready for inference; None where it has none.

    Args:
        directory: Of the model.
        labels: In the order of the encoder's logits.

    Raises:
        WeightsError: The file is not what `save_crf` writes, or is for other labels.
    """
    file = directory / FILE
    if not file.is_file():
        return None
    state = {name: tensor.float() for name, tensor in load_file(file).items()}
    try:
        rows, size = state["table.weight"].shape
        _, channels, width = state["window.weight"].shape
        crf = NgramCRF(labels, rows, size, channels // size, width)
        crf.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{directory.name}/{FILE}: is not a CRF for {len(labels)} labels") from error
    return crf.eval().requires_grad_(False)
