#!/bin/sh
# After unpacking: deb says `configure`, and the old version at an upgrade; rpm says 1, and 2 at an upgrade. Enables and starts nothing.
set -e

if command -v systemd-sysusers >/dev/null; then
  systemd-sysusers anchorage.conf
else
  for user in anchorage anchorage-kubo; do
    id "$user" >/dev/null 2>&1 ||
      useradd --system --user-group --home-dir "/var/lib/$user" --shell /usr/sbin/nologin "$user"
  done
fi

# Passwords of the database stand in it.
if [ -e /etc/anchorage/anchorage.yaml ]; then chgrp anchorage /etc/anchorage/anchorage.yaml; fi

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # At an upgrade the files of a running node have just gone from under it.
  systemctl try-restart anchorage.service
fi
