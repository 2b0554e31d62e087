#!/bin/sh
# The command `anchorage`: the bundled program on the Node that came along, or on the system's where none did.
here=$(dirname "$(readlink -f "$0")")
# Found first, so that the nats-server that was packed is the one that runs.
PATH=$here:$PATH
export PATH
if [ -z "$ANCHORAGE_CONFIG" ] && [ -e /etc/anchorage/anchorage.yaml ]; then
  export ANCHORAGE_CONFIG=/etc/anchorage/anchorage.yaml
fi
exec node "$here/../program/anchorage.js" "$@"
