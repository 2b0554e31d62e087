/** Who may import whom. `src/app/fences.test.ts` plants one breach of every rule and demands that it is caught. */

const tests = '[.]test[.]ts$'

/** Each client library is known to one folder, so that replacing it is a change of one folder. */
const owners = [
  { name: 'pg', library: 'node_modules/(@types/)?(pg|pg-[^/]+)/', folders: 'store' },
  { name: 'nats', library: 'node_modules/@nats-io/', folders: 'cluster' },
  { name: 'fastify', library: 'node_modules/(fastify|@fastify/[^/]+|typebox)/', folders: 'http' },
  { name: 'rate-limiter', library: 'node_modules/rate-limiter-flexible/', folders: 'http' },
  { name: 'undici', library: 'node_modules/undici/', folders: 'ipfs' },
  { name: 'jose', library: 'node_modules/jose/', folders: 'auth' },
  { name: 'openid-client', library: 'node_modules/openid-client/', folders: 'auth' },
  { name: 'prom-client', library: 'node_modules/prom-client/', folders: 'metrics' },
  { name: 'opentelemetry', library: 'node_modules/@opentelemetry/', folders: 'tracing' },
  {
    name: 'commander',
    library: 'node_modules/(commander|@commander-js/[^/]+|picocolors|fast-string-width)/',
    folders: 'cli',
  },
  { name: 'pino', library: 'node_modules/pino/', folders: 'app' },
]

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'folders-meet-only-in-app',
      comment:
        'A folder imports itself, core and process. So http cannot reach SQL, and workers cannot reach NATS; ' +
        'what has to meet, meets in app, cli or dev. config names the limits of several folders.',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: `^src/(app|cli|config|core|dev)/|${tests}` },
      to: { path: '^src/', pathNot: '^src/($1|core|process)/' },
    },
    {
      name: 'config-starts-nothing',
      comment: 'config reads, checks and documents the options. app, cli and dev make things from them.',
      severity: 'error',
      from: { path: '^src/config/', pathNot: tests },
      to: { path: '^src/(app|cli|dev)/' },
    },
    {
      name: 'core-knows-no-folder',
      comment: 'core is what all others depend on, so it depends on none of them.',
      severity: 'error',
      from: { path: '^src/core/', pathNot: tests },
      to: { path: '^src/', pathNot: '^src/core/' },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one idea, or lack a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'web-sees-only-the-client',
      comment: 'The dashboard talks to a node as any other program does: through its HTTP client.',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^src/', pathNot: '^src/http/client[.]ts$' },
    },
    {
      name: 'the-client-runs-in-a-browser',
      comment:
        'src/http/client.ts is shared with the dashboard: nothing of Node, and of packages only their types.',
      severity: 'error',
      from: { path: '^src/http/client[.]ts$' },
      to: { dependencyTypes: ['core', 'npm'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'core-does-no-io',
      comment:
        'core is rules and use cases: no files, no sockets, no clock of its own. Hashes and assertions are pure.',
      severity: 'error',
      from: { path: '^src/core/', pathNot: tests },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|assert)$' },
    },
    {
      name: 'src-needs-no-tests',
      comment: 'What ships does not need tests, benches or scripts.',
      severity: 'error',
      from: { path: '^src/', pathNot: tests },
      to: { path: `^(bench|scripts)/|${tests}` },
    },
    {
      name: 'only-tests-and-benches-use-testing',
      comment: 'Fakes, servers for tests and the world that tests look at are never part of what ships.',
      severity: 'error',
      from: { pathNot: `^(test|testing|bench)/|${tests}` },
      to: { path: '^testing/' },
    },
    {
      name: 'only-tests-use-test',
      comment:
        'A file of test/ is one of the whole-system tests or belongs to them. What others need as well lies in testing/.',
      severity: 'error',
      from: { pathNot: '^test/' },
      to: { path: '^test/' },
    },
    {
      name: 'only-what-package-json-names',
      comment:
        'A package that only happens to be installed is gone after the next npm install. The identity provider of anchorage dev ' +
        'is asked for as it runs, and done without.',
      severity: 'error',
      from: { path: '^(src|web)/', pathNot: `^src/dev/identity-(provider|memory)[.]ts$|${tests}` },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'unknown', 'undetermined'] },
    },
    ...owners.map(({ name, library, folders }) => ({
      name: `one-owner-of-${name}`,
      comment: `One owner per client library: this one belongs to src/${folders}.`,
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(${folders})/|${tests}` },
      to: { path: library },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    // without these, packages that only have "exports" are not found, and so nobody's
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}
