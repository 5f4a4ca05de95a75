# Passwords from files into the variables of nats-users.conf. In quotes: one of digits would be a number to nats-server.
set -eu
for role in frontend writer admin; do
  name="NATS_$(printf '%s' "$role" | tr a-z A-Z)_PASSWORD"
  export "$name=\"$(cat "/run/secrets/nats_${role}_password")\""
done
exec nats-server -c /etc/nats/nats.conf
