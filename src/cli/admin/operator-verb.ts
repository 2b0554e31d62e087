import type { Command, OptionValues } from '@commander-js/extra-typings'
import { configuredVerb } from '../config-arguments.ts'
import { behind, display, type Shown } from '../display.ts'
import type { Help } from '../help.ts'
import type { Io, Verb } from '../verb.ts'
import { withOperator, type Operator } from './with-operator.ts'

/** The tools of an operator's verb. */
export interface Tools extends Operator {
  /** Shows a state; with the option `--watch`, again and again. */
  show: <T>(shown: Shown<T>) => Promise<void>
}

type Work = (tools: Tools) => Promise<number | void>

const onDatabase =
  'Uses the database that the config names, so it works even when no node runs and NATS is down.'

/**
 * Makes a verb that works with the operators' use cases. `run` checks the words of the command line and returns the work, so that wrong
 * words are reported before a connection is opened.
 */
export function operatorVerb<Args extends unknown[], Opts extends OptionValues>(
  help: Help,
  declare: (command: Command) => Command<Args, Opts>,
  run: (args: Args, options: Opts, io: Io) => Work | Promise<Work>,
): Verb {
  return configuredVerb(
    { ...help, about: `${help.about}\n\n${onDatabase}` },
    declare,
    async (args, options, io, config) => {
      const watch = options['watch'] === true
      const work = await run(args, options, io)
      return await withOperator(config, behind(io, watch), (operator) =>
        work({ ...operator, show: (shown) => display(shown, watch, io) }),
      )
    },
  )
}
