#!/bin/sh
# Runs after unpacking. deb passes `configure`, and the old version at an upgrade; rpm passes 1, and 2 at an upgrade. Enables and starts
# no service.
set -e

if command -v systemd-sysusers >/dev/null; then
  systemd-sysusers anchorage.conf
else
  for user in anchorage anchorage-kubo; do
    id "$user" >/dev/null 2>&1 ||
      useradd --system --user-group --home-dir "/var/lib/$user" --shell /usr/sbin/nologin "$user"
  done
fi

# It contains passwords of the database.
if [ -e /etc/anchorage/anchorage.yaml ]; then chgrp anchorage /etc/anchorage/anchorage.yaml; fi

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # An upgrade has just replaced the files of a running node.
  systemctl try-restart anchorage.service
fi
