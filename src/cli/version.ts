import { version } from '../core/version.ts'
import { json } from './print.ts'
import { verb } from './verb.ts'

/** Shows the version. */
export const command = verb(
  {
    about: 'Shows the version of this program. anchorage -v and anchorage --version do the same.',
    json: '{"version","node"}. node is the version of Node.js.',
    examples: ['version'],
  },
  (bare) => bare,
  async (_args, _options, io) => {
    io.out(io.json ? json({ version, node: process.versions.node }) : `${version}\n`)
  },
)
