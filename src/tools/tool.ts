/** A server that anchorage runs but does not contain: which versions are suitable, and where to get one. */
export interface ToolSpec {
  /** Its executable's name. */
  name: string
  /** What people call it. */
  title: string
  /** The oldest suitable version. */
  minVersion: string
  /** Why older versions are not suitable. */
  because: string
  /** Arguments that make it print its version. */
  versionArgs: string[]
  /** The ways to get it when the machine has none, tried in turn. */
  sources: ToolSource[]
  /** What a person can do when all of them failed. */
  advice: string
}

/** One way to get a tool. */
export interface ToolSource {
  title: string
  /** In the cache the tool is `<name>-<version>`; null when this source keeps it elsewhere. */
  version: string | null
  /** Writes the executable to `target` or beside it, or finds it elsewhere; returns its path. Rejects with a reason a person can act on. */
  get(target: string, context: ToolContext): Promise<string>
}

/** The means for finding or making a tool. */
export interface ToolContext {
  env: NodeJS.ProcessEnv
  /** Progress, a line at a time. */
  say(line: string): void
  signal: AbortSignal
}

/** A tool that exists and reports its version. */
export interface Tool {
  path: string
  version: string
  /** Which step found it. */
  from: string
}

/** The first dotted number in what a tool prints as its version; null when there is none. */
export function versionIn(text: string): string | null {
  return /\d+\.\d+(?:\.\d+)?(?:-[\w.]+)?/.exec(text)?.[0] ?? null
}
