#!/usr/bin/env bash
# Puts Debian forky's docker-buildx and docker-compose into FOLDER/forky, unpacked and not installed: they run on bookworm as they are. They are what tests
# of the BuildKit API use, beside the docker client. Prints the folder of the plugins. Does nothing when they are there.
# Usage: forky-packages.sh FOLDER
set -euo pipefail
target=${1:?"usage: forky-packages.sh FOLDER"}/forky
plugins=$target/usr/libexec/docker/cli-plugins
packages=(docker-buildx docker-compose)
if [ ! -e "$target/.complete" ]; then
  work=$target.work
  rm -rf "$work" "$target"
  mkdir -p "$work/lists/partial" "$work/archives/partial" "$target"
  mirror=$(awk '/^(URIs:|deb )/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null)
  echo "deb [trusted=yes check-valid-until=no] $mirror forky main" >"$work/sources.list"
  touch "$work/status"
  # An apt of its own: the machine's lists and packages stay as they are.
  apt=(-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State="$work" -o Dir::State::Lists="$work/lists"
    -o Dir::State::Status="$work/status" -o Dir::Cache="$work" -o Dir::Cache::Archives="$work/archives" -o APT::Sandbox::User=root)
  apt-get "${apt[@]}" update -qq
  (cd "$work" && apt-get "${apt[@]}" download -qq "${packages[@]}")
  for package in "$work"/*.deb; do dpkg-deb -x "$package" "$target"; done
  rm -rf "$work"
  touch "$target/.complete"
fi
echo "$plugins"
