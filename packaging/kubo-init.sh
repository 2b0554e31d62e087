#!/bin/sh
# Makes the repository of a node's Kubo, once: its RPC listens only on loopback, it has no gateway (whose port is the API's) and
# no telemetry, and it dials no private networks (the profile `server`). Change it later with `ipfs config`.
set -e

if [ -e "$IPFS_PATH" ]; then exit 0; fi
repo=$IPFS_PATH
# The repository is made under another name, so that an interruption leaves no incomplete one.
export IPFS_PATH="$repo.new"
rm -rf "$IPFS_PATH"
# A named pin costs Kubo four syncs of the disk with pebble, and five with its default datastore.
ipfs init --empty-repo --profile=server,pebbleds
ipfs config Addresses.API /ip4/127.0.0.1/tcp/5001
ipfs config --json Addresses.Gateway '[]'
# The filters of that profile do not apply to fetches over HTTP.
ipfs config --json HTTPRetrieval.Enabled false
ipfs config Plugins.Plugins.telemetry.Config.Mode off
mv "$IPFS_PATH" "$repo"
