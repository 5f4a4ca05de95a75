#!/bin/sh
# Programs of Debian's that tests run as they are, unpacked into the folder $1 and not installed: no root is needed.
# Knows apt's and dpkg's own commands, and no address. Without them it says so and leaves nothing; tests then take what
# PATH has, or say what is missing.
set -eu
folder=$1
programs="prometheus haproxy"

if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    echo "no apt-get here: promtool, prometheus and haproxy are taken from PATH; without them their tests are skipped"
    exit 0
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What is linked against besides libc, which must be the machine's own.
wanted() {
    echo "$programs" | tr ' ' '\n'
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances haproxy |
        grep -E '^lib[a-z0-9.+-]+$' | grep -vE '^libc6$' | sort -u
}

download() (
    cd "$scratch"
    exec >log 2>&1
    # shellcheck disable=SC2046 # words of their own
    apt-get download -qq -o APT::Sandbox::User="$(id -un)" $(wanted)
)

echo "unpacking $programs into $folder …"
if ! download; then
    # a fresh machine has no lists of packages yet; only root may fetch them
    if [ "$(id -u)" != 0 ] || ! apt-get update -qq >/dev/null 2>&1 || ! download; then
        echo "apt-get download failed: promtool, prometheus and haproxy are taken from PATH; without them their tests are skipped"
        sed 's/^/  /' "$scratch/log" | tail -n 3
        exit 0
    fi
fi

# Whole, or not there: other tests may be using what was there before.
part=$folder.part
rm -rf "$part"
mkdir -p "$part/bin"
for package in "$scratch"/*.deb; do
    dpkg -x "$package" "$part"
done
folder=$(cd "$(dirname "$folder")" && pwd)/$(basename "$folder")

# Each program by a script of its name, which shows it the libraries that came with it.
libraries=$(cd "$part" && find lib usr/lib -name '*.so.*' -exec dirname {} \; 2>/dev/null | sort -u |
    sed "s|^|$folder/|" | paste -sd: -)
for program in usr/bin/promtool usr/bin/prometheus usr/sbin/haproxy; do
    script=$part/bin/$(basename "$program")
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s/%s" "$@"\n' "$libraries" "$folder" "$program" >"$script"
    chmod +x "$script"
done
touch "$part/.whole"
rm -rf "$folder"
mv "$part" "$folder"
