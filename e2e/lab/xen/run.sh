#!/bin/sh
# Boots the Xen host in emulated QEMU; SSH answers on 127.0.0.1:PORT. What it writes is forgotten with it.
#   run.sh DIR PORT        CPU: the processor; kvm64,+svm,+npt offers HVM too, whose device model is often too late here
set -eu
DIR=${1:?usage: run.sh DIR PORT} PORT=${2:?usage: run.sh DIR PORT}
cd "$DIR/host"
exec qemu-system-x86_64 -machine q35,accel=tcg -cpu "${CPU:-kvm64}" -smp 2 -m 2048 -nodefaults -display none -no-reboot \
  -kernel xen -append "com1=115200,8n1 console=com1 dom0_mem=1024M,max:1024M dom0_max_vcpus=2" \
  -initrd "vmlinuz root=/dev/vda rw console=hvc0 quiet,initrd" \
  -drive file=disk.raw,format=raw,if=none,id=d0,cache=unsafe -snapshot -device virtio-blk-pci,drive=d0 \
  -netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$PORT-:22" -device virtio-net-pci,netdev=n0,romfile= \
  -device virtio-rng-pci -serial "file:serial-$PORT.log"
