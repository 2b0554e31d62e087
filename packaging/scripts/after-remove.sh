#!/bin/sh
# Runs after the files are removed. deb's `purge` also removes the node's data, which it can make again from Postgres. The
# pinned content (/var/lib/anchorage-kubo), keys in /etc/anchorage and the users remain.
set -e

if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi

if [ "$1" = purge ]; then
  rm -rf /var/lib/anchorage
  if [ -d /etc/anchorage ] && ! rmdir /etc/anchorage 2>/dev/null; then
    echo "anchorage: /etc/anchorage contains files of yours, which are kept: remove them if no other node needs them"
  fi
  if [ -d /var/lib/anchorage-kubo ]; then
    echo "anchorage: /var/lib/anchorage-kubo contains the pinned content and is kept: remove it if other nodes have the content"
  fi
fi
