#!/bin/sh
# Runs after unpacking on Alpine.
set -e

id anchorage >/dev/null 2>&1 || adduser -S -D -H -h /var/lib/anchorage -s /sbin/nologin anchorage
