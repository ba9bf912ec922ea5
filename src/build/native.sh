#!/bin/sh
# After npm has compiled better-sqlite3 with the headers of Node 24.19 or newer: once more, with object-wrap.h.
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../node_modules/better-sqlite3" || exit
grep -q RemoveEnvironmentCleanupHook build/Release/better_sqlite3.node || exit 0
CXXFLAGS="$CXXFLAGS -include '$here/object-wrap.h'" exec npm run --silent build-release
