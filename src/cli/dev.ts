import { putGreeting } from '../dev/kubo.ts'
import { startDev, type DevCluster } from '../dev/runtime.ts'
import { aborted } from '../process/aborted.ts'
import { wholeNumberOf } from './arguments.ts'
import { json } from './print.ts'
import { verb, WrongUse } from './verb.ts'

/** Each node is three processes; more nodes than this are of no use on one machine. */
const maxNodes = 16
const twoNodes =
  'warning: with two nodes, neither can lead or take hints without the other: use one node, or at least three, to survive the loss of one'

/** Runs the embedded runtime until a signal stops the process. */
export const command = verb(
  {
    about: `Runs nodes with everything that they need on this machine: one Postgres, an identity provider, a nats-server and a Kubo
for each node, an org and a token. All servers listen on loopback only. Ctrl-C stops everything. Pinned content is still there at
the next start.`,
    json: '{"url","org","token","envFile","nodes"} when everything is ready.',
    notes: `DIR/dev.env is written when everything is ready. A shell can source it: it has addresses, logins, the token and process ids. The
variables of node i end in _i. SIGUSR2 to DEV_PID starts every stopped server again at once, also with --restart-after 0.
DATABASE_URL in the environment names a Postgres to use instead. Its user must own the database and must be allowed to create roles.
For a Postgres on another host, the URL needs sslmode=verify-full, or set ANCHORAGE_DATABASE_ALLOW_PLAINTEXT=true.
KUBO_BINARY and ANCHORAGE_NATS_BINARY name executables to run instead of those that dev finds or makes.
People log in at dev's own identity provider, unless ANCHORAGE_OIDC_ISSUER names another one.`,
    examples: ['dev', 'dev --nodes 3 --data /tmp/three --reset'],
  },
  (bare) =>
    bare
      .option('--data <DIR>', 'the directory for all data', '.anchorage')
      .option(
        '--port <P>',
        'the port of the API; node i has P + i - 1',
        wholeNumberOf('--port', 1, 65_535),
        8080,
      )
      .option('--reset', 'delete the data in DIR first')
      .option(
        '--restart-after <S>',
        'seconds until a server that died is started again; 0: never',
        secondsOf,
        2,
      )
      .option('--public', 'let Kubo join the IPFS network')
      .option(
        '--nodes <N>',
        'number of nodes: 1 or at least 3, because with two nodes neither can lead without the other. The default is the number at the last start, or 1. A larger number adds nodes; before a smaller one, drain the other nodes',
        wholeNumberOf('--nodes', 1, maxNodes),
      ),
  async (
    _args,
    { data: dir, port, reset = false, restartAfter, public: isPublic = false, nodes = null },
    io,
  ) => {
    const hangUp = new AbortController()
    process.once('SIGHUP', () => hangUp.abort(new Error('the terminal was closed')))
    // `npm start` keeps a channel to this process, so that this process ends when npm is killed.
    process.once('disconnect', () => hangUp.abort(new Error('the process that started this one has ended')))
    process.channel?.unref()
    if (nodes === 2) io.err(`${twoNodes}\n`)
    const signal = AbortSignal.any([io.signal, hangUp.signal])
    const restartAfterMs = restartAfter === 0 ? null : restartAfter * 1000
    const given = { dir, nodes, port, reset, restartAfterMs, isPublic, env: { ...io.env }, signal }
    try {
      await using cluster = await startDev({ ...given, say: (line) => io.err(`${line}\n`) })
      const startAgain = () => cluster.startAgain()
      process.on('SIGUSR2', startAgain)
      io.out(io.json ? asJson(cluster) : await welcome(cluster))
      await aborted(signal)
      io.err('stopping\n')
    } catch (error) {
      if (!signal.aborted) throw error
    }
    return 0
  },
)

function asJson({ url, org, token, envFile, nodes }: DevCluster): string {
  return json({ url, org, token, envFile, nodes: nodes.map((node) => node.url) })
}

/** How to use the cluster, in lines that can be pasted into a shell. */
async function welcome(cluster: DevCluster): Promise<string> {
  const { url, org, token, kuboBinary, nodes, login } = cluster
  const [cid = ''] = await Promise.all(nodes.map(({ kubo }) => putGreeting(kubo.rpcUrl)))
  const others = nodes.slice(1).map(({ url: base }) => `         ${base}/v1\n`)
  const signIn =
    login === null
      ? ''
      : `\nSign in at ${new URL('/v1/auth/login', url).href} as ${login.users.join(' or ')}, with the password ${login.password}\n`
  const ipfs = kuboBinary.from === 'PATH' ? 'ipfs' : quoted(kuboBinary.path)
  return `
anchorage is ready

  API    ${url}   (docs: ${url}/docs)
${others.join('')}  org    ${org}
  token  ${token}
  shell  . ${quoted(cluster.envFile)}
${signIn}
Pin something with curl (Kubo has the content of this CID, not pinned yet):

  curl -X POST ${url}/pins -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' -d '{"cid":"${cid}","name":"hello"}'

or with Kubo:

  ${ipfs} pin remote service add dev ${url} ${token}
  ${ipfs} pin remote add --service=dev --name=hello ${cid}

To pin your own content, name addresses in "origins" from which the node fetches it; pin remote add sends those of a running Kubo.

`
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}

function secondsOf(text: string): number {
  const seconds = Number(text)
  if (text.trim() !== '' && seconds >= 0 && seconds <= 86_400) return seconds
  throw new WrongUse(`--restart-after: expected a number from 0 to 86400, not ${text}`)
}
