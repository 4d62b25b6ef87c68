#!/usr/bin/env bash
# Boots a User-Mode Linux, which has IPVS, and measures in it how long a change of the cluster takes
# until the kernel shows it. Debian packages: user-mode-linux kmod iproute2. First: npm run build
#   bench/propagation.sh [OPTIONS OF bench/propagation.ts]; PROGRAM=.../bench/propagation.js if not in dist
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
program=$(realpath "${PROGRAM:-$project/dist/bench/propagation.js}")
node=$(command -v node)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/init" <<INIT
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/lib/modules /run/tmp
ln -s "/usr/lib/uml/modules/\$(uname -r)" /run/lib/modules/
printf '#!/bin/sh\nexec modprobe -d /run "\$@"\n' >/run/modprobe
chmod +x /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
/run/modprobe -a ipv6 dummy ip_vs
ip link set lo up
ip addr add 10.9.0.1/32 dev lo
'$node' '$program' --kernel $* 2>&1 || echo "failed: \$?"
echo o >/proc/sysrq-trigger
sleep 10
INIT
chmod +x "$folder/init"
# With TMPDIR the guest would put its memory there; it has to be on a tmpfs.
env -u TMPDIR timeout -k 5 "${SECONDS_MAX:-900}" linux.uml mem=2048M "uml_dir=$folder/" rootfstype=hostfs \
  rootflags=/ ro "init=$folder/init" con=null con0=fd:0,fd:1 quiet </dev/null 2>&1 |
  grep -aE '^\||^[0-9]+ |CPU of|daemon sees|rror|^failed|hoplite'
