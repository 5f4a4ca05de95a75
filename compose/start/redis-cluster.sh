# Six nodes, one cluster: three that hold slots, three copies. Does nothing to a cluster that is whole.
set -u
REDISCLI_AUTH="$(cat /run/secrets/redis_password)"
export REDISCLI_AUTH
nodes="redis-cluster-1 redis-cluster-2 redis-cluster-3 redis-cluster-4 redis-cluster-5 redis-cluster-6"
first=redis-cluster-1

address() { getent hosts "$1" | awk '{ print $1; exit }'; }

reachable() {
  for node in $nodes; do
    [ "$(redis-cli -h "$node" ping 2>/dev/null)" = PONG ] || return 1
  done
}

create() {
  addresses=""
  for node in $nodes; do addresses="$addresses $(address "$node"):6379"; done
  # shellcheck disable=SC2086 # one word per node
  redis-cli --cluster create $addresses --cluster-replicas 1 --cluster-yes
}

# Nodes know each other by address, and containers may come back with another one.
meet() {
  for node in $nodes; do redis-cli -h "$first" cluster meet "$(address "$node")" 6379 >/dev/null; done
}

whole() { # every node sees six, each of them alive
  for node in $nodes; do
    redis-cli -h "$node" cluster info | grep -q '^cluster_state:ok' || return 1
    [ "$(redis-cli -h "$node" cluster nodes | grep -c -v -e fail -e noaddr -e handshake)" -eq 6 ] || return 1
  done
}

while :; do
  if reachable; then
    if redis-cli -h "$first" cluster info | grep -q '^cluster_slots_assigned:0'; then
      create
    elif ! whole; then
      meet
    fi
  fi
  sleep 5
done
