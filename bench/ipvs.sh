#!/usr/bin/env bash
# Boots a User-Mode Linux, which has IPVS, and runs the benchmark of the kernel's tables in it.
# Debian packages: user-mode-linux kmod iproute2 ipvsadm. First: npm run build
#   bench/ipvs.sh [FOLDER OF COMPILED FILES]
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
program=$(realpath "${1:-$project/dist}")/bench/ipvs.js
node=$(command -v node)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/init" <<INIT
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/lib/modules
ln -s "/usr/lib/uml/modules/\$(uname -r)" /run/lib/modules/
printf '#!/bin/sh\nexec modprobe -d /run "\$@"\n' >/run/modprobe
chmod +x /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
/run/modprobe -a ipv6 dummy ip_vs
ip link set lo up
'$node' '$program' || echo "failed: \$?"
echo o >/proc/sysrq-trigger
sleep 10
INIT
chmod +x "$folder/init"
# With TMPDIR the guest would put its memory there; it has to be on a tmpfs.
env -u TMPDIR timeout -k 5 600 linux.uml mem=1024M "uml_dir=$folder/" rootfstype=hostfs rootflags=/ ro \
  "init=$folder/init" con=null con0=fd:0,fd:1 quiet </dev/null 2>&1 | grep -aE '^\||Error|^failed'
