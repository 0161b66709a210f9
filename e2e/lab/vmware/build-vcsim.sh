#!/bin/bash
# Builds vcsim and govc 0.24.2 from Debian bookworm's source package of govmomi: build-vcsim.sh FOLDER
set -euo pipefail
out=${1:?usage: build-vcsim.sh FOLDER}
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
version=0.24.2-3
# The mirror that this machine's own apt uses.
mirror=${SUPRAVISOR_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' | grep -vE -- '-security|-updates' | head -1)}
[ -n "$mirror" ] || { echo "this machine's apt knows no Debian mirror" >&2; exit 1; }
mkdir -p "$out" "$work"/apt/{etc/sources.list.d,etc/preferences.d,etc/apt.conf.d,lists/partial,cache/archives/partial} "$work/dl"
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm main" >"$work/apt/etc/sources.list"
cat >"$work/apt.conf" <<CONF
Dir::Etc "$work/apt/etc"; Dir::Etc::sourcelist "$work/apt/etc/sources.list"; Dir::Etc::sourceparts "$work/apt/etc/sources.list.d";
Dir::State::lists "$work/apt/lists"; Dir::State::status "/var/lib/dpkg/status"; Dir::Cache "$work/apt/cache"; APT::Sandbox::User "root";
CONF
APT_CONFIG=$work/apt.conf apt-get update -q >/dev/null
(cd "$work/dl" && APT_CONFIG=$work/apt.conf apt-get source -q --download-only "golang-github-vmware-govmomi=$version" >/dev/null)
source=$work/gopath/src/github.com/vmware/govmomi
mkdir -p "$source"
tar -C "$source" --strip-components=1 -xf "$work"/dl/golang-github-vmware-govmomi_*.orig.tar.xz
# A container view of vSphere, and of later versions of vcsim, sees into datastore clusters.
sed -i 's/^\tcase \*mo.Folder:$/\tcase *mo.StoragePod:\n\t\tchildren = e.ChildEntity\n&/' "$source/simulator/view_manager.go"
grep -q 'case \*mo.StoragePod:' "$source/simulator/view_manager.go"
export GO111MODULE=off GOPATH=$work/gopath:/usr/share/gocode GOFLAGS= GOCACHE=$work/gocache
cd "$source"
for program in vcsim govc; do
  go build -o "$work/$program" "./$program"
  mv "$work/$program" "$out/$program"
done
