#!/bin/sh
# Checks only: nothing is changed on the device.
here=$(dirname "$0")
if ! command -v node >/dev/null; then
  echo "thing-courier needs Node.js 20.19 or newer on the PATH; install it and deploy again" >&2
  exit 1
fi
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
  echo "thing-courier needs Node.js 20.19 or newer, this is $(node --version); install it and deploy again" >&2
  exit 1
fi
if ! node "$here/main.js" --version >/dev/null; then
  echo "thing-courier does not start with Node.js $(node --version); its message is above" >&2
  exit 1
fi
