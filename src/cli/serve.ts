import { adoptName } from '../app/adopt.ts'
import { startNode } from '../app/node.ts'
import { aborted } from '../process/aborted.ts'
import { configuredVerb } from './config-arguments.ts'

/** Runs a node until a signal stops the process. */
export const command = configuredVerb(
  {
    about: `Runs one node: the API, the workers, and its own nats-server (unless nats.url names another one), beside its Kubo. Needs
database.url, database.systemUrl, and auth.masterKey or auth.masterKeyFile. Run anchorage migrate up first. SIGTERM and Ctrl-C stop
the node cleanly, after http.stopDelay; a second signal stops it at once. The node does not start, and changes nothing, when its master
key, its Kubo or its data directory is not the one that node.name has in Postgres, when another process runs under that name, or when
a port is in use.

Options are set in the YAML file, in the environment or as flags: see docs/config.md, or anchorage config print.`,
    examples: [
      'serve --config /etc/anchorage/anchorage.yaml',
      'serve --http.listen 0.0.0.0:8080',
      'serve --adopt',
    ],
  },
  (bare) =>
    bare.option(
      '--adopt',
      'take the place of the machine that had this node.name and is gone, with the Kubo of this machine; its content is fetched again',
    ),
  async (_args, { adopt }, io, config) => {
    io.allowToStop?.(config.http.stopDelay)
    if (adopt) await adoptName(config, io.signal)
    await using node = await startNode(config, io.signal)
    await Promise.race([aborted(io.signal), node.ended])
  },
)
