# Every stage of Naiad with a GPU for training: Python 3.11 and requirements/lock.txt, as `make setup` installs it.
#
# No CUDA base image: the lock's torch, from the public registry, brings its CUDA 13 libraries as wheels, and
# onnxruntime-gpu is built for the same CUDA. The host has to bring a driver for CUDA 13 (580 or newer) and the NVIDIA
# container toolkit. Without a GPU the image trains on CPU.
FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

# The full image of the same release: NVTabular's source distribution asks for a C++ compiler.
FROM python:3.11-bookworm AS environment
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_LINK_MODE=copy
# onnxruntime and onnxruntime-gpu are the same Python module: one has to go before the other comes.
ARG ONNXRUNTIME_GPU=1.31.1
COPY requirements/lock.txt /tmp/lock.txt
RUN uv venv --python /usr/local/bin/python3.11 /opt/naiad \
    && uv pip install --python /opt/naiad/bin/python --compile-bytecode -r /tmp/lock.txt \
    && uv pip uninstall --python /opt/naiad/bin/python onnxruntime \
    && uv pip install --python /opt/naiad/bin/python --compile-bytecode --constraint /tmp/lock.txt \
        "onnxruntime-gpu==${ONNXRUNTIME_GPU}"

FROM python:3.11-slim-bookworm AS training
COPY --from=environment /opt/naiad /opt/naiad
RUN useradd --uid 1000 naiad \
    && install -d -o naiad -g naiad /naiad/runs
WORKDIR /naiad
COPY --chown=naiad:naiad . .
ENV PATH=/opt/naiad/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    NUMBA_CACHE_DIR=/tmp/numba \
    ORT_DISABLE_TELEMETRY=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000
VOLUME ["/naiad/runs"]
# A batch image: it ends when its command ends, so there is no health to ask for.
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m"]
CMD ["training", "--help"]
