#!/usr/bin/env bash
# All tests: unit, integration (the real kernel) and end to end (the published programs and real clients). Needs root; installs
# what it needs from Debian. Each suite runs in namespaces of its own (tests/isolate.sh) and is followed by a leak check.
# Usage: test.sh [SUITE...]    only these, e.g. `test.sh Images EndToEnd`
# The last line is `tests: N passed, N failed, N skipped`.
set -uo pipefail
cd "$(dirname "$0")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
export CAIS_BIN=$PWD/artifacts/bin
export CAIS_TEST_CACHE=${CAIS_TEST_CACHE:-/var/cache/cais-tests}
results=$PWD/artifacts/tests
passed=0 failed=0 skipped=0 flaky=()

finish() {
  if [ ${#flaky[@]} -gt 0 ]; then printf 'flaky (failed beside others, passed alone; a bug to be mended): %s\n' "${flaky[@]}"; fi
  echo "tests: $passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
  exit
}
give_up() {
  echo "test.sh: $1" >&2
  failed=$((failed + 1))
  finish
}

[ "$(id -u)" = 0 ] || give_up "run me as root: integration tests make namespaces, mounts and cgroups"

# Each line: a file that tells that it is there, and the package that brings it.
install_packages() {
  local missing=() file package
  while read -r file package; do
    [ -e "$file" ] || missing+=("$package")
  done <<'PACKAGES'
/usr/bin/gcc gcc
/usr/include/stdio.h libc6-dev
/usr/include/zlib.h zlib1g-dev
/bin/busybox busybox-static
/usr/sbin/debootstrap debootstrap
/usr/bin/docker-registry docker-registry
/usr/bin/tmux tmux
/usr/sbin/nft nftables
/sbin/ip iproute2
/usr/bin/ps procps
/usr/sbin/runc runc
/usr/bin/crun crun
/usr/bin/skopeo skopeo
/usr/bin/umoci umoci
/usr/bin/podman podman
/usr/bin/containerd containerd
/usr/bin/strace strace
/usr/bin/xz xz-utils
/usr/bin/bzip2 bzip2
/usr/bin/zstd zstd
/usr/bin/dig dnsutils
/usr/bin/objdump binutils
/usr/bin/newuidmap uidmap
/usr/bin/openssl openssl
/usr/sbin/dockerd docker.io
/usr/bin/podman podman
/usr/bin/script bsdutils
/usr/bin/prometheus prometheus
/usr/sbin/rsyslogd rsyslog
/usr/bin/jq jq
/usr/sbin/criu criu
/usr/bin/curl curl
/usr/bin/git git
/usr/bin/node nodejs
/usr/bin/npm npm
PACKAGES
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "test.sh: installing ${missing[*]}"
  # Packages that bring services must not start them: tests start their own.
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=1; fi
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  local status=$?
  [ -z "$made" ] || rm -f $policy
  return $status
}

install_packages || give_up "could not install the packages that the tests need"
tests/debian-root.sh "$CAIS_TEST_CACHE" || give_up "could not make a Debian root file system"
tests/forky-packages.sh "$CAIS_TEST_CACHE" >/dev/null || give_up "could not unpack buildx and compose"
# Release, as the programs are: what both need is compiled once. Compilers start once and serve all projects.
UseSharedCompilation=true DOTNET_TieredPGO=0 dotnet build Cais.slnx -c Release -v quiet -clp:ErrorsOnly -nologo || give_up "the tests do not build"
dotnet build-server shutdown --vbcscompiler >/dev/null 2>&1
dotnet format whitespace --folder --verify-no-changes --exclude artifacts || give_up "the code is not formatted: run dotnet format"

mkdir -p "$results"
wanted() { # is this suite, or any, asked for?
  [ ${#asked[@]} = 0 ] || printf '%s\n' "${asked[@]}" | grep -qx -e "$1" -e "$(sed 's/^Cais\.//; s/\.Tests$//' <<<"$1")"
}
run_suite() { # leaves a log, and beside it how it ended
  local started=$SECONDS
  tests/isolate.sh dotnet exec "tests/$1/bin/Release/net10.0/$1.dll" -noColor -noLogo >"$results/$1.log" 2>&1
  echo "$? $((SECONDS - started))" >"$results/$1.end"
}
# A few tests that failed while another suite wanted the processors are run once more by themselves. What fails again has failed; what passes is told apart as flaky.
passes_alone() { # suite, its log
  local names=() options=() name log=$results/$1.again.log
  mapfile -t names < <(sed -nE 's/^ +([A-Za-z0-9_.+]+)(\(.*\))? \[FAIL\]$/\1/p' "$2" | sort -u)
  [ ${#names[@]} -gt 0 ] && [ ${#names[@]} -le 3 ] || return
  for name in "${names[@]}"; do options+=(-method "$name"); done
  tests/isolate.sh dotnet exec "tests/$1/bin/Release/net10.0/$1.dll" -noColor -noLogo "${options[@]}" >"$log" 2>&1 || return
  grep -qE 'Total: [1-9][0-9]*, Errors: 0, Failed: 0, Skipped: 0' "$log" || return
  flaky+=("${names[@]}")
}
run_suites() { for suite in "$@"; do if wanted "$suite"; then run_suite "$suite"; fi; done; }
count_suite() {
  local suite=$1 log=$results/$1.log status seconds summary total errors fails skips leaks known
  read -r status seconds <"$results/$suite.end"
  summary=$(grep -oE 'Total: [0-9]+, Errors: [0-9]+, Failed: [0-9]+, Skipped: [0-9]+' "$log" | tail -1)
  if [ -z "$summary" ]; then
    tail -30 "$log"
    echo "$suite: did not run to its end (exit code $status)"
    failed=$((failed + 1))
    return
  fi
  read -r total errors fails skips <<<"$(grep -oE '[0-9]+' <<<"$summary" | paste -sd' ')"
  leaks=$(grep -c '^leak: ' "$log")
  known=${#flaky[@]}
  if [ $((errors + fails + leaks)) -gt 0 ] || [ "$status" -ne 0 ]; then
    grep -E -A 25 '^leak: |\[FAIL\]' "$log" | head -200
    if [ "$leaks" = 0 ] && [ "$errors" = 0 ] && passes_alone "$suite" "$log"; then
      passed=$((passed + 1)) fails=0
    fi
    # A crash of the runner, or a leak, is a failure of its own.
    [ $((errors + fails)) -gt 0 ] || [ ${#flaky[@]} -gt "$known" ] || failed=$((failed + 1))
  else
    passed=$((passed + 1)) # the leak check
  fi
  passed=$((passed + total - fails - skips))
  failed=$((failed + errors + fails))
  skipped=$((skipped + skips))
  echo "$suite: $((total - fails - skips)) passed, $((errors + fails)) failed, $skips skipped, $leaks leaks, $seconds s"
}

# Scripts that count by themselves (test/conformance/lib.sh). One that fails is run once more, as a test is.
run_script() { # what to call it, the name that it counts under, command...: leaves a log, and beside it how it ended
  local label=$1 name=$2 log=$results/${1//\//-}.log started=$SECONDS status attempt
  shift 2
  for attempt in 1 2; do
    "$@" >"$log" 2>&1
    status=$?
    if [ $status = 0 ] || grep -q '^leak: ' "$log"; then break; fi
  done
  echo "$status $((SECONDS - started)) $attempt $name" >"${log%.log}.end"
}
count_script() { # what it is called
  local label=$1 log=$results/${1//\//-}.log status seconds attempt name ok bad left
  read -r status seconds attempt name <"${log%.log}.end"
  read -r ok bad left <<<"$(sed -nE "s/^conformance $name: ([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p" "$log")"
  if [ -z "${ok-}" ]; then
    tail -30 "$log"
    ok=0 bad=1 left=0
  elif [ "$status" -ne 0 ]; then
    grep -E -A 3 '^leak: |^FAIL' "$log" | head -200
    [ "$bad" -gt 0 ] || bad=1
  elif [ "$attempt" -gt 1 ]; then
    flaky+=("$label")
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  skipped=$((skipped + left))
  echo "$label: $ok passed, $bad failed, $left skipped, $seconds s"
}

asked=("$@")
suites=() early=() scripts=()
for folder in tests/*.Tests; do
  suite=${folder#tests/}
  wanted "$suite" || continue
  suites+=("$suite")
  case $suite in
    Cais.BuildKit.Tests | Cais.Daemon.Tests | Cais.EndToEnd.Tests | Cais.Runtime.Tests | Cais.Shim.Tests) ;;
    *) early+=("$suite") ;;
  esac
done
if wanted clients; then scripts+=(clients); fi
for peer in smoke containerd dockerd podman engine; do
  if wanted "$peer" || wanted conformance; then scripts+=("conformance/$peer"); fi
done
run_scripts() {
  local script
  for script in "${scripts[@]}"; do
    case $script in
      # Other people's clients, those that need little time; the composes and python's are run by hand (test/clients/run.sh without a name runs all).
      clients) run_script clients clients test/clients/run.sh docker docker-dotnet testcontainers dockerode ;;
      # Other people's engines with our runtime, ours with theirs.
      conformance/*) run_script "$script" "${script#*/}" "test/$script.sh" ;;
    esac
  done
}

# Each suite and script has a machine of its own, as far as the kernel allows, so two run at a time. Suites that need no program run while these are published.
rm -f "$results"/*.end
run_suites "${early[@]}" &
./build.sh || { wait; give_up "the build failed"; }
wait
run_suites Cais.EndToEnd.Tests &
{ run_suites Cais.Runtime.Tests Cais.Shim.Tests Cais.Daemon.Tests Cais.BuildKit.Tests; run_scripts; } &
wait
for suite in "${suites[@]}"; do count_suite "$suite"; done
for script in "${scripts[@]}"; do count_script "$script"; done
finish
