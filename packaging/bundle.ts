import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'

const root = join(import.meta.dirname, '..')

/**
 * Files of the program that read something at a path relative to themselves, and what they read. It is packed at the same path from the
 * root, and the bundled code looks for it there. A file that does this and is not listed here fails the build.
 */
const beside: Record<string, readonly string[]> = {
  'src/store/functions.ts': ['src/store/functions'],
  'src/store/migrations.ts': ['migrations'],
  'src/http/pages/pages.ts': ['src/http/pages'],
  'node_modules/@fastify/swagger/lib/util/read-package-json.js': [
    'node_modules/@fastify/swagger/package.json',
  ],
  'node_modules/@fastify/swagger-ui/index.js': [],
  'node_modules/@fastify/swagger-ui/lib/routes.js': ['node_modules/@fastify/swagger-ui/static'],
  // The path of the program itself, which `anchorage dev` starts: the package has a link to the bundle there.
  'src/dev/node.ts': [],
  // Only its comments mention such paths.
  'node_modules/commander/lib/command.js': [],
  // Not needed in the package: worker threads that pino could write logs in, and a note in a stack trace.
  'node_modules/thread-stream/index.js': [],
  'node_modules/pino/lib/transport.js': [],
  'node_modules/undici/index.js': [],
}

const place = /\bimport\.meta\.(?:url|dirname)\b|\b__(?:dirname|filename)\b/g

/**
 * Writes the program as plain JavaScript into `target`, with the files that it reads: `program/anchorage.js` is `anchorage`. Returns
 * what was bundled. The same source gives the same bytes. Rejects when a file reads something next to it that is not packed.
 */
export async function bundle(target: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { anchorage: 'packaging/start.js' },
    outdir: join(target, 'program'),
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    charset: 'utf8',
    legalComments: 'none',
    metafile: true,
    logLevel: 'error',
    // Imported only at run time, and not needed.
    external: ['oidc-provider', 'pg-native'],
    banner: { js: banner },
    plugins: [places],
  })
  for (const path of Object.values(beside).flat()) await pack(path, target)
  const main = join(target, 'src/cli/main.ts')
  await mkdir(dirname(main), { recursive: true })
  await symlink('../../program/anchorage.js', main)
  return metafile
}

/** Replaces a file's reference to its own path with its path in the package. */
const places: Plugin = {
  name: 'places',
  setup(build) {
    build.onLoad({ filter: /\.[cm]?[jt]s$/ }, async ({ path }) => {
      const file = relative(root, path)
      const text = await readFile(path, 'utf8')
      const code = text.replaceAll(place, (name) => `(${placeIn(file, name)})`)
      if (code === text) return null
      if (!Object.hasOwn(beside, file)) {
        const why = 'it reads files beside itself: list them in `beside` in packaging/bundle.ts'
        return { errors: [{ text: why, location: { file } }] }
      }
      return { contents: code, loader: path.endsWith('.ts') ? 'ts' : 'js' }
    })
  },
}

/** An expression for the path of `file` in the package. */
function placeIn(file: string, name: string): string {
  if (name === 'import.meta.url') return `packed$(${JSON.stringify(file)}).href`
  return `packed$path(packed$(${JSON.stringify(name === '__filename' ? file : dirname(file))}))`
}

/**
 * The first lines of every bundled file: the `require` that CommonJS packages load Node's own modules with, and the paths of packed
 * files. No other code uses these names.
 */
const banner = [
  "import { createRequire as packed$require } from 'node:module';",
  "import { fileURLToPath as packed$path } from 'node:url';",
  'const require = packed$require(import.meta.url);',
  'const packed$ = (path) => new URL(`../${path}`, import.meta.url);',
].join('\n')

async function pack(path: string, target: string): Promise<void> {
  const into = join(target, path)
  await mkdir(dirname(into), { recursive: true })
  if (path === 'package.json') return writeFile(into, await manifest())
  // The folder of the pages also has their code and tests, which the pages do not need.
  await cp(join(root, path), into, { recursive: true, filter: (from) => !from.endsWith('.ts') })
}

/** The fields of our manifest that the program reads; the others are only for building it. */
async function manifest(): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  return `${JSON.stringify({ name, version, license, type: 'module' }, null, 2)}\n`
}
