#!/bin/sh
# After files went. With deb's `purge` goes also what the node kept, all of which it can make again from Postgres. What was
# pinned (/var/lib/anchorage-kubo), keys that you put into /etc/anchorage, and the users stay.
set -e

if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi

if [ "$1" = purge ]; then
  rm -rf /var/lib/anchorage
  if [ -d /etc/anchorage ] && ! rmdir /etc/anchorage 2>/dev/null; then
    echo "anchorage: /etc/anchorage holds files of yours, which stay: remove them if no other node needs them"
  fi
  if [ -d /var/lib/anchorage-kubo ]; then
    echo "anchorage: /var/lib/anchorage-kubo holds what was pinned here, and stays: remove it if it stands elsewhere"
  fi
fi
