import { version } from '../core/version.ts'
import { json } from './print.ts'
import { verb } from './verb.ts'

/** Shows the version. */
export const command = verb(
  {
    about: 'Shows which version of anchorage this is; anchorage -v and anchorage --version do, too.',
    json: '{"version","node"}: node is the version of the Node.js that runs it',
    examples: ['version'],
  },
  (declare) => declare,
  async (_args, _options, io) => {
    io.out(io.json ? json({ version: version, node: process.versions.node }) : `${version}\n`)
  },
)
