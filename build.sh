#!/usr/bin/env bash
# Publishes the four programs, and the init for containers' `--init`, with Native AOT, stripped, into artifacts/bin (or the folder given as the only argument).
# Installs by itself the Debian packages that linking needs. A second call with nothing changed ends at once.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-artifacts/bin}
programs=(Cais.Cli Cais.Daemon Cais.Shim Cais.RuntimeCli Cais.Init)

case $(uname -m) in
  x86_64) rid=linux-x64 ;;
  aarch64) rid=linux-arm64 ;;
  *) echo "build.sh: no Native AOT for $(uname -m): linux-x64 and linux-arm64 are supported" >&2; exit 1 ;;
esac

# What the result depends on: every source and build file, and the SDK.
fingerprint=$({ dotnet --version; find src Directory.*.props global.json build.sh -type f \
  \( -path '*/bin/*' -o -path '*/obj/*' \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; } | sha256sum)
if [ -x "$out/cais" ] && [ "$(cat "$out/.fingerprint" 2>/dev/null)" = "$fingerprint" ]; then
  echo "build: $out is up to date"
  exit 0
fi

missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v strip >/dev/null || missing+=(binutils)
[ -e /usr/include/zlib.h ] || missing+=(zlib1g-dev)
if [ ${#missing[@]} -gt 0 ]; then
  echo "build: installing ${missing[*]}"
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
# One compiler for all projects, instead of one start each; it lives too short to gain from measuring itself.
export UseSharedCompilation=true DOTNET_TieredPGO=0
rm -rf "$out.new"
mkdir -p "$out" "$out.new"
rm -f "$out/.fingerprint"
options=(-c Release -r "$rid" -p:CppCompilerAndLinker=gcc -p:DebugType=none -p:StripSymbols=false -v quiet -nologo)

# Compiling shares projects, so it is done one program after the other. Making machine code, which takes most of the time and one processor a program,
# is done for the largest program beside the others.
for program in "${programs[@]}"; do
  dotnet build "src/$program" "${options[@]}" -clp:ErrorsOnly
done
publish() {
  local program
  for program in "$@"; do
    rm -rf "artifacts/publish/$program"
    # The stage keeps the symbols, for profilers and for the test that reads the launch interpreter's machine code.
    dotnet publish "src/$program" --no-build "${options[@]}" -o "artifacts/publish/$program" || return
  done
}
publish Cais.Daemon &
largest=$!
others=()
for program in "${programs[@]}"; do [ "$program" = Cais.Daemon ] || others+=("$program"); done
publish "${others[@]}" || { wait; exit 1; }
wait "$largest"
for program in "${programs[@]}"; do
  find "artifacts/publish/$program" -maxdepth 1 -type f ! -name '*.dbg' ! -name '*.pdb' ! -name '*.json' ! -name '*.xml' ! -name '*.config' -exec install -m 755 -t "$out.new" {} +
done
strip --strip-unneeded "$out.new"/*
mv "$out.new"/* "$out/"
rmdir "$out.new"
echo "$fingerprint" >"$out/.fingerprint"
ls -lh "$out" | awk 'NR > 1 { print "build: " $NF " " $5 }'
