#!/bin/sh
# Makes what compose.yaml needs and git does not have: .env and secrets/. May be run again: what is there stays.
# Keys of providers are taken from the environment where it has them: OPENAI_API_KEY=sk-… sh init.sh
set -eu
cd "$(dirname "$0")"

random() { # 43 characters of A-Z a-z 0-9 _ -, from 32 random bytes
  head -c 32 /dev/urandom | base64 | tr '+/' '_-' | tr -d '=\n'
}

# The folder is for its owner only. The files are mounted one by one, and read by the users of the containers.
secret() { # name; its text from stdin
  if [ -e "secrets/$1" ]; then
    cat >/dev/null
    return
  fi
  cat >"secrets/.$1"
  chmod 0444 "secrets/.$1"
  mv "secrets/.$1" "secrets/$1"
}

# A key of a provider. An empty file is no key; a new one in the environment takes the place of an empty one.
provider() { # name, value
  if [ -n "$2" ] && [ -e "secrets/$1" ] && [ ! -s "secrets/$1" ]; then rm -f "secrets/$1"; fi
  printf '%s' "$2" | secret "$1"
}

if [ ! -e .env ]; then cp .env.example .env; fi
mkdir -p secrets
chmod 0700 secrets

printf 'sk-%s' "$(random)" | secret litellm_master_key
for name in redis_password nats_frontend_password nats_writer_password nats_admin_password grafana_admin_password \
  s3_access_key s3_secret_key qdrant_api_key; do
  random | secret "$name"
done
provider openai_api_key "${OPENAI_API_KEY:-}"
provider anthropic_api_key "${ANTHROPIC_API_KEY:-}"
provider azure_api_key "${AZURE_API_KEY:-}"
provider gemini_api_key "${GEMINI_API_KEY:-}"

echo "compose/.env and compose/secrets are there."
if [ ! -s secrets/openai_api_key ]; then
  echo "OPENAI_API_KEY was not set: run this again with it, or write the key to secrets/openai_api_key, or try the toy"
  echo "provider (COMPOSE_PROFILES=toy and ASKONCE_CONFIG=./config/toy.yaml in .env)."
fi
cat <<'NEXT'

Next, in this folder:
  docker compose up --detach --build --wait
  curl http://127.0.0.1:4000/v1/models -H "Authorization: Bearer $(cat secrets/litellm_master_key)"

The key for clients is in secrets/litellm_master_key.
NEXT
