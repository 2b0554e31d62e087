import { many } from '../arguments.ts'
import { json } from '../print.ts'
import { tellFailure } from '../report.ts'
import { verb } from '../verb.ts'
import { metaOf } from './filters.ts'
import { follow } from './follow.ts'
import { serviceOf, withService } from './service.ts'

/** Pins a CID and follows it. */
export const command = verb(
  {
    about:
      'Asks the service to pin CID, and follows the pin until it is pinned (exit code 0) or has failed (exit code 1).',
    json: 'the pin as the service returns it, on one line, at the end.',
    examples: [
      'pin add bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi --name photos',
      'pin add bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi --background',
    ],
  },
  (bare) =>
    withService(bare)
      .argument('<CID>', 'the CID to pin')
      .option('--name <NAME>', 'the name of the pin')
      .option(
        '--origin <MULTIADDR>',
        'address of a peer that has the content, ending in /p2p/…; may be given up to 20 times',
        many,
      )
      .option('--meta <KEY=VALUE>', 'metadata of the pin; may be given many times', many)
      .option('--background', 'return as soon as the service has accepted the pin, and print its id')
      .option('--no-wait', 'the same as --background'),
  async ([cid], { name, origin: origins, meta, background, wait, ...service }, io) => {
    const client = serviceOf(service, io)
    const asked = {
      cid,
      ...(name === undefined ? {} : { name }),
      ...(origins === undefined ? {} : { origins }),
      ...(meta === undefined ? {} : { meta: metaOf(meta) }),
    }
    const accepted = await client.add(asked, io.signal)
    if (background || !wait) {
      io.out(io.json ? json(accepted) : `${accepted.requestid}\n`)
      return 0
    }
    if (!io.json) io.out(`${accepted.requestid}\n`)
    const pin = await follow(client, accepted, io, io.json)
    if (io.json) io.out(json(pin))
    if (pin.status === 'failed') {
      const why = pin.info?.['status_details'] ?? 'the service gives no reason'
      await tellFailure(io, 'conflict', `failed: ${why}`)
    }
    if (io.signal.aborted && !io.json)
      io.err(`the service continues; anchorage pin status ${pin.requestid} shows the progress\n`)
    return pin.status === 'pinned' ? 0 : 1
  },
)
