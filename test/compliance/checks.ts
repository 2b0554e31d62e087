/**
 * Runs the published suite's nine checks one by one and prints each outcome as a line of JSON. It is a program that `suite.ts` starts
 * as a process of its own, because the suite keeps its state in its modules.
 */
import { registerHooks } from 'node:module'
import util from 'node:util'

interface SuiteCheck {
  (endpoint: [url: string, token: string]): Promise<void>
}

const order = [
  'checkEmptyBearerToken',
  'checkInvalidBearerToken',
  'addPin',
  'deleteNewPin',
  'getAllPins',
  'replacePin',
  'matchPin',
  'testPagination',
  'deleteAllPins',
]

const { SUITE: suite = '', ENDPOINT: url = '', TOKEN: token = '', CONTENT_RPC: contentRpc = '' } = process.env

// The suite fetches the spec from the network and writes reports into its own folder; this redirects both to our paths.
registerHooks({
  load(module, context, next) {
    const loaded = next(module, context)
    if (module !== `${suite}utils/constants.js`) return loaded
    const source = textOf(loaded.source)
      .replace(/const specLocation = .*;/, 'const specLocation = process.env.SPEC;')
      .replace(/const docsDir = .*;/, 'const docsDir = process.env.REPORTS;')
    return { ...loaded, source }
  },
})

// The suite's OpenAPI reader still calls functions that Node 23 removed.
Object.assign(util, {
  isFunction: (value: unknown) => typeof value === 'function',
  isNumber: (value: unknown) => typeof value === 'number',
  isObject: (value: unknown) => typeof value === 'object' && value !== null,
  isUndefined: (value: unknown) => value === undefined,
})

if (contentRpc !== '') offerInventedContent()
await main()

async function main(): Promise<void> {
  const checks = (await import(`${suite}checks/index.js`)) as Record<string, SuiteCheck>
  const { globalReport } = (await import(`${suite}utils/report.js`)) as {
    globalReport: { passed: number; failed: number }
  }
  for (const name of order) {
    const before = { ...globalReport }
    try {
      await checks[name]?.([url, token])
    } catch (error) {
      process.stdout.write(`${name} threw ${String(error)}\n`)
    }
    // the suite does not count a check that throws; here it counts as failed
    const passed = globalReport.passed === before.passed + 1 && globalReport.failed === before.failed
    process.stdout.write(`${JSON.stringify({ name, passed })}\n`)
  }
}

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray | undefined): string {
  return typeof source === 'string' ? source : new TextDecoder().decode(source)
}

/** The suite's content is the text of `process.hrtime()`: stores the same bytes in a Kubo as a raw block. */
function offerInventedContent(): void {
  const { hrtime } = process
  const told = (time?: [number, number]): [number, number] => {
    const now = hrtime(time)
    const text = now.join(',')
    const offer = (): string => {
      const body = new FormData()
      body.append('file', new Blob([text]))
      const to = `${contentRpc}/api/v0/block/put?cid-codec=raw&mhtype=sha2-256&pin=false`
      fetch(to, { method: 'POST', body }).catch((error: unknown) =>
        process.stderr.write(`${String(error)}\n`),
      )
      return text
    }
    return Object.defineProperty(now, 'toString', { enumerable: false, value: offer })
  }
  process.hrtime = Object.assign(told, { bigint: hrtime.bigint.bind(hrtime) })
}
