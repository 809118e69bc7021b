"""One request from the command line, for `recommend --feature NAME VALUE …`; the model's inputs decide the types."""

from __future__ import annotations

from collections.abc import Sequence

from client.errors import InvalidRequest
from client.recorded import RecordedRow
from client.signature import Signature, TensorSpec


def request_of(signature: Signature, given: Sequence[Sequence[str]]) -> RecordedRow:
    """Return the request of some features, each a name and its values; a list may have none.

    Raises InvalidRequest if the model has no such feature, or if it occurs twice, or for values of another type.
    """
    features: dict[str, object] = {}
    for name, *values in given:
        spec = signature.inputs.get(name)
        if spec is None:
            known = ", ".join(signature.inputs)
            raise InvalidRequest(f"--feature {name}: {signature.model} has no such feature: give one of {known}")
        if name in features:
            raise InvalidRequest(f"--feature {name}: is given twice: give all its values after one --feature {name}")
        features[name] = _value(spec, values)
    return RecordedRow(features)


def _value(spec: TensorSpec, values: list[str]) -> object:
    if spec.dims == (1,) and len(values) != 1:
        raise InvalidRequest(f"--feature {spec.name}: seen {len(values)} values: give one")
    read = {"BYTES": str, "BOOL": str}.get(spec.datatype) or (float if spec.datatype.startswith("FP") else int)
    try:
        parsed = [read(value) for value in values]
    except ValueError:
        kind = "numbers" if read is float else "ints"
        raise InvalidRequest(f"--feature {spec.name}: seen {' '.join(values)}: give {kind}") from None
    return parsed[0] if spec.dims == (1,) else parsed
