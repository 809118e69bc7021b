"""config.pbtxt: read back as printed, committed as generated, complete."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tritonclient.grpc import model_config_pb2

from export.commands.configs import shipped_configs
from export.errors import RepositoryError
from export.families.offline_online.plan import (
    RECOMMEND,
    RECOMMEND_FUSED,
    RECOMMEND_NVTABULAR,
    RankingPlan,
    chain_configs,
)
from export.families.offline_online.stored.models import (
    RECOMMEND_STORED,
    USER_EMBEDDING,
    optional_features,
    stored_configs,
    user_key,
)
from export.families.two_tower.plan import ITEM_TOWER, MATCH, RetrievalPlan
from export.families.two_tower.plan import configs as retrieval_configs
from export.repository.members import COMMITTED, write_configs
from export.triton.config import ModelConfig, from_text, read_config, to_text
from export.triton.plan import PREPROCESS, PREPROCESS_NVTABULAR, Format
from preprocessing.changes import Changes
from preprocessing.schema import Schema, load_schema
from preprocessing.tensor_names import TENSOR_NAMES
from tests.orders import write_orders
from tests.synthetic import schema_toml


@pytest.fixture(scope="module", params=["complete_journey", "generic", "movielens", "online_retail", "synthetic"])
def schema(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Schema:
    if request.param != "synthetic":
        return load_schema(request.param)
    path = tmp_path_factory.mktemp("schema") / "schema.toml"
    path.write_text(schema_toml(), encoding="utf-8")
    return load_schema(path)


def without_longest(config: ModelConfig) -> ModelConfig:
    """What config.pbtxt has no place for."""
    return replace(
        config,
        inputs=tuple(replace(tensor, longest=None) for tensor in config.inputs),
        outputs=tuple(replace(tensor, longest=None) for tensor in config.outputs),
        warmup=tuple(
            replace(warmup, inputs=tuple(replace(tensor, longest=None) for tensor in warmup.inputs))
            for warmup in config.warmup
        ),
    )


def test_a_schema_without_offline_features_has_no_model_of_their_state(tmp_path: Path) -> None:
    names = {config.name for config in shipped_configs(load_schema(write_orders(tmp_path, "orders") / "schema.toml"))}
    assert {"recommend", "online_ranker", "retrieve_and_rank"} < names
    assert names.isdisjoint({"offline_encoder", "offline_state", USER_EMBEDDING, RECOMMEND_STORED})


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_every_config_reads_back_as_it_was_printed(schema: Schema, format: Format) -> None:
    plan = RankingPlan(schema, 24, top_k=7, max_batch_size=5, format=format, digest="abc")
    for config in (*chain_configs(plan), *stored_configs(plan)):
        assert from_text(to_text(config)) == without_longest(config)


def test_the_committed_configs_are_those_of_the_default_schema(tmp_path: Path) -> None:
    schema = load_schema("complete_journey")
    write_configs(shipped_configs(schema), tmp_path)
    committed = {path.relative_to(COMMITTED): path.read_text() for path in COMMITTED.glob("*/config.pbtxt")}
    written = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.glob("*/config.pbtxt")}
    assert committed == written, "run `python -m export configs --output model_repository`"


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_every_member_is_one_automatic_instance_that_batches_and_warms_up(schema: Schema, format: Format) -> None:
    from google.protobuf import text_format

    for config in chain_configs(RankingPlan(schema, 24, format=format)):
        if config.backend == "ensemble":
            assert not config.warmup
            continue
        message = text_format.Parse(to_text(config), model_config_pb2.ModelConfig())
        [instances] = message.instance_group
        assert (instances.count, instances.kind) == (1, model_config_pb2.ModelInstanceGroup.KIND_AUTO)
        assert message.HasField("dynamic_batching")
        assert not message.dynamic_batching.max_queue_delay_microseconds
        assert {warmup.batch_size for warmup in message.model_warmup} == {1, 64}
        for warmup in message.model_warmup:
            assert set(warmup.inputs) == {each.name for each in message.input}
            assert all(min(tensor.dims) >= 1 for tensor in warmup.inputs.values())


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
@pytest.mark.parametrize("name", [RECOMMEND, RECOMMEND_NVTABULAR, RECOMMEND_STORED])
def test_an_ensemble_takes_each_tensor_from_an_earlier_step(schema: Schema, format: Format, name: str) -> None:
    plan = RankingPlan(schema, 24, format=format)
    models = {config.name: config for config in (*chain_configs(plan), *stored_configs(plan))}
    ensemble = models[name]
    known = {tensor.name: tensor for tensor in ensemble.inputs}
    for step in ensemble.steps:
        member = models[step.model]
        for side, names in ((member.inputs, step.inputs), (member.outputs, step.outputs)):
            assert [tensor.name for tensor in side] == list(names)
        for tensor in member.inputs:
            assert known[step.inputs[tensor.name]].dims == tensor.dims
            assert known[step.inputs[tensor.name]].dtype == tensor.dtype
        known |= {step.outputs[tensor.name]: tensor for tensor in member.outputs}
    assert {tensor.name: known[tensor.name].dims for tensor in ensemble.outputs} == {
        "item_id": (100,),
        "score": (100,),
        **({"source": (1,)} if name == RECOMMEND_STORED else {}),
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {PREPROCESS, PREPROCESS_NVTABULAR, RECOMMEND, RECOMMEND_NVTABULAR, RECOMMEND_FUSED}),
        ({"reference_path": False}, {PREPROCESS, RECOMMEND, RECOMMEND_FUSED}),
        ({"format": "torchscript"}, {PREPROCESS, PREPROCESS_NVTABULAR, RECOMMEND, RECOMMEND_NVTABULAR}),
        ({"compiled": False}, {PREPROCESS_NVTABULAR, RECOMMEND, RECOMMEND_NVTABULAR}),
        ({"compiled": False, "reference_path": False}, {PREPROCESS_NVTABULAR, RECOMMEND}),
    ],
)
def test_a_repository_holds_what_its_plan_can_have(changes: dict[str, Any], expected: set[str]) -> None:
    models = {
        config.name: config for config in chain_configs(replace(RankingPlan(load_schema("generic"), 24), **changes))
    }
    assert models.keys() == expected | {"offline_encoder", "online_ranker", "decode"}
    first = PREPROCESS_NVTABULAR if changes.get("compiled") is False else PREPROCESS
    assert models[RECOMMEND].steps[0].model == first
    signatures = {(models[name].inputs, models[name].outputs) for name in expected if name.startswith("recommend")}
    assert len(signatures) == 1


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_user_embedding_knows_by_what_names_its_encoder_takes_tensors(schema: Schema, format: Format) -> None:
    for compiled in (False, True):
        plan = RankingPlan(schema, 24, format=format, compiled=compiled)
        models = {config.name: config for config in (*chain_configs(plan), *stored_configs(plan))}
        users = models[USER_EMBEDDING]
        encoder = models["offline_state" if compiled else "offline_encoder"]
        assert users.parameters["encoder"] == encoder.name
        own_id = compiled and "user_id" in {tensor.name for tensor in encoder.inputs}
        tensors = [tensor.name for tensor in (*users.inputs[0 if own_id else 1 :], *users.outputs[:-1])]
        inside = [users.parameters.get(f"inside.{name}", name) for name in tensors]
        assert inside == [tensor.name for tensor in (*encoder.inputs, *encoder.outputs)]
        assert ("inside.user_id" in users.parameters) == own_id
        assert (users.backend, users.warmup) == ("python", ())
        assert users.optional == (frozenset(tensors[: len(encoder.inputs)]) - {"user_id"} if compiled else set())


def test_the_user_of_a_request_is_the_feature_of_the_user_column_else_user_id() -> None:
    keys = {name: user_key(load_schema(name)).name for name in ("complete_journey", "generic", "online_retail")}
    assert keys == {"complete_journey": "household_id", "generic": "user_id", "online_retail": "user_id"}
    generic = load_schema("generic")
    assert user_key(generic.changed(Changes(columns="user=customer"))).name == "user_id"
    anonymous = generic.model_copy(update={"features": tuple(f for f in generic.features if f.name != "user_id")})
    plan = RankingPlan(anonymous, 24)
    ensemble = stored_configs(plan)[-1]
    assert (ensemble.name, ensemble.inputs) == (RECOMMEND_STORED, (user_key(anonymous), *plan.request))
    assert ensemble.parameters["user_key"] == "user_id"


def test_no_feature_of_a_request_may_have_the_name_of_a_tensor_between_models_or_of_an_answer() -> None:
    schema = load_schema("complete_journey")
    plan = RetrievalPlan(schema, 24, retrieved=9)
    members = (
        *chain_configs(RankingPlan(schema, 24)),
        *stored_configs(RankingPlan(schema, 24)),
        *retrieval_configs(plan),
    )
    made = {tensor.name for model in members if model.name not in (ITEM_TOWER, MATCH) for tensor in model.outputs}
    taken = {tensor.name for tensor in plan.retrieve_request} - {feature.name for feature in schema.request_features}
    assert {name for name in made | taken if "." not in name} <= TENSOR_NAMES
    assert {name for name in made | taken if "." not in name} >= TENSOR_NAMES - {"repeat_items", "repeat_logits"}


def test_what_only_the_encoder_reads_is_optional() -> None:
    complete_journey, movielens = (RankingPlan(load_schema(name), 24) for name in ("complete_journey", "movielens"))
    assert [feature.name for feature in optional_features(complete_journey)][-2:] == ["recent_items", "frequent_items"]
    assert "household_id" not in {feature.name for feature in optional_features(complete_journey)}
    # MovieLens leaves the recent items out of an answer: the ranker reads them of every request.
    assert {feature.name for feature in optional_features(movielens)} == {"age", "gender", "occupation"}
    ensemble = stored_configs(movielens)[-1]
    assert ensemble.optional == {"age", "gender", "occupation"}
    assert not stored_configs(replace(movielens, compiled=False))[-1].optional


def test_only_a_fitted_schema_has_a_digest(schema: Schema) -> None:
    for config in chain_configs(RankingPlan(schema, 24)):
        assert config.parameters["family"] == "offline_online"
        assert "schema_digest" not in config.parameters
    for config in chain_configs(RankingPlan(schema, 24, digest="0123")):
        assert config.parameters["schema_digest"] == "0123"


def test_a_folder_without_the_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"no decode/config.pbtxt in .*: give what `export repository` wrote"):
        read_config(tmp_path, "decode")
    (tmp_path / "decode").mkdir()
    (tmp_path / "decode" / "config.pbtxt").write_text("name: {")
    with pytest.raises(RepositoryError, match="not a config"):
        read_config(tmp_path, "decode")
