"""Sequence encoders, from item vectors to contextual vectors and one pooled vector.

The transformers are Hugging Face encoders with a small config, built here and never downloaded. They use eager
attention, because T5 with fused attention cannot be exported to ONNX.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from preprocessing.schema import Encoder
from stage.errors import BadInput

INVISIBLE = -1e4  # a logit whose exp is zero in float32 and bfloat16, and whose sums do not become NaN


class EncoderError(BadInput):
    """The encoder of the schema cannot be built."""


class SequenceEncoder(nn.Module):
    """Encode a padded sequence of vectors [B, L, W] with its mask [B, L] to hidden [B, L, W] and pooled [B, W].

    `pooled` is the mean of the hidden vectors, weighted by a learned logit per age (0 = the newest). A row
    of only padding pools to zero.
    """

    def __init__(self, encoder: Encoder, width: int, max_length: int, dropout: float) -> None:
        super().__init__()
        self.transformer = _transformer(encoder, width, max_length, dropout)
        self.age_logits = nn.Parameter(torch.zeros(max_length))

    def forward(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        hidden = vectors
        if self.transformer is not None:
            # A four-dimensional additive mask is used unchanged; from [B, L] transformers makes twenty graph nodes.
            addend = torch.where(mask, 0.0, torch.finfo(vectors.dtype).min).to(vectors.dtype)
            attention = addend[:, None, None, :]
            hidden = self.transformer(inputs_embeds=vectors, attention_mask=attention).last_hidden_state
        weight = torch.exp(self.age_logits[ages(mask)]) * mask
        weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-9)
        return hidden, (weight.unsqueeze(1) @ hidden).squeeze(1)


def ages(mask: Tensor) -> Tensor:
    """Return each position's distance from the newest, [B, L] int64: the last visible position has age 0, padding 0."""
    places = torch.arange(mask.shape[1], device=mask.device)
    return (mask.sum(1, keepdim=True) - 1 - places).clamp(min=0)


def _transformer(encoder: Encoder, width: int, max_length: int, dropout: float) -> nn.Module | None:
    if encoder.type == "mean":
        return None
    if width % encoder.heads:
        raise EncoderError(f"{encoder.heads} heads do not divide the width {width}: change heads, or --dim")
    from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel, T5Config, T5EncoderModel

    eager = {"attn_implementation": "eager"}
    model: nn.Module
    if encoder.type == "t5":
        config = T5Config(
            vocab_size=1,
            d_model=width,
            d_kv=width // encoder.heads,
            d_ff=2 * width,
            num_layers=encoder.layers,
            num_heads=encoder.heads,
            dropout_rate=dropout,
            use_cache=False,
            eos_token_id=None,
            pad_token_id=0,
            **eager,
        )
        model = T5EncoderModel(config).encoder
    elif encoder.type == "distilbert":
        model = DistilBertModel(
            DistilBertConfig(
                vocab_size=1,
                dim=width,
                hidden_dim=2 * width,
                n_layers=encoder.layers,
                n_heads=encoder.heads,
                dropout=dropout,
                attention_dropout=dropout,
                max_position_embeddings=max_length,
                pad_token_id=0,
                **eager,
            )
        )
    else:
        model = BertModel(
            BertConfig(
                vocab_size=1,
                hidden_size=width,
                intermediate_size=2 * width,
                num_hidden_layers=encoder.layers,
                num_attention_heads=encoder.heads,
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
                max_position_embeddings=max_length,
                pad_token_id=0,
                **eager,
            ),
            add_pooling_layer=False,
        )
    return model
