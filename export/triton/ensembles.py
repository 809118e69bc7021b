"""The common parts of all configs of a plan, and the chaining of models in an ensemble."""

from __future__ import annotations

from dataclasses import replace

from export.triton.config import Backend, ModelConfig, Step, Warmup
from export.triton.plan import DECODE, PREPROCESS, PREPROCESS_NVTABULAR, Plan
from export.triton.tensors import Tensor
from stage.version import naiad_version

# One thread per model: on a busy server requests keep the cores busy, and threads of one request wait for each other.
# TorchScript's optimizer would delay the first requests, and gains nothing here (tried on CPU).
_RUNTIME: dict[Backend, dict[str, str]] = {
    "onnxruntime": {"intra_op_thread_count": "1", "inter_op_thread_count": "1"},
    "pytorch": {"INTRA_OP_THREAD_COUNT": "1", "DISABLE_OPTIMIZED_EXECUTION": "true"},
}


def ensemble(plan: Plan, name: str, request: tuple[Tensor, ...], members: tuple[ModelConfig, ...]) -> ModelConfig:
    """Return the chain of members, with tensors passed by name; unused outputs are not requested."""
    taken = {tensor.name for config in members for tensor in config.inputs} | {tensor.name for tensor in plan.answer}
    return ModelConfig(
        name=name,
        backend="ensemble",
        max_batch_size=plan.max_batch_size,
        inputs=request,
        outputs=plan.answer,
        parameters=_about(plan),
        steps=tuple(_step(each, taken) for each in members),
    )


def member(
    plan: Plan,
    name: str,
    backend: Backend,
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    parameters: dict[str, str] | None = None,
) -> ModelConfig:
    """Return a model with the common parts: the family, the digest, the backend's settings, warmups."""
    longest = tuple(
        replace(tensor, dims=tuple(tensor.longest or 1 if d == -1 else d for d in tensor.dims)) for tensor in inputs
    )
    return ModelConfig(
        name=name,
        backend=backend,
        max_batch_size=plan.max_batch_size,
        inputs=inputs,
        outputs=outputs,
        parameters=dict(sorted({**_about(plan), **_RUNTIME.get(backend, {}), **(parameters or {})}.items())),
        # The python backend gets its requests one by one, so only there may their lengths differ.
        ragged=frozenset(t.name for t in inputs if -1 in t.dims) if backend == "python" else frozenset(),
        warmup=tuple(
            Warmup(name, rows, tuple(sorted(longest, key=lambda tensor: tensor.name)))
            for name, rows in (("one row", 1), ("full batch", plan.max_batch_size))
        ),
    )


def _about(plan: Plan) -> dict[str, str]:
    digest = {"schema_digest": plan.digest} if plan.digest else {}
    return {"family": plan.family, "naiad_version": naiad_version(), **digest}


def _step(config: ModelConfig, taken: set[str]) -> Step:
    """Return a step with the same tensor names inside and outside, except for TorchScript's numbers."""
    inside = as_backend_takes(config)
    return Step(
        config.name,
        {own.name: tensor.name for own, tensor in zip(inside.inputs, config.inputs, strict=True)},
        {o.name: tensor.name for o, tensor in zip(inside.outputs, config.outputs, strict=True) if tensor.name in taken},
    )


def as_backend_takes(config: ModelConfig) -> ModelConfig:
    """Return `name__INDEX`, by which Triton's pytorch backend finds a tensor among forward's arguments and results."""
    if config.backend != "pytorch":
        return config
    names = {tensor.name: f"{tensor.name}__{place}" for place, tensor in enumerate(config.inputs)}
    return replace(
        config,
        inputs=tuple(tensor.renamed(names[tensor.name]) for tensor in config.inputs),
        outputs=tuple(tensor.renamed(f"{tensor.name}__{place}") for place, tensor in enumerate(config.outputs)),
        warmup=tuple(
            replace(warmup, inputs=tuple(tensor.renamed(names[tensor.name]) for tensor in warmup.inputs))
            for warmup in config.warmup
        ),
    )


def decoding(plan: Plan) -> ModelConfig:
    return member(plan, DECODE, "onnxruntime", plan.ranking[:1], plan.answer[:1])


def served_in_three_ways(
    plan: Plan,
    names: tuple[str, str, str],
    request: tuple[Tensor, ...],
    chain: tuple[ModelConfig, ...],
    beside: tuple[ModelConfig, ...] = (),
) -> tuple[ModelConfig, ...]:
    """Return all models of a family: preprocessing, the chain after it, other models, and the ensembles.

    Args:
        plan: The plan of the repository.
        names: Names of the default ensemble, of the one with NVTabular, and of the fused graph.
        request: The inputs of each of the three.
        chain: The models after preprocessing.
        beside: Models outside of the chain.

    """
    default, by_nvtabular, fused = names
    first, interpreted = preprocessing(plan), _interpreted(plan)
    members = (
        *([first] if plan.compiled else []),
        *([interpreted] if plan.serves_nvtabular else []),
        *chain,
        *beside,
        *([member(plan, fused, "onnxruntime", request, plan.answer)] if plan.fused else []),
    )
    ensembles = (
        ensemble(plan, default, request, (first, *chain)),
        *([ensemble(plan, by_nvtabular, request, (interpreted, *chain))] if plan.reference_path else []),
    )
    return (*map(as_backend_takes, members), *ensembles)


def served_chains(plan: Plan, default: str, *, fused: str, by_nvtabular: str = "") -> tuple[str, ...]:
    """Return the names under which the plan serves a chain, the default first."""
    interpreted = (by_nvtabular,) if by_nvtabular and plan.reference_path else ()
    return (default, *interpreted, *((fused,) if plan.fused else ()))


def preprocessing(plan: Plan) -> ModelConfig:
    """Return the first model of default ensembles."""
    if plan.compiled:
        return member(plan, PREPROCESS, "onnxruntime", plan.request, plan.encoded)
    return _interpreted(plan)


def _interpreted(plan: Plan) -> ModelConfig:
    features = plan.schema.request_features
    parameters = {f"{key}.{each.name}": value for each in features for key, value in each.parameters.items()}
    return member(plan, PREPROCESS_NVTABULAR, "python", plan.request, plan.encoded, parameters)
