# Triton with the packages of NVTabular for the python backend. The model repository is mounted at /models, not copied.
#
# Why 24.10 and not a newer image:
# - 24.10 carries Triton 2.51.0, the server that is also inside the nvidia-pytriton wheel of requirements/lock.txt, so
#   this image runs the server, and the python stub, that the tests of this project run.
# - NVTabular 23.08 needs pandas 1.5, which has no wheel for Python 3.12. 24.11 and newer have Python 3.12.
# - 24.10's own Python is 3.10, for which requirements/lock.txt has no solution (scipy needs 3.11). The workflow is also
#   pickled under 3.11. So the image adds Python 3.11, with packages pinned by the lock and the wheel's stub for 3.11.
# A repository without preprocess_nvtabular needs none of this: it runs on the plain NVIDIA image, newer ones included.
ARG TRITON=24.10

FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

# Ubuntu 22.04 like the 24.10 image, with the C++ compiler that NVTabular's source distribution asks for.
FROM buildpack-deps:22.04 AS environment
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_PYTHON_INSTALL_DIR=/opt/python \
    UV_PYTHON_PREFERENCE=only-managed \
    UV_LINK_MODE=copy \
    CC=gcc \
    CXX=g++
# /opt/python/current: one path for the loader below, whatever the patch release.
RUN uv python install --no-bin 3.11.15 \
    && ln -s "$(dirname "$(dirname "$(readlink -f "$(uv python find 3.11.15)")")")" /opt/python/current \
    && uv venv --python /opt/python/current/bin/python3.11 /opt/naiad
COPY requirements/lock.txt /tmp/lock.txt
RUN uv pip install --python /opt/naiad/bin/python --compile-bytecode --constraint /tmp/lock.txt \
        nvtabular merlin-core pandas pyarrow \
    && uv pip install --python /opt/naiad/bin/python --no-deps --target /opt/wheel \
        --constraint /tmp/lock.txt nvidia-pytriton \
    && mkdir /opt/stub \
    && cp /opt/wheel/pytriton/tritonserver/python_backend_stubs/3.11/triton_python_backend_stub \
        /opt/wheel/nvidia_pytriton.libs/libcudart-* /opt/stub/

FROM nvcr.io/nvidia/tritonserver:${TRITON}-py3 AS serving
COPY --from=environment /opt/python /opt/python
COPY --from=environment /opt/naiad /opt/naiad
COPY --from=environment /opt/stub/libcudart-* /opt/naiad/lib/
COPY --from=environment /opt/stub/triton_python_backend_stub /opt/tritonserver/backends/python/
# The stub links libpython3.11 and the wheel's libcudart. It finds its packages through the python3 on PATH. The build
# stops here, not at the first request, when either is not as it should be.
RUN printf '/opt/python/current/lib\n/opt/naiad/lib\n' > /etc/ld.so.conf.d/naiad.conf \
    && ldconfig \
    && ldd /opt/tritonserver/backends/python/triton_python_backend_stub > /tmp/stub.ldd \
    && ! grep 'not found' /tmp/stub.ldd \
    && rm /tmp/stub.ldd \
    && /opt/naiad/bin/python3 -c "import nvtabular, pandas; assert pandas.__version__.startswith('1.5.')"
# CUDA_VISIBLE_DEVICES is not emptied here, because Triton's own backends need it: NVTabular without cuDF is on CPU anyway.
ENV PATH=/opt/naiad/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/tmp/numba

# triton-server in NVIDIA's image; by number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=3)"]
CMD ["tritonserver", \
     "--model-repository=/models", \
     "--metrics-config=summary_latencies=true", \
     "--metrics-config=summary_quantiles=0.5:0.05,0.95:0.01,0.99:0.001"]
