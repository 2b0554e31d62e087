#!/bin/sh
# Configures a Kubo that runs next to an anchorage node. The ipfs/kubo image runs this file before each start of its daemon, from
# /container-init.d. The chart and deploy/compose both put it there.
set -eu

# The RPC has no authentication, so it listens only on loopback. There is no gateway, because its usual port is the API's.
ipfs config Addresses.API /ip4/127.0.0.1/tcp/5001
ipfs config --json Addresses.Gateway '[]'

# ADDR_FILTERS: the networks that Kubo never dials, even if a pin's origins or the DHT name them, as multiaddrs in a JSON array.
if [ -n "${ADDR_FILTERS:-}" ]; then
  ipfs config --json Swarm.AddrFilters "$ADDR_FILTERS"
  # The filters do not apply to fetches over HTTP.
  ipfs config --json HTTPRetrieval.Enabled false
fi
