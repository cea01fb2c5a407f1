#!/usr/bin/env bash
# Makes the root file system of a minimal Debian with some packages, as a tar file, for tests. Kept for later runs.
# Usage: debian-root.sh FOLDER [NAME PACKAGE,PACKAGE...]     default: debian-redis redis-server; makes FOLDER/NAME.tar
set -euo pipefail
folder=$1
name=${2:-debian-redis}
packages=${3:-redis-server}
tar=$folder/$name.tar
[ ! -e "$tar" ] || exit 0
mkdir -p "$folder"
root=$(mktemp -d "$folder/root.XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT
mirror=$(awk '/^(URIs:|deb )/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null)
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror" >"$folder/debootstrap.log" 2>&1 ||
  { tail -20 "$folder/debootstrap.log" >&2; exit 1; }
chmod 755 "$root"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
tar -C "$root" --one-file-system --xattrs -cf "$tar.new" .
mv "$tar.new" "$tar"
