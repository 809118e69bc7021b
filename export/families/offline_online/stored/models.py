"""The configs of the models that serve from stored vectors.

    user_embedding      user_id -> the offline state, stored in the release or else computed by offline_state
    offline_state       preprocess_offline -> offline_encoder: raw offline features -> the offline state
    recommend_stored    user_embedding and preprocess_online -> online_ranker -> decode

A request is a request of `recommend` with its user: the feature of the log's user column, if the schema
has one, else `user_id`; the ensemble's parameter `user_key` names it. The parameter `optional` lists the features that
only the encoder reads: a request of a stored user may leave them out.

If the workflow cannot be compiled, its halves cannot be served alone: `recommend_stored` then is `recommend` with
`user_embedding`, which calls `offline_encoder`, instead of the encoder, and optional features must be sent as null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from export.errors import GraphError
from export.families.offline_online.plan import ENCODER, RANKER, RECOMMEND, RankingPlan, chain_configs
from export.triton.config import ModelConfig, Step
from export.triton.ensembles import member
from export.triton.tensors import Tensor, encoded_tensor, request_tensor
from preprocessing.schema import Categorical, Feature, Schema

USER_EMBEDDING, RECOMMEND_STORED = "user_embedding", "recommend_stored"
OFFLINE_STATE, PREPROCESS_OFFLINE, PREPROCESS_ONLINE = "offline_state", "preprocess_offline", "preprocess_online"
ENCODER_DIGEST, STORE_DIGEST = "encoder_digest", "store_digest"
OPTIONAL, USER_KEY = "optional", "user_key"

USER_ID = Tensor("user_id", "string", (1,))
SOURCE = Tensor("source", "string", (1,))


def stored_configs(plan: RankingPlan) -> tuple[ModelConfig, ...]:
    """Return one config per model; `user_embedding` names no store yet."""
    require_free_names(plan.schema)
    recommend = next(each for each in chain_configs(plan) if each.name == RECOMMEND)
    encoder = next(step for step in recommend.steps if step.model == ENCODER)
    if not plan.compiled:
        users = _user_embedding(plan, ENCODER, plan.encoder_inputs, encoder)
        steps = tuple(_user_step(plan, users) if each.model == ENCODER else each for each in recommend.steps)
        return users, _recommend_stored(plan, recommend, steps)
    raw = tuple(request_tensor(feature) for feature in plan.schema.stage("offline"))
    offline, online = (_half(plan, name, features) for name, features in halves(plan).items())
    state = replace(
        recommend, name=OFFLINE_STATE, inputs=raw, outputs=plan.state, steps=(_same_names(offline), encoder)
    )
    users = _user_embedding(plan, OFFLINE_STATE, raw)
    users = replace(users, optional=frozenset(tensor.name for tensor in raw if tensor != USER_ID))
    ranking = recommend.steps[[step.model for step in recommend.steps].index(RANKER) :]
    own = [_same_names(online)] if plan.ranker_features else []
    ensemble = _recommend_stored(plan, recommend, (*own, _user_step(plan, users), *ranking))
    left_out = frozenset(feature.name for feature in optional_features(plan))
    return offline, *([online] if own else []), users, state, replace(ensemble, optional=left_out)


def halves(plan: RankingPlan) -> dict[str, tuple[Feature, ...]]:
    """Return the request features that each of the two preprocessing models encodes."""
    return {PREPROCESS_OFFLINE: plan.schema.stage("offline"), PREPROCESS_ONLINE: plan.ranker_features}


def user_key(schema: Schema) -> Tensor:
    """Return the request tensor of the user."""
    for feature in schema.request_features:
        if _is_user_column(feature, schema):
            return request_tensor(feature)
    return USER_ID


def optional_features(plan: RankingPlan) -> tuple[Feature, ...]:
    """Return the features that are read only for a stored state."""
    needed = {user_key(plan.schema).name, *(feature.name for feature in plan.ranker_features)}
    return tuple(feature for feature in plan.schema.stage("offline") if feature.name not in needed)


def nothing_to_store(schema: Schema) -> str:
    """Return why the users of a schema have no state to store; "" if they have one."""
    if schema.stage("offline"):
        return ""
    return f"schema {schema.name} has no offline features (stage = 'offline'), so users have no embeddings"


def require_free_names(schema: Schema) -> None:
    """Refuse a schema that uses the name of `recommend_stored`'s user id for another feature."""
    for feature in schema.request_features:
        if feature.name == USER_ID.name and not _is_user_column(feature, schema):
            raise GraphError(
                f"{feature.name}: {RECOMMEND_STORED} needs this name for its own tensor: rename the feature in the "
                "schema, or export with --no-stored-embeddings"
            )


def named(config: ModelConfig, digests: Mapping[str, str]) -> ModelConfig:
    """Return `user_embedding` with the digests of its store."""
    return replace(config, parameters=dict(sorted({**config.parameters, **digests}.items())))


def _half(plan: RankingPlan, name: str, features: tuple[Feature, ...]) -> ModelConfig:
    raw, encoded = (tuple(tensor(each) for each in features) for tensor in (request_tensor, encoded_tensor))
    return member(plan, name, "onnxruntime", raw, encoded)


def _user_embedding(
    plan: RankingPlan, encoder: str, features: tuple[Tensor, ...], called: Step | None = None
) -> ModelConfig:
    """`called`: the encoder as a step of an ensemble, if its tensors have other names inside."""
    tensors = (*called.inputs.items(), *called.outputs.items()) if called else ()
    inside = {f"inside.{name}": own for own, name in tensors if own != name}
    if USER_ID in features:
        inside[f"inside.{USER_ID.name}"] = USER_ID.name
    longest = {"repeat_length": str(plan.state[-1].longest)} if len(plan.state) > 1 else {}
    # A feature may be the user id with this name: then it is declared once, and the encoder takes it too.
    inputs = (USER_ID, *(each for each in features if each != USER_ID))
    config = member(
        plan, USER_EMBEDDING, "python", inputs, (*plan.state, SOURCE), {"encoder": encoder, **inside, **longest}
    )
    # No warmup, because a user who is not stored needs the encoder, which may be loaded later.
    return replace(config, warmup=())


def _recommend_stored(plan: RankingPlan, recommend: ModelConfig, steps: tuple[Step, ...]) -> ModelConfig:
    key = user_key(plan.schema)
    optional = ",".join(each.name for each in optional_features(plan))
    return replace(
        recommend,
        name=RECOMMEND_STORED,
        inputs=recommend.inputs if key in plan.request else (key, *recommend.inputs),
        outputs=(*recommend.outputs, SOURCE),
        parameters={**recommend.parameters, OPTIONAL: optional, USER_KEY: key.name},
        steps=steps,
    )


def _user_step(plan: RankingPlan, users: ModelConfig) -> Step:
    step = _same_names(users)
    return replace(step, inputs={**step.inputs, USER_ID.name: user_key(plan.schema).name})


def _same_names(config: ModelConfig) -> Step:
    """Return a step whose tensors have the same names inside and outside."""
    inputs, outputs = ({tensor.name: tensor.name for tensor in side} for side in (config.inputs, config.outputs))
    return Step(config.name, inputs, outputs)


def _is_user_column(feature: Feature, schema: Schema) -> bool:
    return (
        isinstance(feature, Categorical)
        and feature.dtype == "string"
        and feature.side == "user"
        and feature.source == "column"
        and feature.raw_column == schema.log.columns.user
    )
