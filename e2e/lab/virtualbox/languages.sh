#!/bin/bash
# languages.sh DIR: makes DIR/nls, the languages of VirtualBox's server and of VBoxManage, out of the package of its
# window, which the lab does not install. Needs the lab's own VirtualBox beside DIR. Appears whole or not.
set -euo pipefail
DIR=$(realpath -m "${1:?usage: languages.sh DIR}")
R=$DIR/../virtualbox/root
exec 9>"$DIR/lock"
flock -w 300 9 || { echo "another build did not end within 5 minutes" >&2; exit 1; }
[ ! -d "$DIR/nls" ] || exit 0
WORK=$(mktemp -d -p "$R/tmp")
trap 'rm -rf "$WORK" "$DIR/nls.partial"' EXIT
chroot "$R" sh -c "cd /tmp/$(basename "$WORK") && apt-get download -q virtualbox-qt=\$(dpkg-query -W -f '\${Version}' virtualbox)"
mkdir "$DIR/nls.partial"
dpkg-deb --fsys-tarfile "$WORK"/*.deb |
  tar -x -C "$DIR/nls.partial" --strip-components=5 --wildcards \
    './usr/share/virtualbox/nls/VBoxManageNls_*' './usr/share/virtualbox/nls/VirtualBoxAPI_*'
chmod 755 "$DIR/nls.partial"
mv -T "$DIR/nls.partial" "$DIR/nls"
