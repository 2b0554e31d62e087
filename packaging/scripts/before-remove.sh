#!/bin/sh
# Before files go: deb says `remove`, rpm 0. Both say something else at an upgrade, at which nothing stops here.
set -e

case "$1" in
  remove | 0)
    if [ -d /run/systemd/system ]; then
      systemctl --no-reload disable --now anchorage.service anchorage-kubo.service
    fi
    ;;
esac
