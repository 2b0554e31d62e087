#!/bin/sh
# The command `anchorage`: runs the bundled program with the Node of the package, or with the system's Node if
# the package has none.
here=$(dirname "$(readlink -f "$0")")
# First in PATH, so that the nats-server of the package is used.
PATH=$here:$PATH
export PATH
if [ -z "$ANCHORAGE_CONFIG" ] && [ -e /etc/anchorage/anchorage.yaml ]; then
  export ANCHORAGE_CONFIG=/etc/anchorage/anchorage.yaml
fi
exec node "$here/../program/anchorage.js" "$@"
