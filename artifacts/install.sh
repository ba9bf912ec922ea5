#!/bin/sh
# Checks only: nothing is changed on the device. What fails is said in a sentence that ends with the next step.
fail() {
  echo "thing-courier: $1" >&2
  exit 1
}

here=$(cd "${0%/*}" && pwd)
[ -r "$here/requires.sh" ] || fail "this package is not complete, $here/requires.sh is missing; deploy it again"
. "$here/requires.sh" # has_node, needs_glibc: written when it was built

command -v node >/dev/null ||
  fail "Node.js is not on the PATH ($PATH); install Node.js 20.19 or newer (this package has parts for $has_node) and deploy again"
version=$(node -p process.versions.node) ||
  fail "$(command -v node) does not start; its message is above; install Node.js for this machine ($(uname -m)) and deploy again"
node -e 'var v = process.versions.node.split(".").map(Number); process.exit(v[0] > 20 || (v[0] === 20 && v[1] >= 19) ? 0 : 1)' ||
  fail "Node.js $version is too old; install 20.19 or newer (this package has parts for $has_node) and deploy again"

# Node.js itself says with which C library it runs: not every device has getconf or ldd.
glibc=$(node -p 'process.report.getReport().header.glibcVersionRuntime || "none"')
[ "$glibc" != none ] ||
  fail "this Node.js runs without glibc (musl, as on Alpine Linux), the native parts need glibc $needs_glibc; use a Linux with glibc, such as Debian 12 or Ubuntu 22.04"
node -e 'var n = process.argv.map(function (v) { return v.split(".").map(Number) }), a = n[1], b = n[2]; process.exit(b[0] > a[0] || (b[0] === a[0] && b[1] >= a[1]) ? 0 : 1)' "$needs_glibc" "$glibc" ||
  fail "the native parts need glibc $needs_glibc, here is $glibc; use a newer Linux, such as Debian 12 or Ubuntu 22.04, or build them on this one (artifacts/native/README.md)"

database=$here/better_sqlite3-$(node -p process.versions.modules).node
[ -r "$database" ] ||
  fail "this package has no better-sqlite3 for Node.js $version, only for $has_node; install one of these, or build the package with it (artifacts/native/README.md)"
loads() {
  node -e 'try { require(process.argv[1]) } catch (e) { console.error(e.message); process.exit(1) }' "$1"
}
loads "$database" ||
  fail "${database##*/} does not load with Node.js $version; its message is above; deploy the package again, or build it on a system like this one"
[ -r "$here/aws-crt-nodejs.node" ] ||
  fail "this package is not complete, $here/aws-crt-nodejs.node is missing; deploy it again"
# Only a connection of our own to IoT Core needs it; under a nucleus, and where objects are polled for, all runs without.
loads "$here/aws-crt-nodejs.node" ||
  echo "thing-courier: aws-crt-nodejs.node does not load with Node.js $version; its message is above; MQTT without Greengrass will not work" >&2

node "$here/main.js" --version >/dev/null ||
  fail "main.js does not start with Node.js $version; its message is above; deploy the package again"
