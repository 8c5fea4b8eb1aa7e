# One image for every stage and command: locked dependencies, compiled kernels, no package manager of ours left in it.
# It runs as user 10001 on a read-only root; /tmp must be writable (a tmpfs).
FROM python:3.11-slim-bookworm AS build
ARG UV_VERSION=0.13.9
ENV UV_PROJECT_ENVIRONMENT=/opt/iqstream/venv UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN pip install --quiet uv==${UV_VERSION}
WORKDIR /opt/iqstream/app
COPY pyproject.toml uv.lock ./
# The packages' own tests and headers are a sixth of their size and nothing of ours reads them.
RUN uv sync --quiet --locked --no-dev --extra arrow --extra web --no-install-project \
 && cd /opt/iqstream/venv/lib/python3*/site-packages \
 && find . -type d -name tests -prune -exec rm -rf {} + \
 && rm -rf pyarrow/include pyarrow/src numpy/_core/include \
 && find . -name '*.pyi' -delete && find . -name '*.a' -delete
COPY schemas schemas
COPY producer producer
COPY extractor extractor
COPY sink sink
COPY iqstream iqstream
# Kernels are compiled here for the CPU that builds; on another one they are compiled at the first start.
RUN PYTHONPATH=/opt/iqstream/app NUMBA_CACHE_DIR=/opt/iqstream/kernels /opt/iqstream/venv/bin/python -m iqstream.warm \
 && /opt/iqstream/venv/bin/python -m compileall -q schemas producer extractor sink iqstream \
 && rm pyproject.toml uv.lock && chmod -R go=u-w /opt/iqstream

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="iqstream" \
      org.opencontainers.image.description="Training data for locating radio transmitters, as a stream" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/iqstream /opt/iqstream
COPY LICENSE /opt/iqstream/LICENSE
COPY deploy/image/iqstream /usr/local/bin/iqstream
ENV PYTHONPATH=/opt/iqstream/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib NUMBA_CACHE_DIR=/tmp/kernels \
    IQSTREAM_METRICS_HOST=0.0.0.0
WORKDIR /tmp
USER 10001:10001
EXPOSE 9400
ENTRYPOINT ["iqstream"]
CMD ["--help"]
