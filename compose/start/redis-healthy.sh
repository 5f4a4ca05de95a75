# Whether Redis, or a Sentinel, answers. redis-cli takes the password from its environment.
REDISCLI_AUTH="$(cat /run/secrets/redis_password)"
export REDISCLI_AUTH
[ "$(redis-cli -p "${REDIS_PORT:-6379}" ping)" = PONG ]
