import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  makeClusterCa,
  makeClusterSecret,
  makeNodeCertificate,
  type CertifiedKey,
} from '../../cluster/cluster-ca.ts'
import { AnchorageError } from '../../core/errors.ts'
import { nonEmpty } from '../arguments.ts'
import { json } from '../print.ts'
import { verb, WrongUse } from '../verb.ts'

const example = `  nats:
    cluster:
      listen: 0.0.0.0:6222
      announce: HOST:6222
      caFile: …/ca.pem
      certFile: …/NODE.pem
      keyFile: …/NODE.key
      secretFile: …/secret`

/** Makes the cluster's CA and secret unless they exist, and a certificate for each node that has none. */
export const command = verb(
  {
    about: `Makes the files with which the nats-servers of a cluster identify each other, in DIR: ca.pem and ca.key, secret, and
NODE.pem and NODE.key for each node. Keep ca.key: with it in DIR, the same command adds nodes later. Existing files are not
overwritten.`,
    json: '{"dir","made"}.',
    notes: `Each node gets ca.pem, secret, and its own two files:\n\n${example}`,
    examples: ['admin init-cluster --out keys --nodes anchor-1,anchor-2,anchor-3'],
  },
  (bare) =>
    bare
      .requiredOption('--out <DIR>', 'the directory for the files', nonEmpty('--out'))
      .requiredOption(
        '--nodes <LIST>',
        'NODE,NODE,…: the host at which the other nodes reach each node. For several hosts or another name: NAME=HOST+HOST',
        nodesOf,
      ),
  async (_args, { out, nodes }, io) => {
    const dir = resolve(out)
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const { ca, made } = await caIn(dir)
    if (await writeNew(join(dir, 'secret'), `${makeClusterSecret()}\n`, 0o600)) made.push('secret')
    for (const { name, hosts } of nodes)
      made.push(...(await nodeFiles(dir, name, makeNodeCertificate(ca, hosts))))
    if (io.json) return io.out(json({ dir, made }))
    io.out(made.length === 0 ? `all files exist already in ${dir}\n` : `made in ${dir}: ${made.join(' ')}\n`)
  },
)

/** `a,b=10.0.0.1+b.example` → the names of the files, and the hosts in the certificates. */
function nodesOf(list: string): { name: string; hosts: string[] }[] {
  const nodes = list.split(',').map((item) => {
    const [name = '', given = name] = item.trim().split('=')
    if (!/^[\w][\w.:-]*$/.test(name))
      throw new WrongUse(`--nodes: expected NODE or NAME=HOST+HOST, not ${item}`)
    return { name, hosts: given.split('+') }
  })
  const twice = nodes.find(({ name }, index) => nodes.findIndex((other) => other.name === name) !== index)
  if (twice !== undefined) throw new WrongUse(`--nodes: ${twice.name} is given twice`)
  if (nodes.some(({ name }) => name === 'ca')) throw new WrongUse('--nodes: ca is the name of the CA')
  return nodes
}

async function caIn(dir: string): Promise<{ ca: CertifiedKey; made: string[] }> {
  const [certificate, key] = await Promise.all([read(join(dir, 'ca.pem')), read(join(dir, 'ca.key'))])
  if (certificate !== null && key !== null) return { ca: { certificate, key }, made: [] }
  if (certificate !== null || key !== null)
    throw new AnchorageError('conflict', `${dir} has only one of ca.pem and ca.key: a CA needs both`)
  const ca = makeClusterCa()
  // The certificate is written last: once it exists, the CA is complete.
  await writeNew(join(dir, 'ca.key'), ca.key, 0o600)
  await writeNew(join(dir, 'ca.pem'), ca.certificate, 0o644)
  return { ca, made: ['ca.pem', 'ca.key'] }
}

async function nodeFiles(dir: string, name: string, { certificate, key }: CertifiedKey): Promise<string[]> {
  const [there, itsKey] = await Promise.all([read(join(dir, `${name}.pem`)), read(join(dir, `${name}.key`))])
  if (there !== null && itsKey !== null) return []
  if (there !== null || itsKey !== null)
    throw new AnchorageError('conflict', `${dir} has only one of ${name}.pem and ${name}.key: remove it`)
  await writeNew(join(dir, `${name}.key`), key, 0o600)
  await writeNew(join(dir, `${name}.pem`), certificate, 0o644)
  return [`${name}.pem`, `${name}.key`]
}

/** Returns false when the file exists; then it is left as it is. */
async function writeNew(path: string, text: string, mode: number): Promise<boolean> {
  try {
    await writeFile(path, text, { mode, flag: 'wx' })
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

async function read(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
