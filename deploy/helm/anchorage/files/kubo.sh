#!/bin/sh
# What a Kubo needs beside an anchorage node. The ipfs/kubo image runs it before each start of its daemon, from /container-init.d;
# the chart and deploy/compose both put it there.
set -eu

# The RPC asks nobody who they are: loopback only. No gateway: its usual port is the API's.
ipfs config Addresses.API /ip4/127.0.0.1/tcp/5001
ipfs config --json Addresses.Gateway '[]'

# Networks that it never dials, whatever a pin's origins or the DHT say: multiaddrs in a JSON array.
if [ -n "${ADDR_FILTERS:-}" ]; then
  ipfs config --json Swarm.AddrFilters "$ADDR_FILTERS"
  # The filters do not bind what Kubo fetches by HTTP.
  ipfs config --json HTTPRetrieval.Enabled false
fi
