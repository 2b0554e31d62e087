import type { PinStatus } from '../../http/client.ts'
import { display, watchTells } from '../display.ts'
import { json } from '../print.ts'
import { verb, WrongUse } from '../verb.ts'
import { follow } from './follow.ts'
import { serviceOf, withService } from './service.ts'
import { inFull } from './show.ts'

/** Shows a pin in full. */
export const command = verb(
  {
    about: 'Shows everything that the service reports about a pin. The exit code is 1 if the pin has failed.',
    json: 'the pin as the service returns it.',
    examples: [
      'pin status pin_01h455vb4pex5vsknk084sn02q',
      'pin status pin_01h455vb4pex5vsknk084sn02q --wait',
    ],
  },
  (bare) =>
    withService(bare)
      .argument('<REQUESTID>', 'id of the pin')
      .option('--wait', 'follow it until it is pinned or has failed')
      .option('--watch', watchTells),
  async ([id], { wait, watch, ...service }, io) => {
    if (wait && watch) throw new WrongUse('expected either --wait or --watch')
    const client = serviceOf(service, io)
    const read = () => client.get(id, io.signal)
    const screen = (pin: PinStatus) => ({ text: inFull(pin, Date.now(), io) })
    if (watch) return await display({ read, screen, json: (pin) => pin }, true, io)
    const now = await read()
    const pin = wait ? await follow(client, now, io, io.json) : now
    io.out(io.json ? json(pin) : screen(pin).text)
    return pin.status === 'failed' ? 1 : 0
  },
)
