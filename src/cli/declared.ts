import type { CommandUnknownOpts } from '@commander-js/extra-typings'
import { addGlobalOptions } from './global-options.ts'
import type { Declared, Entry } from './verb.ts'

/** A verb with its arguments and options declared. */
export async function declared(name: string, { load }: Entry): Promise<Declared> {
  const [{ Command }, loaded] = await Promise.all([import('@commander-js/extra-typings'), load()])
  const verb = loaded.command.declare(new Command(`anchorage ${name}`))
  addGlobalOptions(verb.command)
  return verb
}

/** Whether the options of the config are flags of a verb. */
export function takesConfig(command: CommandUnknownOpts): boolean {
  return command.options.some(({ long }) => long === '--config')
}
