#!/bin/sh
# A real libvirtd of its own for tests: socket, configuration and pool below DIR, no systemd needed, as root.
# /dev/kvm may be there and yet not work on virtual machines without nested virtualisation, and libvirtd would probe
# QEMU for a long time at each define; it is hidden, so guests run in software and the product finds that out itself.
# Stop: kill the process whose number is in DIR/libvirtd.pid.
set -eu
DIR=${1:?usage: start-libvirtd.sh DIR [TLS-PORT]}
TLS_PORT=${2:-}
mkdir -p "$DIR/sock" /run/libvirt
cat > "$DIR/libvirtd.conf" <<C
listen_tls = $([ -n "$TLS_PORT" ] && echo 1 || echo 0)
listen_tcp = 0
tls_port = "${TLS_PORT:-16514}"
listen_addr = "127.0.0.1"
key_file = "$DIR/tls/server-key.pem"
cert_file = "$DIR/tls/server-cert.pem"
ca_file = "$DIR/tls/ca-cert.pem"
crl_file = ""
auth_unix_ro = "none"
auth_unix_rw = "none"
auth_tls = "none"
unix_sock_dir = "$DIR/sock"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
log_outputs = "3:file:$DIR/libvirtd.log"
C
# QEMU writes its consoles into files itself: virtlogd is one per machine, and nobody could say when to stop it.
cat > "$DIR/qemu.conf" <<C
stdio_handler = "file"
C
LISTEN=$([ -n "$TLS_PORT" ] && echo --listen || true)
exec unshare -m sh -c '
  mount --bind "$1/qemu.conf" /etc/libvirt/qemu.conf
  if [ -e /dev/kvm ]; then
    d=$(mktemp -d) && mount -t tmpfs -o nodev none "$d" && mknod "$d/kvm" c 10 232 && chmod 600 "$d/kvm" && mount --bind "$d/kvm" /dev/kvm
  fi
  exec /usr/sbin/libvirtd -d $2 -f "$1/libvirtd.conf" -p "$1/libvirtd.pid"' sh "$DIR" "$LISTEN"
