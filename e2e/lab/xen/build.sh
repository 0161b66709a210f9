#!/bin/bash
# build.sh DIR: makes DIR/host, a bootable Xen host: Debian 12 as dom0, Xen 4.17, libvirt with its libxl driver, as one raw
# disk with kernel, initrd and hypervisor beside it. Wants root, apt and a minute or two; needs no loop device and no boot
# loader. Whoever comes second waits for the first; DIR/host appears whole or not. Mounts are private to this process.
set -euo pipefail
DIR=$(realpath -m "${1:?usage: build.sh DIR}")
if [ "${SUPRAVISOR_MOUNTS:-}" != private ]; then
  SUPRAVISOR_MOUNTS=private exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$@"
fi
mkdir -p "$DIR"
exec 9>"$DIR/lock"
flock -w 900 9 || { echo "another build did not end within 15 minutes" >&2; exit 1; }
[ ! -d "$DIR/host" ] || exit 0
ROOT=$DIR/root OUT=$DIR/host.partial
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
unset APT_CONFIG
# the mirror and the proxy that this machine's own apt uses
MIRROR=${SUPRAVISOR_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' | grep -vE -- '-security|-updates' | head -1)}
[ -n "$MIRROR" ] || { echo "this machine's apt knows no Debian mirror" >&2; exit 1; }
eval "$(apt-config shell PROXY Acquire::http::Proxy)"
[ -z "${PROXY:-}" ] || [ "$PROXY" = DIRECT ] || export http_proxy=$PROXY
rm -rf "$ROOT" "$OUT"
mkdir -p "$OUT"

if ! command -v debootstrap >/dev/null; then
  # Unpacked, not installed.
  [ -d "$DIR/debootstrap" ] || (cd "$DIR" && apt-get download debootstrap && dpkg -x debootstrap_*.deb debootstrap)
  export DEBOOTSTRAP_DIR=$DIR/debootstrap/usr/share/debootstrap PATH=$DIR/debootstrap/usr/sbin:$PATH
fi
debootstrap --variant=minbase --components=main \
  --include=ca-certificates,iproute2,openssh-server,systemd-sysv,kmod,udev,procps \
  --keyring=/usr/share/keyrings/debian-archive-keyring.gpg bookworm "$ROOT" "$MIRROR"
printf 'Acquire::Check-Valid-Until "false";\nAPT::Sandbox::User "root";\n' > "$ROOT/etc/apt/apt.conf.d/99lab"
# A machine that is cut off in the middle is built anew: nothing waits for the disk.
echo force-unsafe-io > "$ROOT/etc/dpkg/dpkg.cfg.d/lab"
echo "deb $MIRROR bookworm main" > "$ROOT/etc/apt/sources.list"
cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
# Nothing is started while it is installed.
printf '#!/bin/sh\nexit 101\n' > "$ROOT/usr/sbin/policy-rc.d"
chmod +x "$ROOT/usr/sbin/policy-rc.d"
# A small initrd: what the emulated machine has, said before the kernel is installed.
mkdir -p "$ROOT/etc/initramfs-tools/conf.d"
printf 'MODULES=list\nCOMPRESS=gzip\n' > "$ROOT/etc/initramfs-tools/conf.d/lab.conf"
printf 'virtio_pci\nvirtio_blk\nvirtio_net\next4\ncrc32c_generic\n' > "$ROOT/etc/initramfs-tools/modules"
mount -t proc proc "$ROOT/proc"
chroot "$ROOT" apt-get update -q
chroot "$ROOT" apt-get install -y -q --no-install-recommends linux-image-amd64 xen-hypervisor-4.17-amd64 \
  xen-utils-4.17 xen-utils-common libvirt-daemon-system libvirt-daemon-system-systemd libvirt-clients \
  libvirt-daemon-driver-xen bridge-utils qemu-utils qemu-system-xen initramfs-tools dbus
chroot "$ROOT" apt-get clean
KERNEL=$(ls "$ROOT/lib/modules" | sort -V | tail -1)

echo xenhost > "$ROOT/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 xenhost\n' > "$ROOT/etc/hosts"
printf '/dev/vda / ext4 defaults,noatime 0 0\n' > "$ROOT/etc/fstab"
rm -f "$ROOT/usr/sbin/policy-rc.d"
ssh-keygen -q -t ed25519 -N '' -f "$OUT/client"
mkdir -p "$ROOT/root/.ssh" "$ROOT/var/lib/libvirt/images"
cp "$OUT/client.pub" "$ROOT/root/.ssh/authorized_keys"
chmod 700 "$ROOT/root/.ssh"
chroot "$ROOT" ssh-keygen -A
cp "$ROOT/etc/ssh/ssh_host_ed25519_key.pub" "$OUT/host.pub"
NETWORK=$ROOT/etc/systemd/network
mkdir -p "$NETWORK"
printf '[NetDev]\nName=xenbr0\nKind=bridge\n' > "$NETWORK/10-xenbr0.netdev"
printf '[Match]\nName=xenbr0\n[Network]\nAddress=192.168.100.1/24\nConfigureWithoutCarrier=yes\n' > "$NETWORK/10-xenbr0.network"
printf '[Match]\nName=en* eth*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n' > "$NETWORK/20-up.network"
# Emulation is slow: no service is given up for being late.
mkdir -p "$ROOT/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultTimeoutStartSec=infinity\n' > "$ROOT/etc/systemd/system.conf.d/lab.conf"
mkdir -p "$ROOT/etc/systemd/system/systemd-networkd.service.d"
printf '[Service]\nTimeoutStartSec=infinity\nWatchdogSec=0\n' > "$ROOT/etc/systemd/system/systemd-networkd.service.d/lab.conf"
chroot "$ROOT" systemctl enable systemd-networkd ssh libvirtd.service >/dev/null 2>&1 || true
chroot "$ROOT" systemctl disable apt-daily.timer apt-daily-upgrade.timer libvirt-guests.service >/dev/null 2>&1 || true
chroot "$ROOT" systemctl mask systemd-networkd-wait-online.service systemd-timesyncd.service e2scrub_reap.service >/dev/null 2>&1 || true

umount "$ROOT/proc"
gzip -dc "$ROOT/boot/xen-4.17-amd64.gz" > "$OUT/xen"
cp "$ROOT/boot/vmlinuz-$KERNEL" "$OUT/vmlinuz"
cp "$ROOT/boot/initrd.img-$KERNEL" "$OUT/initrd"
truncate -s 3G "$OUT/disk.raw"
mke2fs -q -t ext4 -F -L xenroot -O ^has_journal -d "$ROOT" "$OUT/disk.raw"
rm -rf "$ROOT"
mv "$OUT" "$DIR/host"
