"""The two models that serve from stored vectors, as config.pbtxt declares them.

    user_embedding      user_id -> the offline state, stored in the release or else computed by offline_encoder
    recommend_stored    recommend with user_embedding in the place of offline_encoder; says by `source` which it was

A request is one of `recommend`, and tells whose it is: by the feature that is the log's user column, where the schema
has one, else by `user_id`; the ensemble's parameter `user_key` says which. Features that only the encoder reads are
named by its parameter `optional`: they may be null or empty for a user whose state is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from export.config import ModelConfig, Step, to_text
from export.errors import GraphError
from export.recommend import ENCODER, RECOMMEND, Plan, configs, member
from export.tensors import Tensor, request_tensor
from preprocessing.schema import Categorical, Feature, Schema

USER_EMBEDDING, RECOMMEND_STORED = "user_embedding", "recommend_stored"
ENCODER_DIGEST, STORE_DIGEST = "encoder_digest", "store_digest"
OPTIONAL, USER_KEY = "optional", "user_key"

USER_ID = Tensor("user_id", "string", (1,))
SOURCE = Tensor("source", "string", (1,))


def stored_configs(plan: Plan) -> tuple[ModelConfig, ModelConfig]:
    """`user_embedding`, which names no store yet, and `recommend_stored`."""
    require_free_names(plan.schema)
    recommend = next(each for each in configs(plan) if each.name == RECOMMEND)
    encoder = next(step for step in recommend.steps if step.model == ENCODER)
    key = user_key(plan.schema)
    step = Step(
        USER_EMBEDDING,
        {USER_ID.name: key.name, **{tensor.name: tensor.name for tensor in plan.encoder_inputs}},
        {tensor.name: tensor.name for tensor in (*plan.state, SOURCE)},
    )
    optional = ",".join(each.name for each in optional_features(plan))
    ensemble = replace(
        recommend,
        name=RECOMMEND_STORED,
        inputs=recommend.inputs if key in plan.request else (key, *recommend.inputs),
        outputs=(*recommend.outputs, SOURCE),
        parameters={**recommend.parameters, OPTIONAL: optional, USER_KEY: key.name},
        steps=tuple(step if each.model == ENCODER else each for each in recommend.steps),
    )
    return _user_embedding(plan, encoder), ensemble


def _user_embedding(plan: Plan, encoder: Step) -> ModelConfig:
    tensors = (*encoder.inputs.items(), *encoder.outputs.items())
    inside = {f"inside.{name}": own for own, name in tensors if own != name}
    longest = {"repeat_length": str(plan.state[-1].longest)} if len(plan.state) > 1 else {}
    parameters = {"encoder": ENCODER, **inside, **longest}
    inputs, outputs = (USER_ID, *plan.encoder_inputs), (*plan.state, SOURCE)
    # No warmup: a user that is not stored needs the encoder, which may be loaded later.
    return replace(member(plan, USER_EMBEDDING, "python", inputs, outputs, parameters), warmup=())


def user_key(schema: Schema) -> Tensor:
    """What of a request tells whose it is."""
    for feature in schema.request_features:
        if _is_user_column(feature, schema):
            return request_tensor(feature)
    return USER_ID


def optional_features(plan: Plan) -> tuple[Feature, ...]:
    """The features of which a stored state is made, and nothing else."""
    needed = {user_key(plan.schema).name, *(feature.name for feature in plan.ranker_features)}
    return tuple(feature for feature in plan.schema.stage("offline") if feature.name not in needed)


def require_free_names(schema: Schema) -> None:
    """Refuse a schema whose features take the names of what `recommend_stored` takes and gives beside them."""
    taken = {SOURCE.name, *({USER_ID.name} if user_key(schema) == USER_ID else ())}
    for feature in schema.request_features:
        if feature.name in taken and not _is_user_column(feature, schema):
            raise GraphError(
                f"{feature.name}: a feature of this name leaves none for {RECOMMEND_STORED}'s own: rename it in the "
                "schema, or export with --no-stored-embeddings"
            )


def named(config: ModelConfig, digests: Mapping[str, str]) -> ModelConfig:
    """`user_embedding` that names its store, by the digests of its metadata."""
    return replace(config, parameters=dict(sorted({**config.parameters, **digests}.items())))


def write_stored_configs(plan: Plan, folder: Path) -> None:
    """Both config.pbtxt below `folder`."""
    for config in stored_configs(plan):
        (folder / config.name).mkdir(parents=True, exist_ok=True)
        (folder / config.name / "config.pbtxt").write_text(to_text(config), encoding="utf-8")


def _is_user_column(feature: Feature, schema: Schema) -> bool:
    return (
        isinstance(feature, Categorical)
        and feature.dtype == "string"
        and feature.side == "user"
        and feature.source == "column"
        and feature.raw_column == schema.log.columns.user
    )
