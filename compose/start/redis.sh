# A Redis whose password stands in a file. Arguments: nothing; `cluster NAME` for a node of the cluster; `replicated NAME`
# for one that Sentinels watch. The configuration comes through a pipe: neither a file nor a command line holds it.
set -eu
password="$(cat /run/secrets/redis_password)"
kind="${1:-single}"
name="${2:-}"

modules() { # Redis 8 brings its search as a module
  for module in /usr/local/lib/redis/modules/*.so; do
    if [ -e "$module" ]; then echo "loadmodule $module"; fi
  done
}

primary() { # who the Sentinels say it is, this one's first choice where none answers
  export REDISCLI_AUTH="$password"
  for sentinel in sentinel-1 sentinel-2 sentinel-3; do
    found="$(timeout 2 redis-cli -h "$sentinel" -p 26379 sentinel get-master-addr-by-name askonce 2>/dev/null | head -n 1 || true)"
    case "$found" in redis-primary | redis-replica) echo "$found"; return ;; esac
  done
  echo redis-primary
}

special() {
  case "$kind" in
    cluster)
      echo "cluster-enabled yes"
      echo "cluster-config-file /data/nodes.conf"
      echo "cluster-announce-hostname $name"
      echo "cluster-preferred-endpoint-type hostname"
      ;;
    replicated)
      echo "replica-announce-ip $name"
      leading="$(primary)"
      if [ "$leading" != "$name" ]; then echo "replicaof $leading 6379"; fi
      ;;
  esac
}

exec redis-server - <<CONFIGURATION
bind * -::*
dir /data
requirepass $password
masterauth $password
maxmemory $REDIS_MAXMEMORY
maxmemory-policy allkeys-lru
appendonly yes
save ""
$(modules)
$(special)
CONFIGURATION
