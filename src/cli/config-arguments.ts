import type { Command, CommandUnknownOpts, OptionValues } from '@commander-js/extra-typings'
import { loadConfig, type Config } from '../config/config.ts'
import type { Help } from './help.ts'
import { verb, type Io, type Verb } from './verb.ts'

/**
 * Like `verb`, for a verb that also takes `--config FILE` and every option of the config as a flag; `run` gets the resulting config. It
 * has a file of its own because the options take long to load.
 */
export function configuredVerb<Args extends unknown[], Opts extends OptionValues>(
  help: Help,
  declare: (command: Command) => Command<Args, Opts>,
  run: (args: Args, options: Opts, io: Io, config: Config) => Promise<number | void>,
): Verb {
  return verb(
    help,
    (command) => withConfig(declare(command)),
    (args, options, io) => run(args, options, io, loadConfig(configInput(io))),
  )
}

/** The sources of the config: the flags that were typed, and the environment. */
export function configInput({ configFlags, env }: Io) {
  return { argv: configFlags, env }
}

/** Declares every option of the config as a flag of `command`. */
export function withConfig<Args extends unknown[], Opts extends OptionValues>(
  command: Command<Args, Opts>,
): Command<Args, Opts> {
  addConfigFlag(command)
  return command
}

function addConfigFlag(command: CommandUnknownOpts): void {
  command.addOption(
    command
      .createOption(
        '--config <FILE>',
        "the node's config file (YAML). Options are also flags, such as --http.listen: see anchorage config docs",
      )
      .helpGroup('Configuration:'),
  )
}
