import { version } from '../core/version.ts'
import { page, prose } from './help.ts'
import { json } from './print.ts'
import { verb } from './verb.ts'

/** Shows the version. */
export const command = verb(
  (declare) =>
    declare
      .description(
        prose('Shows which version of anchorage this is; anchorage -v and anchorage --version do, too.'),
      )
      .addHelpText(
        'after',
        page({
          json: '{"version","node"}: node is the version of the Node.js that runs it',
          examples: ['version'],
        }),
      ),
  async (_args, _options, io) => {
    io.out(io.json ? json({ version: version, node: process.versions.node }) : `${version}\n`)
  },
)
