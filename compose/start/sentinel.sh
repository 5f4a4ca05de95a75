# A Sentinel named $1. It rewrites its file as it learns: in memory, since the others and the servers tell it anew.
set -eu
umask 077
password="$(cat /run/secrets/redis_password)"
cat >/tmp/sentinel.conf <<CONFIGURATION
port 26379
dir /tmp
requirepass $password
sentinel sentinel-pass $password
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $1
sentinel monitor askonce redis-primary 6379 2
sentinel auth-pass askonce $password
sentinel down-after-milliseconds askonce 3000
sentinel failover-timeout askonce 10000
CONFIGURATION
exec redis-server /tmp/sentinel.conf --sentinel
