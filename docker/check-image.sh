#!/usr/bin/env bash
# Serve a repository in NVIDIA's tritonserver image and compare its answers with those stored in the repository.
#
#   docker/check-image.sh REPOSITORY DATA [IMAGE]
#
# REPOSITORY  output of `python -m export repository`. The plain image has no NVTabular: export with
#             --no-reference-path, or use the image of docker/serving.Dockerfile.
# DATA        output folder of `python -m preprocessing fit` from which it was exported
# IMAGE       nvcr.io/nvidia/tritonserver:24.10-py3 by default
#
# Environment: PYTHON, a Python with Naiad's requirements (default: .venv/bin/python of the checkout);
#              GPUS, the value of `docker run --gpus` (default: no GPU); ROWS, recorded rows to send (default: 500).
# Exit code: 0 if every answer is as expected, 1 if one is not, 2 if the check could not run.
set -euo pipefail

fail() {
    echo "naiad: $*" >&2
    exit 2
}

checkout=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$checkout/.venv/bin/python}
image=${3:-nvcr.io/nvidia/tritonserver:24.10-py3}
ready_within_s=180

[ $# -ge 2 ] || fail "$# arguments, expected REPOSITORY DATA [IMAGE]: see the head of $0"
command -v docker > /dev/null || fail "there is no docker on PATH: install Docker, or serve with \`python -m serving up\`"
[ -x "$python" ] || fail "$python cannot be run: make setup, or set PYTHON"
[ -d "$1" ] || fail "$1 is not a directory: give the output of \`python -m export repository\`"
[ -d "$2" ] || fail "$2 is not a directory: give the output folder of \`python -m preprocessing fit\`"
repository=$(cd "$1" && pwd)
data=$(cd "$2" && pwd)

gpus=()
[ -z "${GPUS:-}" ] || gpus=(--gpus "$GPUS")
container=$(docker run --detach "${gpus[@]}" --shm-size 1g \
    --publish 127.0.0.1::8000 --publish 127.0.0.1::8001 \
    --mount "type=bind,source=$repository,target=/models,readonly" \
    "$image" tritonserver --model-repository=/models --strict-readiness=true) \
    || fail "the container of $image did not start: read what docker says above"
trap '{ docker stop --time 40 "$container"; docker rm --force "$container"; } > /dev/null 2>&1 || true' EXIT

port() { docker port "$container" "$1/tcp" | head -n 1; }
http=$(port 8000)
grpc=$(port 8001)
echo "$image, container ${container:0:12}: waiting until it is ready"
waited=0
until curl --silent --fail --noproxy '*' --max-time 2 --output /dev/null "http://$http/v2/health/ready"; do
    if ! docker inspect --format '{{.State.Running}}' "$container" 2> /dev/null | grep -q true; then
        docker logs --tail 40 "$container" >&2
        fail "the server in $image ended before it was ready: read its log above"
    fi
    if [ "$waited" -ge "$ready_within_s" ]; then
        docker logs --tail 40 "$container" >&2
        fail "the server in $image was not ready after $ready_within_s s: read its log above"
    fi
    sleep 1
    waited=$((waited + 1))
done

cd "$checkout"
code=0
"$python" -m benchmarks.check_server \
    --url "grpc://$grpc" --repository "$repository" --data "$data" --rows "${ROWS:-500}" || code=$?
if command -v perf_analyzer > /dev/null; then
    models=recommend
    [ ! -d "$repository/recommend_fused" ] || models=recommend,recommend_fused
    "$python" -m client bench --url "grpc://$grpc" --requests "$data/requests/test" --model "$models" || code=$?
fi
exit "$code"
