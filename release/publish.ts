import { readFile } from 'node:fs/promises'
import { sumsFile, type Artifact } from './artifacts.ts'
import { channelOf, placeOf } from './destinations.ts'
import type { Gitea, Release } from './gitea.ts'

/** A version, its notes and its files. */
export interface Publication {
  version: string
  notes: string
  artifacts: Artifact[]
}

/**
 * Brings a Gitea to the state in which it has all of `publication`: a release with every file, each package in its registry, and what
 * `image` pushes. The release becomes public only once all of this is there. It looks before it writes, so that the next run finishes
 * an interrupted one, and a second run changes nothing. A file that exists and differs is an error; it is never overwritten.
 */
export async function publish(
  gitea: Gitea,
  publication: Publication,
  image: () => Promise<void>,
  say: (line: string) => void,
): Promise<void> {
  const { version, notes } = publication
  const tag = `v${version}`
  const release = (await gitea.find(tag)) ?? (await gitea.draft(tag, notes, channelOf(version) === 'testing'))
  await attachAll(gitea, release, publication, say)
  for (const artifact of publication.artifacts) await register(gitea, artifact, version, say)
  await image()
  if (release.draft) await gitea.publish(release)
  say(`release ${tag} is published`)
}

/**
 * Uploads SHA256SUMS first. When it is unchanged, every file that it lists is unchanged too, and the size of an uploaded file shows
 * whether it is complete. (Gitea reports no digests for the files of a release.)
 */
async function attachAll(
  gitea: Gitea,
  release: Release,
  { version, artifacts }: Publication,
  say: (line: string) => void,
): Promise<void> {
  const differs = (name: string) =>
    new Error(
      `release v${version} already has another ${name}: a version can be published only once. Take the ` +
        'next number, or delete that release',
    )
  const first = artifacts.filter(({ name }) => name === sumsFile)
  for (const artifact of [...first, ...artifacts.filter(({ name }) => name !== sumsFile)]) {
    const there = release.assets.find(({ name }) => name === artifact.name)
    if (there === undefined) await gitea.attach(release, artifact)
    else if (there.size !== artifact.size) throw differs(artifact.name)
    else if (artifact.name === sumsFile && (await gitea.attached(there)) !== (await textOf(artifact)))
      throw differs(artifact.name)
    say(`${there ? 'was there' : 'uploaded '}  release v${version}  ${artifact.name}`)
  }
}

async function register(
  gitea: Gitea,
  artifact: Artifact,
  version: string,
  say: (line: string) => void,
): Promise<void> {
  const place = placeOf(artifact.name, version)
  const there = (await gitea.digests(place)).has(artifact.sha256)
  // Gitea may sign rpms, which changes their digest; for an rpm one can only know that the version exists.
  if (!there && !(await gitea.put(place, artifact)) && place.type !== 'rpm')
    throw new Error(
      `the ${place.type} registry already has another ${artifact.name}: a version can be published only ` +
        'once. Take the next number',
    )
  say(`${there ? 'was there' : 'uploaded '}  ${place.path}  ${artifact.name}`)
}

function textOf(artifact: Artifact): Promise<string> {
  return readFile(artifact.path, 'utf8')
}
