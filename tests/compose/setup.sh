#!/bin/sh
# Brings what the compose stack needs to be seen running: podman, a base image, and the images that compose.yaml names,
# all made on this machine. Argument: the virtual environment. What is there already is left alone.
#
# Everything is kept in $1/compose: storage, networks and state of containers are apart from the machine's own. Services
# that packages would start are not started.
set -eu
venv=$(cd "$1" && pwd)
home=$venv/compose
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
python=docker.io/library/python:3.11-slim

absent() { # says why the stack cannot be run here; an error where the environment says CI
  rm -f "$home/podman"
  echo "the compose stack is not run: $1"
  if [ -n "${CI:-}" ]; then exit 1; fi
  exit 0
}

packages() {
  missing=""
  for one in podman runc debootstrap iptables; do
    command -v "$one" >/dev/null || missing="$missing $one"
  done
  for one in netavark aardvark-dns; do
    test -x "/usr/lib/podman/$one" || missing="$missing $one"
  done
  if [ -z "$missing" ]; then return; fi
  command -v apt-get >/dev/null || absent "there is neither podman nor apt-get (missing:$missing)"
  echo "installing$missing …"
  # a policy of our own: 101 is "no service is started", and it goes again
  policy=/usr/sbin/policy-rc.d
  made=""
  if [ ! -e "$policy" ]; then
    made=$policy
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  # shellcheck disable=SC2086 # words of their own
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing; } \
    >"$home/apt.log" 2>&1; then
    if [ -n "$made" ]; then rm -f "$made"; fi
    tail -n 5 "$home/apt.log"
    absent "apt-get install failed (missing:$missing)"
  fi
  if [ -n "$made" ]; then rm -f "$made"; fi
}

# podman with a place of its own, for this script, podman-compose and the tests.
wrapper() {
  cat >"$home/.podman" <<WRAPPER
#!/bin/sh
CONTAINERS_CONF="$here/containers.conf" exec podman --root "$home/storage" --runroot "/run/askonce-compose" \\
  --tmpdir "/run/askonce-compose/libpod" --network-config-dir "$home/networks" "\$@"
WRAPPER
  chmod +x "$home/.podman"
}

podman() { "$home/.podman" "$@"; }

# pip inside of a build has the machine's own index and certificates; paths of this machine would lead nowhere there.
pip_settings() {
  echo "[global]"
  echo "cert = /etc/ssl/certs/ca-certificates.crt"
  "$venv/bin/python" -m pip config list |
    sed -nE "s/^[^.]*\.(index-url|extra-index-url|trusted-host|timeout)='([^'\\]*)'\$/\1 = \2/p" |
    grep -v 'file:' | sort -u -t= -k1,1 || true
}

base() { # Debian in place of python:3.11-slim: the same Python, and a client for HTTP, which other images have
  print=$(sed -n '/^base()/,/^}/p' "$here/setup.sh" | cat - /etc/ssl/certs/ca-certificates.crt | sha256sum | cut -c 1-16)
  if [ "$(podman image inspect "$python" --format '{{index .Labels "made"}}' 2>/dev/null)" = "$print" ]; then return; fi
  echo "making a stand-in for $python …"
  root=$(mktemp -d "$home/root.XXXXXX")
  trap 'rm -rf "$root"' EXIT
  if ! debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates,busybox \
    bookworm "$root" >"$home/debootstrap.log" 2>&1; then
    tail -n 5 "$home/debootstrap.log"
    absent "debootstrap failed"
  fi
  ln -sf python3 "$root/usr/bin/python"
  ln -sf busybox "$root/usr/bin/wget"
  rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED "$root"/var/cache/apt/archives/*.deb
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  pip_settings >"$root/etc/pip.conf"
  tar -C "$root" -c . | podman import --quiet --change "LABEL made=$print" --change 'CMD ["python3"]' - "$python" >/dev/null
}

build() { # image, context, Containerfile; layers that are there are taken again
  if ! podman build --quiet --format=docker --pull=never --network=host --tag "$1" --file "$3" "$2" >"$home/build.log" 2>&1; then
    tail -n 20 "$home/build.log"
    echo "$1 cannot be built"
    exit 1
  fi
}

images() { # under the names that compose.yaml has
  for one in nats:bin redis:servers haproxy:debs prometheus:debs seaweedfs:bin; do
    name=${one%:*}
    image=$(sed -nE "s@^ +image: (docker\.io/[a-z]+/$name:[^ ]+)\$@\1@p" "$top/compose/compose.yaml" | sort -u)
    build "$image" "$venv/${one#*:}" "$here/images/$name.Containerfile"
  done
  build "askonce:0.1.0" "$top" "$top/compose/Dockerfile"
}

[ "$(uname -sm)" = "Linux x86_64" ] || absent "the servers' packages are for Linux on x86_64"
[ "$(id -u)" = 0 ] || absent "podman is used as root here, and this is not root"
mkdir -p "$home" /run/askonce-compose
packages
wrapper
base
images
mv "$home/.podman" "$home/podman"
