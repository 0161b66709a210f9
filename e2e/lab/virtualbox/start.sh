#!/bin/sh
# start.sh ROOT FOLDER TMP: the first process of a VirtualBox lab. It runs in mount and process name spaces of its own
# (unshare), so that all its mounts and all its programs end with it; it ends when its stdin does.
# TMP is seen inside at the same path. FOLDER/pid gets its number as seen from outside, for nsenter.
set -eu
R=$1; FOLDER=$2; TMP=$3
read -r PID REST < /proc/self/stat
mkdir -p "$R$TMP"
mount -t proc proc "$R/proc"
mount -t sysfs sys "$R/sys"
mount -t devpts devpts "$R/dev/pts"
mount -t tmpfs -o mode=755 run "$R/run"
mount --bind "$TMP" "$R$TMP"
mkdir "$R/run/sshd"
# Who comes in by this number finds the new root already.
exec chroot "$R" sh -c 'echo "$1" > "$2/pid.new" && mv "$2/pid.new" "$2/pid" && exec cat > /dev/null' sh "$PID" "$FOLDER"
