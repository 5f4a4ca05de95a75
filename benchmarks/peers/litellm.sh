#!/bin/sh
# Installs LiteLLM's proxy in an environment of its own, .bench/litellm: what benchmarks and `make compare-litellm` run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bench=$(dirname "$(dirname "$here")")/.bench
python=${PYTHON:-python3}
version=${LITELLM_VERSION:-1.109.1}
litellm=$bench/litellm
mkdir -p "$bench"
[ -x "$litellm/bin/python" ] || "$python" -m venv "$litellm"
if [ ! -e "$litellm/ready-$version" ]; then
  # With the optional packages that its container image carries; without them it parses HTTP with h11 and retries
  # failing imports on every request.
  "$litellm/bin/pip" install -q --no-deps "litellm==$version" &&
    "$litellm/bin/python" "$here/litellm_requirements.py" >"$bench/litellm-requirements.txt" &&
    "$litellm/bin/pip" install -q -r "$bench/litellm-requirements.txt" httptools prisma prometheus-client \
      opentelemetry-api opentelemetry-sdk opentelemetry-exporter-otlp &&
    touch "$litellm/ready-$version" ||
    { echo "LiteLLM $version could not be installed" >&2; exit 1; }
fi
