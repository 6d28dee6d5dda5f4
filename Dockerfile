# Built and run for linux/amd64 and linux/arm64 alike: docker buildx build --platform linux/amd64,linux/arm64 .
FROM python:3.12-slim AS build
# durable-rules is published as source only; the rules and the mappers are compiled. Debian keeps no older gcc to pin.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The versions of the lock file, in both environments: that which compiles, and that which is left.
RUN sed -n 's/^\([A-Za-z0-9_.-]*==[^ ;\\]*\).*/\1/p' requirements.lock > /tmp/constraints.txt \
    && python -m venv /opt/compiler \
    && /opt/compiler/bin/pip install --no-cache-dir --constraint /tmp/constraints.txt mypy orjson setuptools types-PyYAML \
    && PRODROME_COMPILE=1 /opt/compiler/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheels . \
    && python -m venv /opt/prodrome \
    && /opt/prodrome/bin/pip install --no-cache-dir --constraint /tmp/constraints.txt \
        "$(ls /tmp/wheels/*.whl)[otel,postgresql]"

FROM python:3.12-slim
COPY --from=build /opt/prodrome /opt/prodrome
RUN useradd --system --uid 10001 --home-dir /nonexistent prodrome \
    && install -d -o prodrome -g prodrome -m 0700 /var/lib/prodrome
USER 10001
ENV PATH=/opt/prodrome/bin:$PATH PYTHONUNBUFFERED=1
# The only places that are written: the database of a site without PostgreSQL, and /tmp.
VOLUME ["/var/lib/prodrome"]
WORKDIR /var/lib/prodrome
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8080/health', headers={'Host': 'localhost'}), timeout=2)"]
ENTRYPOINT ["prodrome"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
