#!/bin/sh
# Signals go to node itself; small heaps, because the device's memory is not ours.
# No file of its memory, which holds keys, whatever ends it.
ulimit -c 0
exec node --max-semi-space-size=4 --max-old-space-size=128 "${0%/*}/main.js" "$@"
