#!/bin/sh
# Runs before the files are removed. For a removal deb passes `remove`, and rpm 0. At an upgrade both pass
# another value, and nothing is stopped.
set -e

case "$1" in
  remove | 0)
    if [ -d /run/systemd/system ]; then
      systemctl --no-reload disable --now anchorage.service anchorage-kubo.service
    fi
    ;;
esac
