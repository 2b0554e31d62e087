/** The values of the options that should be the same on all nodes, as a person writes them: `pin.replicas` → `2`. */
export type SharedSettings = Readonly<Record<string, string>>

/** The settings of one node. */
export interface SettingsOf {
  name: string
  settings: SharedSettings
}

/**
 * The reason why a node with the settings `own` must not start beside `others`, which run now; null when it may. A new value of an option
 * is carried from node to node, each of which restarts with it. So a node may start with a value that no other has if its own last start
 * had a third one (`before`; null: it has never started): the change begins with it. Otherwise it is new here, or has missed a change.
 */
export function refusedSetting(
  own: SharedSettings,
  before: SharedSettings | null,
  others: readonly SettingsOf[],
): string | null {
  for (const [option, value] of Object.entries(own)) {
    const differing = others.filter(({ settings }) => differs(settings, option, value))
    const [first] = differing
    const theirs = others.filter(({ settings }) => settings[option] !== undefined)
    if (first === undefined || differing.length < theirs.length) continue
    if (before !== null && differs(before, option, value)) continue
    return `${says(option, value, first)}: use the value of the other nodes, or give all of them the new one first`
  }
  return null
}

/** A line for each option in which a node that runs now differs from `own`. */
export function differingSettings(own: SharedSettings, others: readonly SettingsOf[]): string[] {
  return Object.entries(own).flatMap(([option, value]) => {
    const other = others.find(({ settings }) => differs(settings, option, value))
    return other === undefined ? [] : [says(option, value, other)]
  })
}

/** A version that does not know the option has no value of it, and so none that differs. */
function differs(settings: SharedSettings, option: string, value: string): boolean {
  return settings[option] !== undefined && settings[option] !== value
}

function says(option: string, value: string, { name, settings }: SettingsOf): string {
  return `${option} is ${value} here, and ${settings[option]} on the node ${name}`
}
