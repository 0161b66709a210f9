#!/bin/bash
# build.sh DIR: makes DIR/root, Debian sid with the real VirtualBox and an SSH server in it (850 MB, 2–4 minutes, as root).
# Whoever comes second waits for the first. What was begun and cut off goes on where it stopped; DIR/root appears whole or not.
# Mounts are private to this process, so none is left behind however it ends.
set -euo pipefail
DIR=$(realpath -m "${1:?usage: build.sh DIR}")
if [ "${SUPRAVISOR_MOUNTS:-}" != private ]; then
  SUPRAVISOR_MOUNTS=private exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$@"
fi
mkdir -p "$DIR"
exec 9>"$DIR/lock"
flock -w 900 9 || { echo "another build did not end within 15 minutes" >&2; exit 1; }
[ ! -d "$DIR/root" ] || exit 0
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
unset APT_CONFIG
# the mirror and the proxy that this machine's own apt uses
MIRROR=${SUPRAVISOR_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' | grep -vE -- '-security|-updates' | head -1)}
[ -n "$MIRROR" ] || { echo "this machine's apt knows no Debian mirror" >&2; exit 1; }
eval "$(apt-config shell PROXY Acquire::http::Proxy)"
[ -z "${PROXY:-}" ] || [ "$PROXY" = DIRECT ] || export http_proxy=$PROXY
R=$DIR/root.partial
if [ ! -e "$R/.unpacked" ]; then
  rm -rf "$R"
  debootstrap --variant=minbase --components=main,contrib --keyring=/usr/share/keyrings/debian-archive-keyring.gpg sid "$R" "$MIRROR"
  touch "$R/.unpacked"
fi
# a mirror's sid can be older than its Valid-Until
cat > "$R/etc/apt/apt.conf.d/99lab" <<A
Acquire::Check-Valid-Until "false";
Acquire::Check-Date "false";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
A
[ -z "${http_proxy:-}" ] || echo "Acquire::http::Proxy \"$http_proxy\";" >> "$R/etc/apt/apt.conf.d/99lab"
rm -f "$R"/etc/apt/sources.list.d/*
echo "deb $MIRROR sid main contrib" > "$R/etc/apt/sources.list"
cp /etc/resolv.conf "$R/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' > "$R/usr/sbin/policy-rc.d"
chmod +x "$R/usr/sbin/policy-rc.d"
mount -t proc proc "$R/proc"
mount -t sysfs sys "$R/sys"
mount -t devpts devpts "$R/dev/pts"
chroot "$R" apt-get update -q
chroot "$R" dpkg --configure -a
chroot "$R" apt-get install -y -q -f --no-install-recommends virtualbox openssh-server openssh-sftp-server
chroot "$R" apt-get clean
chroot "$R" /usr/lib/virtualbox/VBoxManage --version
umount "$R/dev/pts" "$R/sys" "$R/proc"
mv -T "$R" "$DIR/root"
