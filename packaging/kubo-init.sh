#!/bin/sh
# Makes the repository of a Kubo that stands beside a node, the first time: its RPC on loopback alone, no gateway (whose port is
# the API's), no telemetry, and no dialling of private networks (the profile `server`). Later changes are yours: `ipfs config`.
set -e

if [ -e "$IPFS_PATH" ]; then exit 0; fi
repo=$IPFS_PATH
# Made aside: what is cut off leaves nothing half made.
export IPFS_PATH="$repo.new"
rm -rf "$IPFS_PATH"
# In pebble a named pin costs Kubo four syncs of the disk, in its default datastore five.
ipfs init --empty-repo --profile=server,pebbleds
ipfs config Addresses.API /ip4/127.0.0.1/tcp/5001
ipfs config --json Addresses.Gateway '[]'
# The filters of that profile do not bind what Kubo fetches by HTTP.
ipfs config --json HTTPRetrieval.Enabled false
ipfs config Plugins.Plugins.telemetry.Config.Mode off
mv "$IPFS_PATH" "$repo"
