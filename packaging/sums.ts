import { createHash, createPrivateKey, sign } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Writes SHA256SUMS over the files of `dir`, in the format that `sha256sum --check` reads. With `key`, an Ed25519 private key in PEM,
 * also SHA256SUMS.sig, which `openssl pkeyutl -verify -rawin` reads. Rejects when the key is not such a key.
 */
export async function writeSums(dir: string, key: string | undefined): Promise<void> {
  const entries = await readdir(dir, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
  const lines = []
  for (const name of names.sort()) {
    const digest = createHash('sha256').update(await readFile(join(dir, name)))
    lines.push(`${digest.digest('hex')}  ${name}\n`)
  }
  const sums = Buffer.from(lines.join(''))
  await writeFile(join(dir, 'SHA256SUMS'), sums)
  if (key !== undefined) await writeFile(join(dir, 'SHA256SUMS.sig'), sign(null, sums, privateKey(key)))
}

function privateKey(pem: string) {
  const made = 'openssl genpkey -algorithm ed25519 makes one'
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch (cause) {
    throw new Error(`SIGNING_KEY is not a private key in PEM: ${made}`, { cause })
  }
  throw new Error(`SIGNING_KEY is not an Ed25519 key: ${made}`)
}
