import { startNode } from '../app/node.ts'
import { aborted } from '../process/aborted.ts'
import { configuredVerb } from './config-arguments.ts'

/** Runs a node until the process is told to stop. */
export const command = configuredVerb(
  {
    about: `Runs one node: the API, the workers, and a nats-server of its own (unless nats.url names another), beside its Kubo.
Needs database.url, database.systemUrl, and auth.masterKey or auth.masterKeyFile; run anchorage migrate up first.
SIGTERM and Ctrl-C stop it cleanly; a second one at once.

Every option can stand in the YAML file, in the environment or as a flag: see docs/config.md, or anchorage config print.`,
    examples: ['serve --config /etc/anchorage/anchorage.yaml', 'serve --http.listen 0.0.0.0:8080'],
  },
  (bare) => bare,
  async (_args, _options, io, config) => {
    await using node = await startNode(config, io.signal)
    await Promise.race([aborted(io.signal), node.ended])
  },
)
