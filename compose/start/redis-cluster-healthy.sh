# Whether every slot is served.
REDISCLI_AUTH="$(cat /run/secrets/redis_password)"
export REDISCLI_AUTH
redis-cli -h redis-cluster-1 cluster info | grep -q '^cluster_state:ok'
